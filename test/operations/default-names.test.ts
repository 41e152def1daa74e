import { expect, test } from 'vitest';
import { databaseName, nodeName } from '../../src/config-values.js';
import { databaseNameFromPath, nodeNameFromHost } from '../../src/operations/default-names.js';

test.each([
  ['paris', 'paris'],
  ['paris.example.com', 'paris'],
  ['Küche-2', 'Kuche-2'],
  ['-x_', 'x_'],
  ['сервер', 'node'],
  ['', 'node'],
  ['a'.repeat(100), 'a'.repeat(63)],
])('the host %j makes the node %j', (host, node) => {
  expect(nodeNameFromHost(host)).toBe(node);
  expect(nodeName.safeParse(node).success).toBe(true);
});

test.each([
  ['/srv/shop.db', 'shop'],
  ['shop.v2.sqlite3', 'shop.v2'],
  ['Größe & Gewicht.DB', 'Gro-e-Gewicht'],
  ['/srv/data/notes', 'notes'],
  ['.db', 'database'],
  ['..sqlite', 'database'],
])('the file %j makes the database %j', (path, name) => {
  expect(databaseNameFromPath(path)).toBe(name);
  expect(databaseName.safeParse(name).success).toBe(true);
});
