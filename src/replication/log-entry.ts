/**
 * The SQL by which triggers, in any application's SQLite since 3.35, append to the change log: one INSERT … VALUES with
 * scalar subqueries (an INSERT … SELECT that reads its own target goes through a temporary table and costs a third more).
 * The log has no constraint but its integer key, which is always new, so that no conflict clause of the application's
 * statement finds anything to resolve here.
 */
import { SQL_WALL_HLC } from './hlc.js';
import { keyColumn, PREFIX } from './metadata-schema.js';

/** The clock of the next entry: later than every entry, and no earlier than the wall. An empty log is no obstacle. */
const SQL_NEXT_HLC = `max(${SQL_WALL_HLC},coalesce((SELECT max(hlc) FROM ${PREFIX}log)+1,0))`;

export interface LogEntrySql {
  readonly tableId: number;
  /** One of OP. */
  readonly op: number;
  /** Mask column → expression; empty: NULL, which stands for all columns. */
  readonly masks: readonly (readonly [column: string, sql: string])[];
  /** An expression per key column. */
  readonly key: readonly string[];
}

/** A statement of a trigger's body. */
export function appendEntry({ tableId, op, masks, key }: LogEntrySql): string {
  const columns = ['hlc', 'tbl', 'op', ...masks.map(([column]) => column), ...key.map((_, i) => keyColumn(i))];
  const values = [SQL_NEXT_HLC, tableId, op, ...masks.map(([, sql]) => sql), ...key];
  return `INSERT INTO ${PREFIX}log(${columns.join(',')})VALUES(${values.join(',')});`;
}
