/**
 * UNIQUE, judged once a cut is in. Rows that a UNIQUE index refused were parked; by now those that merely swapped values
 * with others of their cut find room. What still collides is settled by key: of two live rows with one value the lower
 * key stays, whatever the stamps (they move, the keys don't). The other is deleted by a write of this node, which
 * found out, and kept whole in a record.
 */
import { type ApplyContext, constraintOf, record } from './apply-context.js';
import { joinWithStored, placeRow } from './apply-row.js';
import { deleteByItself } from './own-writes.js';
import type { QuarantinedRow } from './quarantine.js';
import type { ReplicatedTable } from './replicated-table.js';
import { compareKeys } from './row-key.js';
import { columnStampOf, type SqlValue, type VersionedRow } from './row-version.js';
import { laterStamp, type Stamp } from './stamp.js';
import { storedRow } from './stored-row.js';
import type { Collision } from './unique-collisions.js';

/** Places the parked rows, lowest key first, so that a chain of collisions ends the same on every node. */
export function settleParked(context: ApplyContext): void {
  const parked = context.quarantine.withReason('parked').sort(byTableAndKey);
  for (const waiting of parked) {
    context.quarantine.delete(waiting.table, waiting.key);
    placeParked(waiting, context);
  }
}

function byTableAndKey(x: QuarantinedRow, y: QuarantinedRow): number {
  return x.table.captured.id - y.table.captured.id || compareKeys(x.key, y.key, x.table.collations);
}

function placeParked(waiting: QuarantinedRow, context: ApplyContext): void {
  try {
    placeRow(waiting.table, waiting, context, 'throw');
  } catch (error) {
    if (constraintOf(error) !== 'unique') throw error;
    settleCollision(waiting, context);
  }
}

function settleCollision({ table, key, row, since }: QuarantinedRow, context: ApplyContext): void {
  const outcome = joinWithStored(table, key, row, context);
  if (outcome?.image === null || outcome === null) throw new Error('a tombstone collided');
  const others = collidingRows(table, key, outcome.image);
  if (others.length === 0) {
    const why = {
      reason: 'constraint',
      error: 'a UNIQUE index refuses the row, and no row holds its value',
      since,
    } as const;
    context.quarantine.put(table, key, outcome, why);
    context.counts.quarantined += 1;
    return;
  }
  const lower = others.filter((other) => compareKeys(other.key, key, table.collations) < 0);
  const [winner] = lower.sort((x, y) => compareKeys(x.key, y.key, table.collations));
  if (winner !== undefined) {
    const sides = { winner: storedRow(table, winner.key, context), loser: outcome };
    const cause = recordUnique(table, winner, key, sides, context);
    table.metadata.put(key, outcome.version);
    deleteByItself({ table, key, image: outcome.image }, cause, context);
    context.counts.applied += 1;
    return;
  }
  for (const other of others) {
    const loser = storedRow(table, other.key, context);
    const cause = recordUnique(table, other, other.key, { winner: outcome, loser }, context);
    deleteByItself({ table, key: other.key, image: loser.image ?? [] }, cause, context);
  }
  placeRow(table, { key, row, since }, context, 'throw');
}

function collidingRows(table: ReplicatedTable, key: readonly SqlValue[], image: readonly SqlValue[]): Collision[] {
  const byKey = new Map<string, Collision>();
  for (const collision of table.unique.of(image)) {
    if (compareKeys(collision.key, key, table.collations) === 0) continue;
    const name = JSON.stringify(collision.key, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
    if (!byKey.has(name)) byKey.set(name, collision);
  }
  return [...byKey.values()];
}

/** Records it, and returns the write to which the losing row loses. */
function recordUnique(
  table: ReplicatedTable,
  collision: Collision,
  losingKey: readonly SqlValue[],
  sides: { winner: VersionedRow; loser: VersionedRow },
  context: ApplyContext,
): Stamp {
  const stampOf = ({ version }: VersionedRow): Stamp =>
    collision.columns.map((id) => columnStampOf(version, id)).reduce(laterStamp);
  const winnerStamp = stampOf(sides.winner);
  // The losing row goes whole, with whatever else was written to it.
  const lost = table.columnIds.map((id) => columnStampOf(sides.loser.version, id));
  record(
    {
      table: table.captured,
      key: losingKey,
      kind: 'unique',
      columns: collision.columns,
      winnerStamp,
      loserStamp: stampOf(sides.loser),
      stamps: [winnerStamp, ...lost],
      ...sides,
    },
    context,
  );
  return winnerStamp;
}
