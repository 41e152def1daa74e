/** An application's migrations on a captured file: none fails because of us, and what they undo is seen and repaired. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { inspectCapture } from '../../src/replication/inspect-capture.js';
import { readRegistry, readRegistryEntries } from '../../src/replication/registry.js';
import { captured, changesOf, clearLog, install, readChanges } from '../support/captured-database.js';
import { makeFolder } from '../support/make-folder.js';
import { APPLICATIONS } from '../support/run-application.js';

const SCHEMA = `CREATE TABLE t(id INTEGER PRIMARY KEY, a, b TEXT COLLATE NOCASE, c);
  CREATE INDEX i ON t(a); INSERT INTO t VALUES(1, 1, 'x', 1)`;

const registeredColumns = (db: Database.Database) =>
  readRegistryEntries(db).find((entry) => entry.name === 't')?.columns;

for (const { name, isHere, run } of APPLICATIONS) {
  // One that is not on this machine is skipped, by name.
  describe.skipIf(!isHere)(`migrations in ${name}`, () => {
    test('DROP COLUMN works, and what is left is captured still', () => {
      const path = join(makeFolder(), 'file.db');
      captured(SCHEMA, path).close();
      const answers = run(path, [
        'ALTER TABLE t DROP COLUMN b',
        'UPDATE t SET c = 2',
        'UPDATE t SET a = a',
        'ALTER TABLE t DROP COLUMN c',
        'UPDATE t SET a = 7',
      ]);
      expect(answers.join()).not.toMatch(/error/i);
      const db = new Database(path);
      expect(inspectCapture(db)).toMatchObject({ complete: false, tables: [{ columnsChanged: true, missing: [] }] });
      expect(changesOf(db, 'UPDATE t SET a = 8')).toEqual(['update t(1): a']);
      expect(db.prepare('SELECT count(*) FROM _sqlsync_log').pluck().get()).toBe(2);
      db.close();
    });

    test('RENAME COLUMN and RENAME TO keep the capture going', () => {
      const path = join(makeFolder(), 'file.db');
      captured(SCHEMA, path).close();
      const answers = run(path, [
        'ALTER TABLE t RENAME COLUMN c TO "c c"',
        'ALTER TABLE t RENAME TO "t 2"',
        'UPDATE "t 2" SET "c c" = 5',
      ]);
      expect(answers.join()).not.toMatch(/error/i);
      const db = new Database(path);
      expect(db.prepare('SELECT op, mask, k1 FROM _sqlsync_log ORDER BY hlc DESC').raw().get()).toEqual([2, 8, 1]);
      db.close();
    });
  });
}

test('a dropped column leaves its number unused, and a new one gets its own', () => {
  const db = captured(SCHEMA);
  db.exec('ALTER TABLE t DROP COLUMN b');
  install(db);
  db.exec('ALTER TABLE t ADD COLUMN d; ALTER TABLE t ADD COLUMN b');
  expect(install(db)).toMatchObject({ changed: true, repaired: [], added: [] });
  expect(registeredColumns(db)).toEqual(['id', 'a', null, 'c', 'd', 'b']);
  expect(changesOf(db, 'UPDATE t SET d = 1, b = 2')).toEqual(['update t(1): d, b']);
  expect(inspectCapture(db).complete).toBe(true);
});

test('a column that is new is seen, and captured after a repair', () => {
  const db = captured(SCHEMA);
  db.exec('ALTER TABLE t ADD COLUMN d');
  expect(inspectCapture(db)).toMatchObject({ complete: false, tables: [{ name: 't', columnsChanged: true }] });
  expect(
    readRegistry(db)
      .find((table) => table.name === 't')
      ?.columns.map(({ name }) => name),
  ).toEqual(['id', 'a', 'b', 'c']);
  install(db);
  expect(changesOf(db, 'UPDATE t SET d = 1')).toEqual(['update t(1): d']);
});

describe('what an ALTER TABLE leaves of the triggers is told from what somebody has done to them', () => {
  const t = (db: Database.Database) => readChanges(db).filter(({ table }) => table === 't');

  test('a new column that was written before its trigger knew it is found by its values', () => {
    const db = captured(`${SCHEMA}; INSERT INTO t VALUES(2, 2, 'y', 2), (3, 3, 'z', 3)`);
    clearLog(db);
    db.exec('ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 7; ALTER TABLE t ADD COLUMN e TEXT');
    db.exec(`UPDATE t SET d = 8 WHERE id = 2; UPDATE t SET e = 'x' WHERE id = 3`);
    expect(install(db)).toMatchObject({ repaired: [] });
    expect(t(db)).toEqual([2, 3].map((id) => ({ op: 'update', table: 't', key: [id], columns: ['d', 'e'] })));
    expect(inspectCapture(db).complete).toBe(true);
  });

  test('a renamed column keeps its number, and what was recorded of it', () => {
    const db = captured(SCHEMA);
    clearLog(db);
    db.exec(`ALTER TABLE t RENAME COLUMN c TO "c c"; UPDATE t SET "c c" = 5; ALTER TABLE t RENAME COLUMN a TO z`);
    db.exec('ALTER TABLE t ADD COLUMN e');
    expect(install(db)).toMatchObject({ repaired: [] });
    expect(registeredColumns(db)).toEqual(['id', 'z', 'b', 'c c', 'e']);
    expect(t(db)).toEqual([{ op: 'update', table: 't', key: [1], columns: ['c c'] }]);
    expect(changesOf(db, 'UPDATE t SET z = 9, e = 1')).toEqual(['update t(1): z, e']);
  });

  test('a key column that is renamed, and a table', () => {
    const db = captured(SCHEMA);
    db.exec('ALTER TABLE t RENAME COLUMN id TO number; ALTER TABLE t RENAME TO u');
    expect(install(db)).toMatchObject({ repaired: [], rekeyed: [] });
    expect(changesOf(db, 'UPDATE u SET a = 9')).toEqual(['update u(1): a']);
  });

  test('a column that has gone leaves no gap', () => {
    const db = captured(SCHEMA);
    db.exec('ALTER TABLE t DROP COLUMN b');
    expect(install(db)).toMatchObject({ changed: true, repaired: [] });
    expect(inspectCapture(db).complete).toBe(true);
  });

  test('a trigger that was changed in other ways as well does', () => {
    const db = captured(SCHEMA);
    const sql =
      db.prepare<[], string>("SELECT sql FROM sqlite_schema WHERE name = '_sqlsync_10_update'").pluck().get() ?? '';
    db.exec(`DROP TRIGGER _sqlsync_10_update; ${sql.replace('BEGIN', 'BEGIN SELECT 1;')}`);
    db.exec('ALTER TABLE t RENAME COLUMN c TO d');
    expect(install(db)).toMatchObject({ repaired: ['t'] });
  });
});

test('a table that outgrows the masks widens the log, and what it holds stays', () => {
  const db = captured(SCHEMA);
  db.exec('UPDATE t SET a = 2');
  for (let i = 0; i < 70; i++) db.exec(`ALTER TABLE t ADD COLUMN x${i}`);
  install(db);
  expect(db.prepare('SELECT mask, mask2, k1 FROM _sqlsync_log WHERE op = 2').raw().get()).toEqual([2, null, 1]);
  expect(changesOf(db, 'UPDATE t SET x69 = 1')).toEqual(['update t(1): x69']);
});

test('a wider key widens the log', () => {
  const db = captured(SCHEMA);
  db.exec('CREATE TABLE w(a, b, c, PRIMARY KEY(a, b, c)) WITHOUT ROWID');
  expect(inspectCapture(db).undecided).toEqual(['w']);
  expect(install(db)).toMatchObject({ added: ['w'], repaired: [] });
  expect(changesOf(db, 'INSERT INTO w VALUES(1, 2, 3)')).toEqual(['insert w(1, 2, 3)']);
});

test('a rebuilt table loses its triggers: seen, and mended', () => {
  const db = captured(SCHEMA);
  db.exec(`BEGIN; CREATE TABLE t_new(id INTEGER PRIMARY KEY, a, b, c, z); INSERT INTO t_new SELECT *, 1 FROM t;
    DROP TABLE t; ALTER TABLE t_new RENAME TO t; COMMIT`);
  const [table] = inspectCapture(db).tables;
  expect(table?.missing).toHaveLength(4);
  const result = install(db);
  expect(result).toMatchObject({ changed: true, repaired: ['t'], added: [], rekeyed: [] });
  expect(changesOf(db, 'UPDATE t SET z = 5')).toEqual(['update t(1): z']);
});

test('a renamed table keeps its number', () => {
  const db = captured(SCHEMA);
  const id = readRegistry(db).find((table) => table.name === 't')?.id;
  db.exec('ALTER TABLE t RENAME TO u');
  expect(inspectCapture(db)).toMatchObject({ complete: false, lost: ['t'] });
  install(db);
  expect(readRegistry(db).find((table) => table.name === 'u')?.id).toBe(id);
  expect(inspectCapture(db).complete).toBe(true);
});

test('a table with another key says so', () => {
  const db = captured(SCHEMA);
  db.exec('DROP TABLE t; CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a)');
  expect(install(db).rekeyed).toEqual(['t']);
  expect(changesOf(db, "INSERT INTO t VALUES('k', 1)")).toEqual(['insert t("k")']);
});

test('a dropped table is lost, its number is not given away', () => {
  const db = captured(SCHEMA);
  db.exec('DROP TABLE t');
  expect(inspectCapture(db).lost).toEqual(['t']);
  db.exec('CREATE TABLE v(id INTEGER PRIMARY KEY)');
  install(db);
  expect(readRegistry(db).find((table) => table.name === 'v')?.id).toBe(11);
});

test('a trigger that someone changed is put right', () => {
  const db = captured(SCHEMA);
  const name = db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE name LIKE '%_delete'").pluck().get() ?? '';
  db.exec(`DROP TRIGGER ${name}; CREATE TRIGGER ${name} AFTER DELETE ON t BEGIN SELECT 1; END`);
  expect(inspectCapture(db).tables[0]?.changed).toEqual([name]);
  expect(install(db)).toMatchObject({ repaired: ['t'] });
  expect(changesOf(db, 'DELETE FROM t')).toEqual(['delete t(1)']);
});

test('a log that is gone begins anew above every clock the file knows', () => {
  const db = captured(SCHEMA);
  db.exec(
    "INSERT INTO _sqlsync_session(name, hlc) VALUES('x.0000000000000000@0', 8000000000000000); DROP TABLE _sqlsync_log",
  );
  expect(inspectCapture(db)).toMatchObject({ complete: false, hasLog: false });
  expect(install(db)).toMatchObject({ logRecreated: true });
  expect(db.prepare('SELECT max(hlc) FROM _sqlsync_log').pluck().get()).toBe(8000000000000001);
});
