/**
 * Rules of the data set: what decides how conflicts are settled is no node's own. They are rows of a table that all
 * members have alike, read and written here; a table without a row of its own goes by the row of `*`, column by column,
 * and then by the defaults. How they change is the matter of rule-changes.ts.
 */
import { createHash } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { INTERNAL_TABLES } from './metadata-schema.js';
import type { Strategy, TableRules } from './table-schema.js';

export const [, RULE_TABLE] = INTERNAL_TABLES;

/** The row that speaks for all tables without one. */
export const ALL_TABLES = '*';

export const DEFAULT_RULES: TableRules = { strategy: 'merge', nodeOrder: [], keyCollision: 'keep', orphan: 'keep' };

/** Those of sqlsync's own tables. Of a membership each column is set by itself. */
export const INTERNAL_RULES: TableRules = { ...DEFAULT_RULES, strategy: 'lww' };
export const MEMBER_RULES: TableRules = { ...DEFAULT_RULES, strategy: 'merge' };

/** A row of the rule table as it is stored; NULL: not decided by this row. */
export interface RuleRow {
  readonly tbl: string;
  readonly strategy: Strategy | null;
  readonly node_order: string | null;
  readonly key_collision: TableRules['keyCollision'] | null;
  readonly orphan: TableRules['orphan'] | null;
  readonly included: number | null;
  readonly change: string | null;
  readonly node: string | null;
  readonly at: number | null;
}

/** What one row of the table says; null: not decided by it. */
export interface Rule {
  /** A table's name, or `*`; where it takes in or leaves out, any glob. */
  readonly table: string;
  readonly strategy: Strategy | null;
  readonly nodeOrder: readonly string[] | null;
  readonly keyCollision: TableRules['keyCollision'] | null;
  readonly orphan: TableRules['orphan'] | null;
  readonly included: boolean | null;
}

/** One change of the rules: what is set, and the stamp by which it is known from every other. */
export interface RuleChange {
  /** 32 hex digits, random. */
  readonly id: string;
  /** Where it was typed. */
  readonly node: string;
  /** When, in Unix milliseconds. */
  readonly at: number;
  readonly rules: readonly Rule[];
}

/** Decides nothing about a table. */
export function undecided(table: string): Rule {
  return { table, strategy: null, nodeOrder: null, keyCollision: null, orphan: null, included: null };
}

const COLUMNS: readonly (keyof RuleRow)[] = [
  'tbl',
  'strategy',
  'node_order',
  'key_collision',
  'orphan',
  'included',
  'change',
  'node',
  'at',
];

export function readRuleRows(db: Database): RuleRow[] {
  return db
    .prepare<[], RuleRow>(`SELECT ${COLUMNS.join(', ')} FROM ${RULE_TABLE.name} ORDER BY tbl`)
    .safeIntegers(false)
    .all();
}

/** Sets what the change says, inside the caller's transaction. Returns all rows there are then. */
export function writeRules(db: Database, change: RuleChange): RuleRow[] {
  const rows = rowsAfter(readRuleRows(db), change);
  const replace = db.prepare(
    `REPLACE INTO ${RULE_TABLE.name}(${COLUMNS.join(', ')}) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const isSet = new Set(change.rules.map(({ table }) => table));
  for (const row of rows) if (isSet.has(row.tbl)) replace.run(...COLUMNS.map((column) => row[column]));
  return rows;
}

/** The rows as they are when the change is made, in the order in which they are read. */
export function rowsAfter(rows: readonly RuleRow[], { id, node, at, rules }: RuleChange): RuleRow[] {
  const byTable = new Map(rows.map((row) => [row.tbl, row]));
  for (const { table, strategy, nodeOrder, keyCollision, orphan, included } of rules) {
    byTable.set(table, {
      tbl: table,
      strategy,
      node_order: nodeOrder === null ? null : JSON.stringify(nodeOrder),
      key_collision: keyCollision,
      orphan,
      included: included === null ? null : Number(included),
      change: id,
      node,
      at,
    });
  }
  return [...byTable.values()].sort((x, y) => Buffer.compare(Buffer.from(x.tbl), Buffer.from(y.tbl)));
}

export function ruleOf(row: RuleRow): Rule {
  const { tbl, strategy, node_order, key_collision, orphan, included } = row;
  return {
    table: tbl,
    strategy,
    nodeOrder: node_order === null ? null : (JSON.parse(node_order) as string[]),
    keyCollision: key_collision,
    orphan,
    included: included === null ? null : included !== 0,
  };
}

/**
 * What two nodes must have alike. Every change has a stamp of its own, so rules that were changed and changed back hash
 * to something new: what was sent under the old ones is known from what is sent under these.
 */
export function rulesHash(rows: readonly RuleRow[]): string {
  const values = rows.map((row) => COLUMNS.map((column) => row[column]));
  return createHash('sha256').update(JSON.stringify(values)).digest('hex');
}

/** What these rows say of a table, by its name. */
export function rulesFrom(rows: readonly RuleRow[]): (table: string) => TableRules {
  const byTable = new Map(rows.map((row) => [row.tbl, ruleOf(row)]));
  return (table) => firstOf([byTable.get(table), byTable.get(ALL_TABLES)]);
}

/** What the rules in a file say of a table, by its name. */
export function readRules(db: Database): (table: string) => TableRules {
  return rulesFrom(readRuleRows(db));
}

/** The first row that decides something decides it. */
function firstOf(rules: readonly (Rule | undefined)[]): TableRules {
  const first = <Value>(ofRule: (rule: Rule) => Value | null, otherwise: Value): Value => {
    const values = rules.map((rule) => (rule === undefined ? null : ofRule(rule)));
    return values.find((value) => value !== null) ?? otherwise;
  };
  return {
    strategy: first((rule) => rule.strategy, DEFAULT_RULES.strategy),
    nodeOrder: first((rule) => rule.nodeOrder, DEFAULT_RULES.nodeOrder),
    keyCollision: first((rule) => rule.keyCollision, DEFAULT_RULES.keyCollision),
    orphan: first((rule) => rule.orphan, DEFAULT_RULES.orphan),
  };
}

/** Does the row say how conflicts are settled? Others only take tables in, or leave them out. */
export function settlesConflicts({ strategy, node_order, key_collision, orphan }: RuleRow): boolean {
  return [strategy, node_order, key_collision, orphan].some((said) => said !== null);
}

/** What a table goes by. */
export interface EffectiveRule {
  /** Its name, or `*`: all without a rule of their own. */
  readonly table: string;
  readonly strategy: TableRules['strategy'];
  readonly order: readonly string[];
  readonly keyCollision: TableRules['keyCollision'];
  readonly orphan: TableRules['orphan'];
  /** Has it a rule of its own, or does it go by that of `*` and the defaults? */
  readonly own: boolean;
}

export function effectiveRule(table: string, rules: TableRules, own: boolean): EffectiveRule {
  const { strategy, nodeOrder: order, keyCollision, orphan } = rules;
  return { table, strategy, order, keyCollision, orphan, own };
}
