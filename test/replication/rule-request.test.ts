/** What an operator may ask of the rules of a table, and what row that makes. */
import { describe, expect, test } from 'vitest';
import { readRegistry } from '../../src/replication/registry.js';
import { type RuleRequest, ruleFor } from '../../src/replication/rule-request.js';
import { type RuleRow, rowsAfter, rulesFrom } from '../../src/replication/rules.js';
import { captured } from '../support/captured-database.js';

const NOTHING = { strategy: null, nodeOrder: null, keyCollision: null, orphan: null };
const tables = readRegistry(
  captured(`CREATE TABLE item(k TEXT PRIMARY KEY); CREATE TABLE sale(id INTEGER PRIMARY KEY);
    CREATE TABLE line(id INTEGER PRIMARY KEY, sale REFERENCES sale(id));`),
);
const members = ['lyon', 'nice', 'paris'];

function ask(request: Partial<RuleRequest> & { table: string }, rows: readonly RuleRow[] = []) {
  return ruleFor({ ...NOTHING, ...request }, { tables, rows, members });
}

/** The rows after some requests, one after the other. */
function rowsOf(...requests: (Partial<RuleRequest> & { table: string })[]): RuleRow[] {
  return requests.reduce<RuleRow[]>(
    (rows, request) => rowsAfter(rows, { id: 'f0', node: 'paris', at: 1, rules: [ask(request, rows).rule] }),
    [],
  );
}

describe('a rule that is asked for', () => {
  test('leaves what it does not speak of to the row of all tables, and to the defaults', () => {
    const rows = rowsOf({ table: '*', strategy: 'lww', orphan: 'delete' }, { table: 'item', strategy: 'manual' });
    const rulesOf = rulesFrom(rows);
    expect(rulesOf('item')).toEqual({ strategy: 'manual', nodeOrder: [], keyCollision: 'keep', orphan: 'delete' });
    expect(rulesOf('sale')).toEqual({ strategy: 'lww', nodeOrder: [], keyCollision: 'keep', orphan: 'delete' });
  });

  test('adds to what the table has, and takes the name that the schema spells', () => {
    const rows = rowsOf({ table: 'SALE', strategy: 'lww' }, { table: 'sale', keyCollision: 'rekey' });
    expect(rows.map(({ tbl }) => tbl)).toEqual(['sale']);
    expect(rulesFrom(rows)('sale')).toMatchObject({ strategy: 'lww', keyCollision: 'rekey' });
  });

  test('has its order of nodes as long as it stays with version', () => {
    const order = ['paris', 'lyon'];
    const ordered = rowsOf({ table: 'item', strategy: 'version', nodeOrder: order });
    expect(rulesFrom(ordered)('item').nodeOrder).toEqual(order);
    expect(ask({ table: 'item', strategy: 'version' }, ordered)).toMatchObject({ isInEffect: true });
    expect(ask({ table: 'item', strategy: 'lww' }, ordered).after.nodeOrder).toEqual([]);
    const ofAll = rowsOf({ table: '*', strategy: 'version', nodeOrder: order });
    expect(ask({ table: 'item', strategy: 'version' }, ofAll).after.nodeOrder).toEqual([]);
  });

  test('is in effect already when nothing would come out differently', () => {
    expect(ask({ table: 'item', strategy: 'merge' }).isInEffect).toBe(true);
    expect(ask({ table: 'item', strategy: 'lww' }).isInEffect).toBe(false);
    const rows = rowsOf({ table: '*', strategy: 'lww' });
    expect(ask({ table: 'item', strategy: 'lww' }, rows).isInEffect).toBe(true);
    expect(ask({ table: '*', strategy: 'lww', keyCollision: 'rekey' }, rows).isInEffect).toBe(false);
  });

  test.each([
    ['a table that does not replicate', { table: 'nowhere', strategy: 'lww' }, 'no table "nowhere" replicates'],
    ['one of sqlsync’s own', { table: '_sqlsync_member', strategy: 'lww' }, 'replicates here'],
    ['an order without version', { table: 'item', nodeOrder: ['paris'] }, 'not of merge'],
    ['a stranger in the order', { table: 'item', strategy: 'version', nodeOrder: ['rome'] }, 'is no member'],
    ['a node twice', { table: 'item', strategy: 'version', nodeOrder: ['nice', 'nice'] }, 'twice'],
    ['new keys where SQLite gives out none', { table: 'item', keyCollision: 'rekey' }, 'gives out no keys in item'],
    ['orphans without parents', { table: 'sale', orphan: 'delete' }, 'has no foreign keys'],
  ] as const)('is refused: %s', (_what, request, message) => {
    expect(() => ask(request)).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(message) }),
    );
  });

  test('may speak of parents and keys for all tables at once', () => {
    expect(ask({ table: '*', orphan: 'delete', keyCollision: 'rekey' }).isInEffect).toBe(false);
    expect(ask({ table: 'line', orphan: 'restore-parent' }).after.orphan).toBe('restore-parent');
  });
});
