import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { tablesThatDoNotCompile } from '../../src/replication/compile-tables.js';

function problems(schema: string, prepare: (db: Database.Database) => void = () => {}): Record<string, string> {
  const db = new Database(':memory:');
  prepare(db);
  db.exec(schema);
  const names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all() as string[];
  return Object.fromEntries(tablesThatDoNotCompile(db, new Set(names)));
}

// Each has something that may call a function, so that it is compiled.
test.each([
  ['an AUTOINCREMENT key', 'CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a CHECK(a > 0))'],
  [
    'many such tables',
    Array.from(
      { length: 40 },
      (_, i) => `CREATE TABLE t${i}(id INTEGER PRIMARY KEY AUTOINCREMENT, a DEFAULT (1 + 1))`,
    ).join(';'),
  ],
  [
    'indexes on expressions',
    "CREATE TABLE t(a, b); CREATE UNIQUE INDEX i ON t(lower(a) || '!'); CREATE INDEX p ON t(b) WHERE b > 1",
  ],
  ['WITHOUT ROWID and STRICT', 'CREATE TABLE t(a TEXT PRIMARY KEY CHECK(length(a) > 1), b ANY) STRICT, WITHOUT ROWID'],
  ['generated columns', 'CREATE TABLE t(a, b AS (a * 2), c AS (abs(a)) STORED, UNIQUE(c))'],
  ['a parent that is not there', 'CREATE TABLE t(a PRIMARY KEY, p REFERENCES nowhere, CHECK(p > 1))'],
  [
    'a parent in another table',
    'CREATE TABLE p(a PRIMARY KEY); CREATE TABLE t(a PRIMARY KEY CHECK(a > 0), p REFERENCES p)',
  ],
  ['FTS5 beside it', "CREATE VIRTUAL TABLE f USING fts5(x); CREATE TABLE t(a DEFAULT (datetime('now')))"],
  ['a default in the moment', 'CREATE TABLE t(a DEFAULT CURRENT_TIMESTAMP CHECK(a IS NOT NULL))'],
])('%s can be written here', (_what, schema) => {
  expect(problems(schema)).toEqual({});
});

test('what only the application has is named', () => {
  const withFunction = (db: Database.Database) => db.function('title_sort', { deterministic: true }, (x: unknown) => x);
  expect(
    problems('CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a CHECK(title_sort(a) > 0))', withFunction),
  ).toEqual({
    t: 'it needs the function title_sort(), which only the application has',
  });
});
