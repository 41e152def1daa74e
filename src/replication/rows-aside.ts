/**
 * Rows whose newest version is in no table of the application, but only in sqlsync's own: parked until the rest of a
 * catch-up is in, refused by a constraint, or held for want of a column. Whoever takes those tables away must know.
 */
import type { Database } from 'better-sqlite3';
import { constraintOf } from './apply-context.js';
import { PREFIX } from './metadata-schema.js';
import { NodeState } from './node-state.js';
import { enterPrivateSchema, leavePrivateSchema } from './private-schema.js';
import { Quarantine, type QuarantinedRow } from './quarantine.js';
import { readReplicatedSchema } from './replicated-schema.js';
import { ReplicatedTables } from './replicated-table.js';
import { upgradeFormat } from './upgrade-format.js';

export interface TableAside {
  readonly table: string;
  /** They are in no table at all until their catch-up is whole. */
  readonly parked: number;
  /** Refused by a constraint, or held until a migration: an older version may be in the table. */
  readonly waiting: number;
}

export interface RowsAside {
  /** Is a catch-up half applied: is the file neither what it was before nor what it becomes? */
  readonly isCatchingUp: boolean;
  readonly tables: readonly TableAside[];
}

/** Only a process that folds makes a session of its own. */
const NO_RANDOM = {
  hex: () => {
    throw new Error('nothing random is needed to put rows back');
  },
};

const SELECT_ASIDE = `
  SELECT name AS "table", sum(parked) AS parked, sum(waiting) AS waiting FROM (
    SELECT coalesce(t.name, 'a table that is gone') AS name, q.reason = 'parked' AS parked, q.reason <> 'parked' AS waiting
    FROM ${PREFIX}quarantine AS q LEFT JOIN ${PREFIX}table AS t ON t.id = q.tbl
    UNION ALL SELECT tbl, 0, 1 FROM ${PREFIX}held
  ) GROUP BY name ORDER BY name`;

/** Of a file that has been initialised. Asks no engine, so that a file which none can open can be asked. */
export function readRowsAside(db: Database): RowsAside {
  const catchUp = db.prepare(`SELECT value FROM ${PREFIX}state WHERE name = 'catch_up'`).pluck().get() ?? '';
  return { isCatchingUp: catchUp !== '', tables: db.prepare<[], TableAside>(SELECT_ASIDE).all() };
}

/**
 * Puts parked rows back into their tables where they fit: a key that an application has used since, and a UNIQUE value
 * that another row has, keep a row out. Inside the caller's transaction, on an ordinary connection, which it is again
 * afterwards; the application's triggers do not fire, save those that write only locally.
 * @returns table → how many rows are in again
 */
export function putParkedBack(db: Database): Map<string, number> {
  // Of an older format there is no use for a backup: all that is upgraded goes at once, or the transaction is rolled back.
  upgradeFormat(db, db.name);
  const { tables: captured, localTriggers } = readReplicatedSchema(db);
  const state = new NodeState(db, NO_RANDOM);
  const quarantine = new Quarantine(db, state, new ReplicatedTables(db, captured, state));
  const placed = new Map<string, number>();
  enterPrivateSchema(db, localTriggers);
  try {
    // One pass: a row that is put back takes values and frees none.
    for (const parked of quarantine.withReason('parked')) putBack(parked, placed);
    return placed;
  } finally {
    leavePrivateSchema(db);
  }
}

function putBack({ table, key, row }: QuarantinedRow, placed: Map<string, number>): void {
  if (row.image === null || table.rows.exists(key)) return;
  try {
    table.rows.write(row.image);
  } catch (error) {
    if (constraintOf(error) === null) throw error;
    return;
  }
  const { name } = table.captured;
  placed.set(name, (placed.get(name) ?? 0) + 1);
}
