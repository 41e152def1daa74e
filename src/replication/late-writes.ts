/**
 * Writes to a row that come too late: it has lost its key to another and lives under a new one, and whoever wrote did not
 * know. They are carried over to where the row lives now, unless somebody has written there since. Where rows are joined
 * whole, such a write may bring the row itself back in the other's place: then the other takes its place again.
 */
import { type ApplyContext, record } from './apply-context.js';
import type { ConflictDetail } from './conflict-record.js';
import type { MetLives } from './key-collisions.js';
import { homeOf, isIn, type NewHome, underNewKey } from './new-home.js';
import { takePlace, writeColumns } from './own-writes.js';
import type { VersionedRow } from './row-version.js';

/** Records the conflict of the two lives, and sees to both. */
export function carryOver({ table, key, conflict }: MetLives, context: ApplyContext): void {
  const { winner, loser, columns } = conflict;
  const ofLoser = homeOf(table, key, loser.version);
  const ofWinner = homeOf(table, key, winner.version);
  let detail: ConflictDetail | undefined;
  if (isIn(ofLoser, context)) {
    detail = detailOf(ofLoser, write(ofLoser, loser, columns, context));
  } else if (isIn(ofWinner, context)) {
    const refused = takePlaceAgain(ofWinner, loser, context);
    detail = detailOf(ofWinner, refused ?? write(ofWinner, winner, table.columnIds, context));
  }
  record({ table: table.captured, key, ...conflict, ...(detail === undefined ? {} : { detail }) }, context);
}

function detailOf({ newKey }: NewHome, refused: string | null): ConflictDetail {
  return { rekeyedTo: Number(newKey[0]), ...(refused === null ? {} : { kept: refused }) };
}

/** Writes the columns to the row under its new key. Returns why not, in words. */
function write(home: NewHome, late: VersionedRow, columns: readonly number[], context: ApplyContext): string | null {
  const { table, newKey } = home;
  const written = table.metadata.get(newKey)?.columnStamps ?? new Map();
  const isWhole = table.captured.rules.strategy !== 'merge';
  if (isWhole ? written.size > 0 : columns.some((id) => written.has(id)))
    return 'the row has been written to under its new key';
  return writeColumns(table, newKey, underNewKey(home, late.image ?? []), columns, context);
}

/** Puts the other row back under the key. Returns why not, in words. */
function takePlaceAgain({ table, key }: NewHome, other: VersionedRow, context: ApplyContext): string | null {
  if (!table.rows.exists(key)) return 'no row is left under the key';
  return context.attempt(() => takePlace(table, key, other.image ?? [], context));
}
