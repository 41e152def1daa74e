/** A row in its table, together with its version. */
import type { ApplyContext } from './apply-row.js';
import type { ReplicatedTable } from './replicated-table.js';
import type { SqlValue, VersionedRow } from './row-version.js';
import { settledStamp } from './stamp.js';

/** A row as it stands in its table; a settled one has but the stamp that stands for all below the horizon. */
export function storedRow(table: ReplicatedTable, key: readonly SqlValue[], { state }: ApplyContext): VersionedRow {
  const life = settledStamp(state.get('horizon'));
  const settled = { alive: true, life, stamp: life, vector: new Map(), columnStamps: null, edits: 0 };
  return { version: table.metadata.get(key) ?? settled, image: table.rows.read(key) };
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
