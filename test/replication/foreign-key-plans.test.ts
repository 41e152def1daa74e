/** Whether SQLite finds children by an index is asked of SQLite itself. */
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { readForeignKeyPlans } from '../../src/replication/foreign-key-plans.js';

const PARENTS = `CREATE TABLE p(id INTEGER PRIMARY KEY, mail TEXT UNIQUE COLLATE NOCASE, plain TEXT);
  CREATE TABLE pair(a, b, PRIMARY KEY(a, b)) WITHOUT ROWID;`;

function planOf(schema: string) {
  const db = new Database(':memory:');
  db.exec(PARENTS + schema);
  return readForeignKeyPlans(db)[0];
}

test.each([
  ['no index', 'CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p)', true],
  ['an index', 'CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p); CREATE INDEX i ON c(p)', false],
  [
    'an index that begins with it',
    'CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p, x); CREATE INDEX i ON c(p, x)',
    false,
  ],
  [
    'an index that ends with it',
    'CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p, x); CREATE INDEX i ON c(x, p)',
    true,
  ],
  [
    'the rows that have a parent',
    'CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p); CREATE INDEX i ON c(p) WHERE p IS NOT NULL',
    false,
  ],
  [
    'some of the rows',
    'CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p, x); CREATE INDEX i ON c(p) WHERE x = 1',
    true,
  ],
  [
    'an index, but a column without a type',
    'CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p); CREATE INDEX useless ON c(p)',
    true,
  ],
  ['the key itself', 'CREATE TABLE c(id INTEGER PRIMARY KEY REFERENCES p)', false],
  ['the parent’s collation', 'CREATE TABLE c(m TEXT PRIMARY KEY COLLATE NOCASE REFERENCES p(mail))', false],
  ['another collation', 'CREATE TABLE c(m TEXT PRIMARY KEY REFERENCES p(mail))', true],
  ['a key of two columns', 'CREATE TABLE c(x, y, FOREIGN KEY(x, y) REFERENCES pair); CREATE INDEX i ON c(y, x)', false],
  ['the table itself', 'CREATE TABLE c(id TEXT PRIMARY KEY, up REFERENCES c)', true],
  ['odd names', 'CREATE TABLE "c ""d"(id TEXT PRIMARY KEY, "select" REFERENCES P(ID))', true],
])('%s', (_, schema, isScanned) => {
  expect(planOf(schema)).toMatchObject({ isScanned, broken: null });
});

test.each([
  ['CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES gone)', 'there is no table gone'],
  ['CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p(plain))', 'p(plain) is not UNIQUE'],
  ['CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p(missing))', 'p(missing) is not UNIQUE'],
  ['CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES pair)', 'pair has no key of 1 columns'],
])('%s cannot be enforced', (schema, broken) => {
  expect(planOf(schema)).toMatchObject({ broken, isScanned: null });
});

test('what acts by itself is told', () => {
  expect(planOf('CREATE TABLE c(id, p REFERENCES p ON DELETE SET NULL)')?.acts).toBe(true);
  expect(planOf('CREATE TABLE c(id, p REFERENCES p ON DELETE RESTRICT)')?.acts).toBe(false);
});

test('an index that SQLite cannot use is told from none', () => {
  expect(planOf('CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p); CREATE INDEX i ON c(p, id)')).toMatchObject({
    isScanned: true,
    uselessIndex: 'i',
  });
  expect(planOf('CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p)')?.uselessIndex).toBeNull();
});
