/** A row in its table, together with its version. */
import type { ApplyContext } from './apply-context.js';
import type { NodeState } from './node-state.js';
import type { ReplicatedTable } from './replicated-table.js';
import type { RowVersion, SqlValue, VersionedRow } from './row-version.js';
import { settledStamp } from './stamp.js';

/** The version of a row without metadata: it has but the stamp that stands for all below the horizon. */
export function settledVersion(state: NodeState): RowVersion {
  const life = settledStamp(state.get('horizon'));
  return { alive: true, life, stamp: life, vector: new Map(), columnStamps: null, edits: 0 };
}

/** A row as it stands in its table. */
export function storedRow(table: ReplicatedTable, key: readonly SqlValue[], { state }: ApplyContext): VersionedRow {
  return { version: table.metadata.get(key) ?? settledVersion(state), image: table.rows.read(key) };
}

/**
 * Makes the table's row what the version says, which is known under this arrival. What others refer to is kept as long as
 * somebody may miss it.
 */
export function putImage(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  { version, image }: VersionedRow,
  arrival: number,
  { former }: ApplyContext,
): void {
  const isReferenced = table.referencedBy.length > 0;
  if (image === null) {
    if (isReferenced) former.beforeDelete(table, key, version, arrival);
    table.rows.delete(key);
  } else {
    if (isReferenced) former.beforeWrite(table, key, version, arrival);
    table.rows.write(image);
  }
}
