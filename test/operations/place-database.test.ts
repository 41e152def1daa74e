import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { localFiles } from '../../src/daemon/local-files.js';
import { processesHolding } from '../../src/operations/file-holders.js';
import { asidePathFor, assertUnused, placeDatabase } from '../../src/operations/place-database.js';
import { makeFolder } from '../support/make-folder.js';
import { makeShop, rowsOf } from '../support/shop-database.js';

const NOON = new Date('2026-01-02T12:00:00.5Z');

test('the file that was there is kept under a name that is free', () => {
  const folder = makeFolder();
  const [path, draft] = [join(folder, 'shop.db'), join(folder, 'draft')];
  makeShop(path, `INSERT INTO product VALUES('old', 'old', 1);`);
  makeShop(draft);
  writeFileSync(`${path}.before-join-20260102T120000Z`, 'from an earlier join');
  const aside = asidePathFor(path, NOON);
  expect(aside).toBe(`${path}.before-join-20260102T120000Z-2`);
  placeDatabase(draft, path, aside);
  expect(rowsOf(path, 'SELECT count(*) FROM product')).toEqual([[2]]);
  expect(rowsOf(aside, 'SELECT count(*) FROM product')).toEqual([[3]]);
  expect(existsSync(draft)).toBe(false);
});

test('a connection that the process list does not show is found by its lock, in WAL mode', () => {
  const path = join(makeFolder(), 'shop.db');
  makeShop(path, 'PRAGMA journal_mode = WAL;');
  const application = new Sqlite(path);
  onTestFinished(() => void application.close());
  application.prepare('SELECT * FROM product').all();
  expect(() => assertUnused(path, localFiles)).toThrow(expect.objectContaining({ code: 'database-locked' }));
});

test('a process that has the file open is named, by whatever path it came', async () => {
  const folder = makeFolder();
  const path = join(folder, 'shop.db');
  makeShop(path);
  symlinkSync(path, join(folder, 'link.db'));
  const program = 'require("fs").openSync(process.argv[1]); console.log("open"); setInterval(() => {}, 1000)';
  const child = spawn(process.execPath, ['-e', program, join(folder, 'link.db')]);
  onTestFinished(() => void child.kill());
  await once(child.stdout, 'data');
  expect(processesHolding(path)).toEqual([child.pid]);
  expect(() => assertUnused(path, localFiles)).toThrow(`process ${child.pid}`);
  child.kill();
  await once(child, 'close');
  expect(processesHolding(path)).toEqual([]);
  expect(() => assertUnused(path, localFiles)).not.toThrow();
});

test('where the system does not tell who has a file open, nobody is suspected', () => {
  const folder = makeFolder();
  const path = join(folder, 'shop.db');
  makeShop(path);
  mkdirSync(join(folder, 'proc', '1'), { recursive: true });
  expect(processesHolding(path, join(folder, 'proc'))).toEqual([]);
  expect(processesHolding(path, join(folder, 'nowhere'))).toEqual([]);
});

test('what a file has in its logs is in the file afterwards, and nothing is left beside it', () => {
  const folder = makeFolder();
  const path = join(folder, 'shop.db');
  makeShop(path, 'PRAGMA journal_mode = PERSIST; INSERT INTO product VALUES(1, 1, 1);');
  expect(readdirSync(folder)).toContain('shop.db-journal');
  assertUnused(path, localFiles);
  expect(readdirSync(folder)).toEqual(['shop.db']);
});
