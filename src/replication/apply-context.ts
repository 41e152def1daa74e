/** What applying rows has at hand, and what it counts. */
import type { ConflictRecords, DetectedConflict } from './conflict-record.js';
import type { FormerParents } from './former-parents.js';
import type { KeyCollisions } from './key-collisions.js';
import type { NodeState } from './node-state.js';
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

export interface ApplyContext {
  readonly state: NodeState;
  readonly quarantine: Quarantine;
  readonly records: ConflictRecords;
  readonly former: FormerParents;
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
}

/** What the engine itself places its rows with. `logOwnWrite`: later than `beyond`. */
interface OwnParts extends Pick<ApplyContext, 'state' | 'quarantine' | 'records' | 'former' | 'attempt'> {
  logOwnWrite(
    tableId: number,
    op: number,
    key: readonly SqlValue[],
    beyond: number,
    columns?: readonly number[],
  ): number;
}

/** To place versions that nobody has just sent. */
export function ownContext(parts: OwnParts, counts: ApplyCounts, nowMs: number): ApplyContext {
  const { state, quarantine, records, former } = parts;
  return {
    ...{ state, quarantine, records, former, counts, nowMs },
    keyCollisions: null,
    senderHorizon: state.get('horizon'),
    logOwnWrite: (tableId, op, key, columns) => parts.logOwnWrite(tableId, op, key, 0, columns),
    attempt: (work) => parts.attempt(work),
  };
}

/** Writes a conflict record down and counts it. */
export function record(conflict: DetectedConflict, { records, counts, nowMs }: ApplyContext): void {
  if (records.record(conflict, nowMs)) counts.conflicts += 1;
}
