/** How rows without a parent are looked for: by an index where the child has one, and else at once for all parents. */
import { describe, expect, test } from 'vitest';
import { foreignKeysAmong } from '../../src/replication/foreign-keys.js';
import { ReferringRows } from '../../src/replication/referring-rows.js';
import { readRegistry } from '../../src/replication/registry.js';
import { captured } from '../support/captured-database.js';

const WINDOW = { after: 0, upTo: 1000 };

function referringRows(schema: string) {
  const db = captured(schema);
  const [key] = foreignKeysAmong(readRegistry(db));
  if (key === undefined) throw new Error('the schema has no foreign key');
  const asked: string[] = [];
  const prepare = db.prepare.bind(db);
  db.prepare = ((sql: string) => {
    asked.push(sql);
    return prepare(sql);
  }) as typeof db.prepare;
  const planOf = (ask: (rows: ReferringRows) => unknown) => {
    const rows = new ReferringRows(db, key);
    asked.length = 0;
    ask(rows);
    const steps = prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${asked.at(-1)}`).all(1, 2);
    return steps.map(({ detail }) => detail).filter((detail) => /^(SCAN|SEARCH)/.test(detail));
  };
  return { planOf, rows: new ReferringRows(db, key) };
}

const PARENT = 'CREATE TABLE parent(k TEXT PRIMARY KEY)';
const CHILD = 'CREATE TABLE child(id TEXT PRIMARY KEY, p TEXT REFERENCES parent)';

describe('the children of deleted parents', () => {
  test('are found through the child’s index', () => {
    const { planOf } = referringRows(`${PARENT}; ${CHILD}; CREATE INDEX of_parent ON child(p)`);
    expect(planOf((rows) => rows.ofParentsIn(WINDOW))).toEqual([
      'SEARCH d USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)',
      'SEARCH c USING INDEX of_parent (p=?)',
      expect.stringMatching(/^SEARCH p USING COVERING INDEX/),
      expect.stringMatching(/^SEARCH m USING INDEX/),
    ]);
  });

  test('are found without one by a single pass over what is not settled', () => {
    const { planOf } = referringRows(`${PARENT}; ${CHILD}`);
    expect(planOf((rows) => rows.ofParentsIn(WINDOW))).toEqual([
      'SCAN m',
      expect.stringMatching(/^SEARCH c USING INDEX/),
      expect.stringMatching(/^SEARCH p USING COVERING INDEX/),
      expect.stringMatching(/^SEARCH d USING INDEX/),
    ]);
  });

  test.each([
    ['a partial index', 'CREATE INDEX i ON child(p) WHERE id > 5', CHILD],
    ['an index under another collation', 'CREATE INDEX i ON child(p COLLATE NOCASE)', CHILD],
    ['a child of another affinity', 'CREATE INDEX i ON child(p)', CHILD.replace('p TEXT', 'p INT')],
    ['an index that begins with another column', 'CREATE INDEX i ON child(id, p)', CHILD],
  ])('%s does not help', (_, index, child) => {
    expect(referringRows(`${PARENT}; ${child}; ${index}`).rows.isIndexed).toBe(false);
  });
});

test('children that have arrived are looked up one by one', () => {
  const { planOf } = referringRows(`${PARENT}; ${CHILD}`);
  expect(planOf((rows) => rows.ofChildrenIn(WINDOW))[0]).toBe(
    'SEARCH m USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)',
  );
});
