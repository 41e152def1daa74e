/** The condition by which a row is found that stands in another's way: it must be found by the index, in every SQLite. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { uniqueMatch } from '../../src/replication/check-triggers.js';
import { readSchema } from '../../src/replication/read-schema.js';
import { captured, changesOf } from '../support/captured-database.js';
import { makeFolder } from '../support/make-folder.js';
import { SHELL as shell } from '../support/run-application.js';

const TABLE = `CREATE TABLE incoming(id, a, b, c);
  CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT NOT NULL DEFAULT 3, c TEXT COLLATE NOCASE, g AS (lower(c)));`;

function planQuery(index: string): { schema: string; query: string } {
  const schema = `${TABLE} CREATE UNIQUE INDEX i ON t${index};`;
  const db = new Database(':memory:');
  db.exec(schema);
  const table = readSchema(db).tables[0];
  const [unique] = table?.uniqueIndexes ?? [];
  if (table === undefined || unique === undefined) throw new Error('there is no unique index');
  const match = uniqueMatch(table, unique, (column) => `(SELECT "${column}" FROM incoming)`);
  return { schema, query: `EXPLAIN QUERY PLAN SELECT 1 FROM t WHERE ${match}` };
}

describe.each([
  '(b)',
  '(a COLLATE NOCASE) WHERE b > 1',
  '(c COLLATE BINARY)',
  '(lower(a), b % 2)',
  '(lower(a)) WHERE b IS NOT NULL',
  '(lower(c) COLLATE NOCASE DESC)',
  '(g)',
  '(c, g)',
  "(json_extract(a, '$.x'))",
])('a unique index over %s', (index) => {
  const { schema, query } = planQuery(index);
  const bySearch = /SEARCH t USING (COVERING )?INDEX i /;

  test('is searched', () => {
    const db = new Database(':memory:');
    db.exec(schema);
    const plan = db
      .prepare<[], { detail: string }>(query)
      .all()
      .map((step) => step.detail)
      .join('\n');
    expect(plan).toMatch(bySearch);
    expect(plan).not.toMatch(/SCAN t\b/);
  });

  // Its SQLite is older than ours.
  test.skipIf(!shell.isHere)(`is searched in ${shell.name}`, () => {
    const stdout = shell
      .run(join(makeFolder(), 'file.db'), [...schema.split(';').filter((part) => part.trim() !== ''), query])
      .at(-1);
    expect(stdout).toMatch(bySearch);
    expect(stdout).not.toMatch(/SCAN t\b/);
  });
});

describe('REPLACE by a rowid that is not the key', () => {
  const ROWS = `INSERT INTO t(rowid, id, v) VALUES(1, 'a', 1), (2, 'b', 2), (3, 'c', 3)`;

  test.each([
    [
      'an insert that names it',
      `INSERT OR REPLACE INTO t(rowid, id, v) VALUES(1, 'z', 9)`,
      ['check t("a")', 'insert t("z")'],
    ],
    ['by another name', `INSERT OR REPLACE INTO t(oid, id, v) VALUES(2, 'z', 9)`, ['check t("b")', 'insert t("z")']],
    ['an update', `UPDATE OR REPLACE t SET rowid = 2 WHERE id = 'a'`, ['check t("b")']],
    ['by another name too', `UPDATE OR REPLACE t SET _ROWID_ = 3 WHERE id = 'a'`, ['check t("c")']],
    ['an insert that does not', `INSERT INTO t(id, v) VALUES('z', 9)`, ['insert t("z")']],
    ['an update that does not', `UPDATE t SET v = 9 WHERE id = 'a'`, ['update t("a"): v']],
  ])('%s', (_, sql, changes) => {
    const db = captured(`CREATE TABLE t(id TEXT PRIMARY KEY, v); ${ROWS}`);
    expect(changesOf(db, sql)).toEqual(changes);
  });

  test('a column that has taken the name is no rowid', () => {
    const db = captured(`CREATE TABLE t(id TEXT PRIMARY KEY, rowid, oid); INSERT INTO t VALUES('a', 1, 1)`);
    expect(changesOf(db, `INSERT OR REPLACE INTO t(_rowid_, id) VALUES(1, 'z')`)).toEqual([
      'check t("a")',
      'insert t("z")',
    ]);
    expect(changesOf(db, `INSERT INTO t VALUES('b', 1, 1)`)).toEqual(['insert t("b")']);
  });

  test('a key that is the rowid is changed by all its names', () => {
    const db = captured(`CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES(1, 1)`);
    const moves = [2, 3, 4].map((id) => [`delete t(${id - 1})`, `insert t(${id})`]);
    const names = ['id', 'ROWID', 'oid'];
    expect(names.map((name, i) => changesOf(db, `UPDATE t SET ${name} = ${i + 2}`))).toEqual(moves);
  });
});
