import SqliteDatabase, { type Database } from 'better-sqlite3';
import { expect, test } from 'vitest';
import { initialiseNode } from '../../src/replication/initialise.js';
import { type KeyOrder, readKeyOrder, segmentSql, segmentsOf, valuesOf } from '../../src/replication/key-order.js';
import { planCapture } from '../../src/replication/plan-capture.js';
import { type KeyedRow, RangeReader } from '../../src/replication/range-reader.js';
import { readRegistry } from '../../src/replication/registry.js';
import { canonicalKey } from '../../src/replication/row-key.js';
import { RawText, type SqlValue } from '../../src/replication/row-version.js';
import type { CapturedTable } from '../../src/replication/table-schema.js';
import { seededRandom } from '../support/seeded-random.js';

/** Tables with keys of every kind, each with a secondary index that the planner might be tempted by. */
const KEYS: Readonly<Record<string, string>> = {
  rowid: 'CREATE TABLE t(a INTEGER PRIMARY KEY, b, c)',
  'rowid, not the alias': 'CREATE TABLE t(a INTEGER PRIMARY KEY DESC, b, c)',
  text: 'CREATE TABLE t(a TEXT PRIMARY KEY, b, c)',
  untyped: 'CREATE TABLE t(a PRIMARY KEY, b, c)',
  real: 'CREATE TABLE t(a REAL PRIMARY KEY, b, c)',
  nocase: 'CREATE TABLE t(a TEXT COLLATE NOCASE PRIMARY KEY, b, c)',
  rtrim: 'CREATE TABLE t(a TEXT COLLATE RTRIM PRIMARY KEY, b, c)',
  composite: 'CREATE TABLE t(a, b, c, PRIMARY KEY(a, b))',
  'mixed order': 'CREATE TABLE t(a, b, c, PRIMARY KEY(a DESC, b, c DESC))',
  'mixed collations': 'CREATE TABLE t(a, b COLLATE RTRIM, c, PRIMARY KEY(a COLLATE NOCASE, b DESC, c))',
  'without rowid': 'CREATE TABLE t(a, b, c, PRIMARY KEY(a, b DESC)) WITHOUT ROWID',
  'unique index': 'CREATE TABLE t(a NOT NULL, b NOT NULL, c); CREATE UNIQUE INDEX k ON t(b DESC, a COLLATE NOCASE)',
};

const VALUES: readonly SqlValue[] = [
  0n,
  1n,
  -1n,
  2n ** 62n,
  0.5,
  1.5,
  -0.0,
  1e300,
  Number.NEGATIVE_INFINITY,
  'a',
  'A',
  'ab',
  'a ',
  'b\0c',
  'B\0d',
  'é',
  '\uFFFD',
  new RawText(Buffer.from('ff41', 'hex')),
  new RawText(Buffer.from('c328', 'hex')),
  Buffer.from('a'),
  Buffer.alloc(0),
  null,
];

const bind = (value: SqlValue) => (value instanceof RawText ? value.bytes : value);
const parameter = (value: SqlValue) => (value instanceof RawText ? 'CAST(? AS TEXT)' : '?');

function make(sql: string, seed: number, count = 150): { db: Database; table: CapturedTable; order: KeyOrder } {
  const db = new SqliteDatabase(':memory:');
  db.exec(`${sql}; CREATE INDEX lure ON t(a); CREATE INDEX another ON t(b, a)`);
  const random = seededRandom(seed);
  for (let i = 0; i < count; i += 1) {
    const row = ['a', 'b', 'c'].map(() => random.pick(VALUES));
    try {
      db.prepare(`INSERT OR IGNORE INTO t VALUES(${row.map(parameter).join(', ')})`).run(row.map(bind));
    } catch {
      // The value is none for this key.
    }
  }
  const identity = { dataset: '0'.repeat(32), node: 'n', nodeId: '1'.repeat(32), nowMs: 0 };
  const plan = planCapture(db, { include: [], exclude: [] });
  const tables = plan.tables.map((t) => ({ ...t, status: 'captured' as const }));
  initialiseNode(db, identity, { tables });
  const table = readRegistry(db).find(({ name }) => name === 't') as CapturedTable;
  return { db, table, order: readKeyOrder(db, table) };
}

function keysIn(reader: RangeReader, table: CapturedTable, range: Parameters<RangeReader['rows']>[0]): string[] {
  const collations = table.schema.identity.columns.map(({ collation }) => collation);
  return [...reader.rows(range)].map(({ key }: KeyedRow) => canonicalKey(key, collations));
}

for (const [name, sql] of Object.entries(KEYS)) {
  test(`${name}: any two bounds part the rows into ranges that hold each row once, in one order`, () => {
    for (let seed = 1; seed <= 2; seed += 1) {
      const { db, table, order } = make(sql, seed);
      const reader = new RangeReader(db, table, ['c', 'a', 'b'], order);
      const rows = [...reader.rows({ after: null, to: null })];
      const key = table.schema.identity.columns.map((c) => `"${c.name}" IS NOT NULL`).join(' AND ');
      const counted = db.prepare(`SELECT count(*) FROM t WHERE ${key}`).pluck().get();
      expect(rows.length).toBe(counted);
      expect(rows.length).toBeGreaterThan(3);
      const all = keysIn(reader, table, { after: null, to: null });
      expect(new Set(all).size).toBe(all.length);
      for (let i = 0; i < rows.length; i += 4) {
        for (let j = i; j < rows.length; j += 9) {
          const [after, to] = [(rows[i] as KeyedRow).key, (rows[j] as KeyedRow).key];
          expect(keysIn(reader, table, { after: null, to: after })).toEqual(all.slice(0, i + 1));
          expect(keysIn(reader, table, { after, to })).toEqual(all.slice(i + 1, j + 1));
          expect(keysIn(reader, table, { after: to, to: null })).toEqual(all.slice(j + 1));
        }
        expect(reader.read((rows[i] as KeyedRow).key)).toEqual((rows[i] as KeyedRow).image);
      }
      db.close();
    }
  });

  test(`${name}: a range is found by the key's own index, and not sorted`, () => {
    const { db, table, order } = make(sql, 1);
    const [first, last] = [
      ['a', 1n, 2n],
      ['b', 1n, 3n],
    ].map((k) => k.slice(0, order.descending.length));
    for (const [after, to] of [
      [null, null],
      [first, null],
      [null, last],
      [first, last],
    ] as [SqlValue[] | null, SqlValue[] | null][]) {
      for (const segment of segmentsOf({ after, to }, (_, x, y) => x === y)) {
        const values = valuesOf(segment);
        const from = segmentSql(table, order, segment, values.map(() => '?')); // biome-ignore format: one line
        const plan = db.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN SELECT c ${from}`).all(values);
        expect(plan.map(({ detail }) => detail).join()).not.toMatch(/TEMP B-TREE|lure|another/);
        if (values.length > 0) expect(plan.map(({ detail }) => detail).join()).toMatch(/^SEARCH t USING/);
      }
    }
    db.close();
  });
}
