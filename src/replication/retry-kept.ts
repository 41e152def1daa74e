/**
 * Another try at rows of which a version waits in quarantine: after a local write to the row that is in the table, which
 * the version has to be joined with here as every peer does, and after a change of the schema.
 */
import type { ApplyContext } from './apply-context.js';
import { placeJoined, placeRow } from './apply-row.js';
import { isCatchingUp } from './catch-up.js';
import { fitOf } from './column-mapping.js';
import { completeImage } from './complete-image.js';
import type { HeldRow } from './held-rows.js';
import { OP } from './metadata-schema.js';
import type { KeptRowName } from './quarantine.js';
import type { ReplicatedTables } from './replicated-table.js';
import { settleParked } from './settle-unique.js';

/** Rows that were held for want of a column or a table, and fit now. Inside the caller's transaction. */
export function placeHeld(rows: readonly HeldRow[], tables: ReplicatedTables, context: ApplyContext): void {
  for (const { definition, key, row, horizon } of rows) {
    const fit = fitOf(tables.named(definition.name), definition);
    if ('why' in fit) throw new Error(`a held row of ${definition.name} does not fit: ${fit.why}`);
    const incoming = completeImage(fit.table, { key, row: fit.toLocal(row) }, fit.lacking, context.state);
    placeJoined(fit.table, incoming, { ...context, senderHorizon: horizon });
  }
  if (!isCatchingUp(context.state)) settleParked(context);
  // Nobody takes what a read-only node writes.
  const writes = context.state.get('read_only') === 0;
  for (const { definition, key } of rows.filter(({ isAnew }) => isAnew && writes)) {
    const table = tables.named(definition.name);
    if (table?.rows.exists(key)) context.logOwnWrite(table.captured.id, OP.update, key);
  }
}

/** Inside the caller's transaction. What is refused again goes back, joined with what has been written since. */
export function retryKept(rows: Iterable<KeptRowName>, context: ApplyContext): void {
  for (const { table, key } of rows) {
    const kept = context.quarantine.get(table, key);
    if (kept === undefined || kept.reason === 'parked') continue;
    context.quarantine.delete(table, key);
    placeRow(table, kept, context, 'park');
  }
  if (!isCatchingUp(context.state)) settleParked(context);
}
