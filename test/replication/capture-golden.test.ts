/**
 * The SQL of the triggers, as recorded. It lives in applications' files: whoever changes it makes every file repair its
 * triggers once, so a change is looked at here first. RECORD_GOLDEN=1 records anew.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { captureTriggers } from '../../src/replication/capture-triggers.js';
import { readSchema } from '../../src/replication/read-schema.js';
import { shippedColumns } from '../../src/replication/registry.js';
import { DEFAULT_RULES } from '../../src/replication/rules.js';

const FOLDER = new URL('../golden/capture/', import.meta.url);
const seventy = Array.from({ length: 70 }, (_, i) => `c${i} INT`).join(', ');

const SCHEMAS = {
  simple: 'CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, data BLOB)',
  'composite-nocase-key': 'CREATE TABLE t(a TEXT COLLATE NOCASE, b INT, v, PRIMARY KEY(a, b COLLATE RTRIM))',
  'without-rowid': 'CREATE TABLE t(id TEXT PRIMARY KEY, v REAL) WITHOUT ROWID',
  'key-alone': 'CREATE TABLE t(a INT NOT NULL, b INT NOT NULL, PRIMARY KEY(a, b)) WITHOUT ROWID',
  'quoted-names': `CREATE TABLE "we""ird 🐘"("a b" TEXT PRIMARY KEY, "select" UNIQUE, "ключ" TEXT)`,
  'seventy-columns': `CREATE TABLE t(id INTEGER PRIMARY KEY, ${seventy})`,
  'generated-columns': 'CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, g AS (lower(a)) UNIQUE, s AS (a || g) STORED)',
  'unique-indexes': `CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT NOT NULL DEFAULT 3 UNIQUE);
    CREATE UNIQUE INDEX i ON t(a COLLATE NOCASE) WHERE b > 1; CREATE UNIQUE INDEX j ON t(lower(a), b % 2)`,
  strict: 'CREATE TABLE t(id INT PRIMARY KEY, x ANY, y BLOB, z TEXT) STRICT',
};

function triggersOf(schema: string): string {
  const db = new Database(':memory:');
  db.exec(schema);
  const [table] = readSchema(db).tables;
  if (table === undefined) throw new Error('the table is refused');
  const columns = shippedColumns(table).map((name, id) => ({ id, name }));
  const triggers = captureTriggers({
    id: 10,
    name: table.name,
    columns,
    schema: table,
    rules: DEFAULT_RULES,
    internal: false,
  });
  // SQLite must take them, and an application's statements must compile with them.
  db.exec('CREATE TABLE _sqlsync_log(hlc INTEGER PRIMARY KEY, tbl, op, mask, mask2, k1, k2)');
  for (const { sql } of triggers) db.exec(sql);
  return triggers.map(({ sql }) => `${sql}\n`).join('\n');
}

test.each(Object.entries(SCHEMAS))('%s', (name, schema) => {
  const file = new URL(`${name}.sql`, FOLDER);
  const sql = triggersOf(schema);
  if (process.env.RECORD_GOLDEN === '1') {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(file, sql);
  }
  expect(sql).toBe(readFileSync(file, 'utf8'));
});
