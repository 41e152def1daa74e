/** What a cut has brought of tables under the rule `rekey`, to be settled when all of it is in. */
import type { JoinConflict } from './join-rows.js';
import type { ReplicatedTable } from './replicated-table.js';
import type { RowVersion, SqlValue } from './row-version.js';

/** Two lives under one allocated key. */
export interface MetLives {
  readonly table: ReplicatedTable;
  readonly key: readonly SqlValue[];
  readonly conflict: JoinConflict;
}

/** A row that this node's application had made, and in whose place another has come. */
export interface DisplacedRow {
  readonly table: ReplicatedTable;
  readonly key: readonly SqlValue[];
  readonly version: RowVersion;
}

export class KeyCollisions {
  /** Two rows that met here, neither known to the other: `key-collision`. */
  readonly met: MetLives[] = [];
  /** A row that was written to after another had taken its key, unknown to the writer: `update-delete`. */
  readonly late: MetLives[] = [];
  readonly displaced: DisplacedRow[] = [];
}

/** Why the rule is not followed where the cut does not come in as a whole. */
export const IN_PARTS = 'it came in a catch-up of several parts, of which none shows who knew of whom';
