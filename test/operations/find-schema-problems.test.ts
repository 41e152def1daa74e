import { expect, test } from 'vitest';
import { inSchema } from '../../src/operations/find-schema-problems.js';
import type { HeldTableStatus } from '../../src/replication/gone-tables.js';

const HELD: HeldTableStatus = {
  name: 'stock',
  rows: 3,
  why: 'the table is missing here, or does not replicate',
  sinceMs: Date.UTC(2026, 0, 2),
  nodes: ['lyon'],
  fate: 'never',
  renamedTo: null,
  droppedBy: [],
  waitsFor: ['lyon', 'rome'],
};

function told(...tables: HeldTableStatus[]): string | undefined {
  const heldRows = tables.reduce((sum, table) => sum + table.rows, 0);
  const found = inSchema({ heldRows, schemaBehind: ['paris'] }, { rows: heldRows, tables });
  expect(found).toMatchObject([{ code: 'schema-differs', severity: 'error', since: '2026-01-02T00:00:00.000Z' }]);
  return found[0]?.message;
}

test.each<[Partial<HeldTableStatus>, RegExp]>([
  [{}, /3 of stock from lyon \(the table is missing here.*run the application's migration on this node/],
  [
    { fate: 'present', why: 'missing here: c' },
    /missing here: c: run the application's migration.*no node has any more: add them, and drop them when/,
  ],
  [{ fate: 'renamed', renamedTo: 'store' }, /it is called store here: they go in by themselves when lyon has/],
  [{ fate: 'dropped' }, /it has been dropped here: they are given up .* when it is gone on lyon, rome too/],
  [{ droppedBy: ['lyon'], waitsFor: ['rome'] }, /dropped on lyon: .* when it is gone on rome too/],
  [{ fate: 'dropped', waitsFor: [] }, /as soon as every member is known to have heard/],
])('held rows of a table that is %j', (facts, words) => {
  expect(told({ ...HELD, ...facts })).toMatch(words);
});

test('of many tables some are told, and the others counted', () => {
  const tables = Array.from({ length: 7 }, (_, i) => ({ ...HELD, name: `t${i}` }));
  expect(told(...tables)).toMatch(/^21 rows of other nodes .* t4 from .*; and those of 2 tables more$/);
});

test('rows that wait on other nodes are a warning here', () => {
  const [found, ...rest] = inSchema({ heldRows: 0, schemaBehind: ['lyon', 'rome'] }, { rows: 0, tables: [] });
  expect(rest).toEqual([]);
  expect(found).toMatchObject({ code: 'schema-differs', severity: 'warning' });
  expect(found?.message).toMatch(/the tables of lyon, rome are others than here/);
});
