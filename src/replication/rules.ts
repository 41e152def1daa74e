/**
 * Rules of the data set: what decides how conflicts are settled is no node's own. They are rows of a replicated table,
 * read here; a table without a row of its own goes by the row of `*`, column by column, and then by the defaults.
 */
import type { Database } from 'better-sqlite3';
import { INTERNAL_TABLES } from './metadata-schema.js';
import type { Strategy, TableRules } from './table-schema.js';

export const [, RULE_TABLE] = INTERNAL_TABLES;

/** The row that speaks for all tables without one. */
export const ALL_TABLES = '*';

export const DEFAULT_RULES: TableRules = { strategy: 'merge', nodeOrder: [], keyCollision: 'keep', orphan: 'keep' };

/** Those of sqlsync's own tables. */
export const INTERNAL_RULES: TableRules = { ...DEFAULT_RULES, strategy: 'lww' };

/** A row of the rule table as it is stored; NULL: not decided by this row. */
export interface RuleRow {
  readonly tbl: string;
  readonly strategy: Strategy | null;
  readonly node_order: string | null;
  readonly key_collision: TableRules['keyCollision'] | null;
  readonly orphan: TableRules['orphan'] | null;
  readonly included: number | null;
}

export function readRuleRows(db: Database): RuleRow[] {
  return db.prepare<[], RuleRow>(`SELECT * FROM ${RULE_TABLE.name} ORDER BY tbl`).safeIntegers(false).all();
}

/** What the rules in a file say of a table, by its name. */
export function readRules(db: Database): (table: string) => TableRules {
  const rows = new Map(readRuleRows(db).map((row) => [row.tbl, row]));
  return (table) => rulesFrom([rows.get(table), rows.get(ALL_TABLES)]);
}

/** The first row that decides a column decides it. */
function rulesFrom(rows: readonly (RuleRow | undefined)[]): TableRules {
  const first = <Column extends keyof RuleRow>(column: Column) =>
    rows.map((row) => row?.[column] ?? null).find((value) => value !== null) as
      | NonNullable<RuleRow[Column]>
      | undefined;
  const nodeOrder = first('node_order');
  return {
    strategy: first('strategy') ?? DEFAULT_RULES.strategy,
    nodeOrder: nodeOrder === undefined ? DEFAULT_RULES.nodeOrder : (JSON.parse(nodeOrder) as string[]),
    keyCollision: first('key_collision') ?? DEFAULT_RULES.keyCollision,
    orphan: first('orphan') ?? DEFAULT_RULES.orphan,
  };
}
