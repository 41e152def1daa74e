/**
 * What nodes say of tables that others keep rows of and that they do not have themselves: rows of a replicated table of
 * sqlsync's own, one of each node and table, which that node alone writes. Whoever has such a row has all that its node
 * wrote to the table before, since what a node writes arrives in its order.
 */
import type { Database } from 'better-sqlite3';
import { INTERNAL_TABLES } from './metadata-schema.js';

export const [, , , , , , ABSENCE_TABLE] = INTERNAL_TABLES;

/**
 * What has become of a table on a node. `never`: it has not been there. `dropped`: it replicated, and is gone. `renamed`:
 * its rows live on under another name. `present`: it is there, whatever was said before.
 */
export type Fate = 'never' | 'dropped' | 'renamed' | 'present';

export interface Absence {
  readonly node: string;
  readonly table: string;
  readonly fate: Fate;
  /** Whatever the node wrote to the table before it said so is not later. */
  readonly hlc: number;
}

const { name: TABLE } = ABSENCE_TABLE;

/** All there are. */
export function readAbsences(db: Database): Absence[] {
  return db.prepare<[], Absence>(`SELECT node, tbl AS "table", fate, hlc FROM ${TABLE}`).safeIntegers(false).all();
}

/** A node's name has no space in it. */
export const absenceId = (node: string, table: string): string => `${node} ${table}`;

/** Writes the row. The caller enters it into the change log, in the same transaction. */
export function putAbsence(db: Database, { node, table, fate, hlc }: Absence, nowMs: number): void {
  db.prepare(`REPLACE INTO ${TABLE}(id, node, tbl, fate, hlc, at) VALUES(?, ?, ?, ?, ?, ?)`).run(
    absenceId(node, table),
    node,
    table,
    fate,
    BigInt(hlc),
    BigInt(nowMs),
  );
}

/** The table → what each of these nodes says of it. */
export function absencesByTable(
  absences: readonly Absence[],
  nodes: ReadonlySet<string>,
): Map<string, ReadonlyMap<string, Absence>> {
  const byTable = new Map<string, Map<string, Absence>>();
  for (const absence of absences) {
    if (!nodes.has(absence.node)) continue;
    const known = byTable.get(absence.table) ?? new Map<string, Absence>();
    byTable.set(absence.table, known.set(absence.node, absence));
  }
  return byTable;
}

/**
 * Is the table gone? Nobody of those who write has it, one at least has dropped it, and with none it lives on under
 * another name. Where nobody has ever had it, they may all be behind a migration.
 */
export function isGone(said: ReadonlyMap<string, Absence>, writers: ReadonlySet<string>): boolean {
  const fates = [...writers].map((node) => said.get(node)?.fate);
  return fates.every((fate) => fate === 'never' || fate === 'dropped') && fates.includes('dropped');
}
