/**
 * Another try at rows of which a version waits in quarantine: after a local write to the row that is in the table, which
 * the version has to be joined with here as every peer does, and after a change of the schema.
 */
import type { ApplyContext } from './apply-context.js';
import { placeRow } from './apply-row.js';
import { isCatchingUp } from './catch-up.js';
import type { ReplicatedTable } from './replicated-table.js';
import type { SqlValue } from './row-version.js';
import { settleParked } from './settle-unique.js';

export interface KeptRowName {
  readonly table: ReplicatedTable;
  readonly key: readonly SqlValue[];
}

/** Inside the caller's transaction. What is refused again goes back, joined with what has been written since. */
export function retryKept(rows: Iterable<KeptRowName>, context: ApplyContext): void {
  for (const { table, key } of rows) {
    const kept = context.quarantine.get(table, key);
    if (kept === undefined || kept.reason === 'parked') continue;
    context.quarantine.delete(table, key);
    placeRow(table, { key: kept.key, row: kept.row }, context, 'park');
  }
  if (!isCatchingUp(context.state)) settleParked(context);
}
