/** What applying rows has at hand, and what it counts. */
import type { ConflictRecords, DetectedConflict } from './conflict-record.js';
import type { FormerParents } from './former-parents.js';
import type { GapRows } from './gap-rows.js';
import type { KeyCollisions } from './key-collisions.js';
import type { Clock, NodeState } from './node-state.js';
import type { Quarantine, QuarantineReason } from './quarantine.js';
import type { SqlValue } from './row-version.js';

/** What became of incoming rows, counted. */
export interface ApplyCounts {
  applied: number;
  known: number;
  /** Rows in which writes to different columns met and merged. */
  merged: number;
  conflicts: number;
  quarantined: number;
  /** Rows that this node's schema cannot hold yet. */
  held: number;
}

export function noCounts(): ApplyCounts {
  return { applied: 0, known: 0, merged: 0, conflicts: 0, quarantined: 0, held: 0 };
}

/** The class of a SQLite constraint error, or null for an error of another kind. */
export function constraintOf(error: unknown): 'unique' | QuarantineReason | null {
  const code = (error as { code?: unknown } | null)?.code;
  // An INTEGER PRIMARY KEY that is no integer has an error code of its own.
  if (code === 'SQLITE_MISMATCH') return 'datatype';
  if (typeof code !== 'string' || !code.startsWith('SQLITE_CONSTRAINT')) return null;
  switch (code) {
    case 'SQLITE_CONSTRAINT_UNIQUE':
    case 'SQLITE_CONSTRAINT_PRIMARYKEY':
    case 'SQLITE_CONSTRAINT_ROWID':
      return 'unique';
    case 'SQLITE_CONSTRAINT_CHECK':
      return 'check';
    case 'SQLITE_CONSTRAINT_NOTNULL':
      return 'not-null';
    case 'SQLITE_CONSTRAINT_DATATYPE':
      return 'datatype';
    default:
      return 'constraint';
  }
}

/** What an engine has at hand for it. */
export interface ApplyParts {
  readonly state: NodeState;
  readonly quarantine: Quarantine;
  readonly records: ConflictRecords;
  readonly former: FormerParents;
  readonly gapRows: GapRows;
  readonly clock: Clock;
  readonly log: { last(): number };
  logOwnWrite(
    tableId: number,
    op: number,
    key: readonly SqlValue[],
    beyond: number,
    columns?: readonly number[],
  ): number;
  attempt(work: () => void): string | null;
}

export interface ApplyContext extends Omit<ApplyParts, 'clock' | 'log' | 'logOwnWrite'> {
  /** Collects what the rule `rekey` settles when the cut is in; null where no whole cut comes in. */
  readonly keyCollisions: KeyCollisions | null;
  readonly nowMs: number;
  /** The sender's horizon. */
  readonly senderHorizon: number;
  readonly counts: ApplyCounts;
  /** Enters a write of the engine's own into the change log; `columns` are those of an update, all if not given. Returns its HLC. */
  logOwnWrite(tableId: number, op: number, key: readonly SqlValue[], columns?: readonly number[]): number;
  /** Does what a constraint may refuse, whole or not at all. Returns SQLite's words if it was refused. */
  attempt(work: () => void): string | null;
  /** The HLC of the newest log entry. */
  newestEntry(): number;
}

/** `beyond`: an HLC that the engine's own writes must be later than. */
export function contextFor(
  parts: ApplyParts,
  apply: Pick<ApplyContext, 'keyCollisions' | 'senderHorizon' | 'counts'> & { readonly beyond: () => number },
): ApplyContext {
  const { state, quarantine, records, former, gapRows, clock, log } = parts;
  const { keyCollisions, senderHorizon, counts, beyond } = apply;
  return {
    state,
    quarantine,
    records,
    former,
    gapRows,
    keyCollisions,
    senderHorizon,
    counts,
    nowMs: clock.nowMs(),
    logOwnWrite: (tableId, op, key, columns) => parts.logOwnWrite(tableId, op, key, beyond(), columns),
    attempt: (work) => parts.attempt(work),
    newestEntry: () => log.last(),
  };
}

/** Writes a conflict record down and counts it. */
export function record(conflict: DetectedConflict, { records, counts, nowMs }: ApplyContext): void {
  if (records.record(conflict, nowMs)) counts.conflicts += 1;
}
