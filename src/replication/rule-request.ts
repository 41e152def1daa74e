/** What an operator asks of the rules of a table, checked against the data set, and the row that it makes. Pure. */
import { SqlsyncError } from '../errors.js';
import { ALL_TABLES, type Rule, type RuleRow, ruleOf, rulesFrom, undecided } from './rules.js';
import type { CapturedTable, Strategy, TableRules } from './table-schema.js';

export const STRATEGIES = ['merge', 'lww', 'version', 'manual'] as const satisfies Strategy[];
export const KEY_COLLISIONS = ['keep', 'rekey'] as const satisfies TableRules['keyCollision'][];
export const ORPHAN_RULES = ['keep', 'delete', 'restore-parent'] as const satisfies TableRules['orphan'][];

/** Null: nothing was asked of it, and it stays as it is. */
export interface RuleRequest {
  /** A table's name, or `*`. */
  readonly table: string;
  readonly strategy: Strategy | null;
  /** Names of nodes, the first wins ties. */
  readonly nodeOrder: readonly string[] | null;
  readonly keyCollision: TableRules['keyCollision'] | null;
  readonly orphan: TableRules['orphan'] | null;
}

export interface RuleRequestFacts {
  readonly tables: readonly CapturedTable[];
  readonly rows: readonly RuleRow[];
  readonly members: readonly string[];
}

export interface RequestedRule {
  readonly rule: Rule;
  /** What the table goes by then. */
  readonly after: TableRules;
  /** Does it go by that already? */
  readonly isInEffect: boolean;
}

/** Throws 'usage' for what makes no sense of this table. */
export function ruleFor(request: RuleRequest, facts: RuleRequestFacts): RequestedRule {
  const table = findTable(request.table, facts.tables);
  const name = table?.name ?? ALL_TABLES;
  const before = rulesFrom(facts.rows)(name);
  const row = facts.rows.find(({ tbl }) => tbl === name);
  const rule = changed(row === undefined ? undecided(name) : ruleOf(row), request);
  const after = {
    strategy: rule.strategy ?? before.strategy,
    nodeOrder: rule.nodeOrder ?? before.nodeOrder,
    keyCollision: rule.keyCollision ?? before.keyCollision,
    orphan: rule.orphan ?? before.orphan,
  };
  if (request.nodeOrder !== null) checkOrder(request.nodeOrder, after.strategy, facts.members);
  if (request.keyCollision === 'rekey' && table !== null) checkKeys(table);
  if (request.orphan !== null && table !== null) checkForeignKeys(table);
  return { rule, after, isInEffect: JSON.stringify(after) === JSON.stringify(before) };
}

/** An order is a matter of `version` alone, and a new strategy does not inherit that of `*`. */
function changed(rule: Rule, { strategy, nodeOrder, keyCollision, orphan }: RuleRequest): Rule {
  const isOther = strategy !== null && strategy !== rule.strategy;
  return {
    ...rule,
    strategy: strategy ?? rule.strategy,
    nodeOrder: nodeOrder ?? (isOther ? [] : rule.nodeOrder),
    keyCollision: keyCollision ?? rule.keyCollision,
    orphan: orphan ?? rule.orphan,
  };
}

/** Null: all tables. SQLite takes a table's name in whatever case. */
function findTable(name: string, tables: readonly CapturedTable[]): CapturedTable | null {
  if (name === ALL_TABLES) return null;
  const own = tables.filter((table) => !table.internal);
  const found =
    own.find((table) => table.name === name) ?? own.find((table) => table.name.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found;
  throw new SqlsyncError('usage', `no table ${JSON.stringify(name)} replicates here`, {
    hint: `These do: ${own.map((table) => table.name).join(', ') || 'none'}. ${ALL_TABLES} stands for all without a rule of their own.`,
  });
}

function checkOrder(order: readonly string[], strategy: Strategy, members: readonly string[]): void {
  if (strategy !== 'version') {
    throw new SqlsyncError('usage', `an order of nodes breaks ties of the strategy version, not of ${strategy}`, {
      hint: 'Leave out --order, or set the strategy version.',
    });
  }
  const stranger = order.find((node) => !members.includes(node));
  if (stranger !== undefined) {
    throw new SqlsyncError('usage', `${JSON.stringify(stranger)} is no member of the data set`, {
      hint: `Members: ${members.join(', ')}`,
    });
  }
  if (new Set(order).size < order.length) throw new SqlsyncError('usage', 'the order names a node twice');
}

function checkKeys({ name, schema }: CapturedTable): void {
  if (schema.identity.source === 'integer-primary-key') return;
  throw new SqlsyncError('usage', `SQLite gives out no keys in ${name}: there is nothing to rekey`, {
    hint: 'Only a row whose key is an INTEGER PRIMARY KEY can be given another one.',
  });
}

function checkForeignKeys({ name, schema }: CapturedTable): void {
  if (schema.foreignKeys.length > 0) return;
  throw new SqlsyncError('usage', `${name} has no foreign keys: its rows have no parents to lose`);
}
