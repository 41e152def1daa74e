/** Which rule decides about a table, whatever the order in which the rules were made. */
import { expect, test } from 'vitest';
import { inclusionBy, inclusionRules } from '../../src/replication/included-tables.js';
import { inclusionFor } from '../../src/replication/inclusion-request.js';
import { isMigrationTable } from '../../src/replication/migration-tables.js';
import { type RuleRow, rowsAfter, undecided } from '../../src/replication/rules.js';

/** The rows after `+glob` and `-glob`, typed one after the other. */
function rowsOf(...typed: string[]): RuleRow[] {
  return typed.reduce<RuleRow[]>((rows, sign, i) => {
    const request = { glob: sign.slice(1), included: sign.startsWith('+') };
    const { rule } = inclusionFor(request, rows, ['Item', 'cache_a']);
    return rowsAfter(rows, { id: String(i), node: 'paris', at: i, rules: [rule] });
  }, []);
}

test.each([
  [['+cache_*', '-cache_*'], 'cache_a', false],
  [['-cache_*', '+cache_*'], 'cache_a', true],
  [['-cache_*', '+cache_a'], 'cache_a', true],
  [['+cache_a', '-cache_*'], 'cache_a', true],
  [['-cache_a', '+cache_a*'], 'cache_a', false],
  [['-*', '+cache_*'], 'cache_a', true],
  [['+cache_*', '-*'], 'cache_a', true],
  [['-*', '+cache_*'], 'other', false],
  [['+audit_*', '-*_log'], 'audit_log', true],
  [['-*_log', '+audit_*'], 'audit_log', true],
  [['+a*_log', '-audit_*'], 'audit_log', false],
  [['-ab*', '+a*c'], 'abc', false],
  [['+a*c', '-ab*'], 'abc', false],
  [['-ITEM'], 'Item', false],
  [['-item', '+it*'], 'Item', false],
  [['-cache_?'], 'cache_b', false],
  [['-cache_?'], 'cache_bb', null],
  [[], 'item', null],
])('after %j, %s: %s', (typed, table, included) => {
  expect(inclusionBy(rowsOf(...typed))(table)?.included ?? null).toBe(included);
  const decided = new Set(typed.map((sign) => sign.slice(1).toLowerCase())).size === typed.length;
  if (decided) expect(inclusionBy(rowsOf(...typed.toReversed()))(table)?.included ?? null).toBe(included);
});

test('a table’s own name is one rule, as the schema spells it, and keeps what it says of conflicts', () => {
  expect(rowsOf('-ITEM', '+item').map(({ tbl, included }) => [tbl, included])).toEqual([['Item', 1]]);
  const lww = rowsAfter([], { id: 'f', node: 'paris', at: 1, rules: [{ ...undecided('Item'), strategy: 'lww' }] });
  expect(inclusionFor({ glob: 'item', included: false }, lww, ['Item']).rule).toEqual({
    ...undecided('Item'),
    strategy: 'lww',
    included: false,
  });
  expect(inclusionRules(lww)).toEqual([]);
});

test.each(['', '_sqlsync_member', '_SQLSYNC_*'])('%j names no table of an application', (glob) => {
  const usage = expect.objectContaining({ code: 'usage' });
  expect(() => inclusionFor({ glob, included: true }, [], [])).toThrow(usage);
});

test('what is asked for is in effect where that very rule stands', () => {
  const isInEffect = (glob: string, included: boolean) =>
    inclusionFor({ glob, included }, rowsOf('-cache_*'), []).isInEffect;
  expect([isInEffect('cache_*', false), isInEffect('CACHE_*', false), isInEffect('cache_*', true)]).toEqual([
    true,
    true,
    false,
  ]);
  expect(isInEffect('cache_a', false)).toBe(false);
});

test('tables of migration tools are known by name, and one called migrations by its columns', () => {
  const columns = (...names: string[]) => names.map((name) => ({ name }));
  expect(isMigrationTable('knex_migrations_lock', [])).toBe(true);
  expect(isMigrationTable('Migrations', columns('id', 'Timestamp', 'name'))).toBe(true);
  expect(isMigrationTable('migrations', columns('id', 'from_country'))).toBe(false);
  expect(isMigrationTable('item', columns('timestamp', 'name'))).toBe(false);
});
