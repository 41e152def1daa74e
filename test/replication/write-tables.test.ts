/** Tables made by the thousand are in the schema as if each had been made alone, in a file of any shape. */
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { createTables } from '../../src/replication/write-tables.js';

const COUNT = 450;
const BEFORE = `CREATE TABLE app(id INTEGER PRIMARY KEY, u UNIQUE); CREATE INDEX i ON app(u); CREATE VIEW v AS SELECT 1;
  CREATE TABLE gone(x); CREATE TRIGGER touch AFTER INSERT ON app BEGIN UPDATE app SET u = u; END; DROP TABLE gone;
  INSERT INTO app VALUES(1, 2)`;
const STATEMENTS = Array.from({ length: COUNT }, (_, i) => `CREATE TABLE made_${i}(k PRIMARY KEY, v)`);

const schemaOf = (db: Database.Database) =>
  db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid').all();

test.each(['NONE', 'FULL', 'INCREMENTAL'])('auto_vacuum = %s', (mode) => {
  const [one, other] = [new Database(':memory:'), new Database(':memory:')];
  for (const db of [one, other]) {
    db.pragma(`auto_vacuum = ${mode}`);
    db.exec(BEFORE);
  }
  for (const sql of STATEMENTS) one.exec(sql);
  other.transaction(() => createTables(other, STATEMENTS))();
  expect(schemaOf(other)).toEqual(schemaOf(one));
  other.exec(`INSERT INTO made_449 VALUES('k', 1); INSERT INTO app(u) VALUES(7); CREATE TABLE next(x)`);
  expect(other.pragma('integrity_check', { simple: true })).toBe('ok');
});

test('a statement that fails leaves the file as it was', () => {
  const db = new Database(':memory:');
  db.exec(BEFORE);
  const before = schemaOf(db);
  expect(() => db.transaction(() => createTables(db, [...STATEMENTS, 'CREATE TABLE app(x)']))()).toThrow(
    /already exists/,
  );
  expect(schemaOf(db)).toEqual(before);
  db.exec('CREATE TABLE made_0(x); INSERT INTO app(u) VALUES(7)');
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
});
