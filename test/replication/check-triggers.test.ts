/** The condition by which a row is found that stands in another's way: it must be found by the index, in every SQLite. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { uniqueMatch } from '../../src/replication/check-triggers.js';
import { readSchema } from '../../src/replication/read-schema.js';
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
