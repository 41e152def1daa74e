/**
 * UNIQUE, judged once a cut is in. Rows that a UNIQUE index refused were parked; by now those that merely swapped values
 * with others of their cut find room. What still collides is settled by key: of two live rows with one value the lower
 * key stays, whatever the stamps (they move, the keys don't). The other is deleted by a write of this node, which
 * found out, and kept whole in a record.
 */
import { type ApplyContext, constraintOf, joinWithStored, placeRow, record } from './apply-row.js';
import { OP } from './metadata-schema.js';
import type { QuarantinedRow } from './quarantine.js';
import type { ReplicatedTable } from './replicated-table.js';
import { compareKeys } from './row-key.js';
import { columnStampOf, type SqlValue, type VersionedRow } from './row-version.js';
import { laterStamp, type Stamp, settledStamp } from './stamp.js';
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

function settleCollision({ table, key, row }: QuarantinedRow, context: ApplyContext): void {
  const outcome = joinWithStored(table, key, row, context);
  if (outcome?.image === null || outcome === null) throw new Error('a tombstone collided');
  const others = collidingRows(table, key, outcome.image);
  if (others.length === 0) {
    const why = {
      reason: 'constraint',
      error: 'a UNIQUE index refuses the row, and no row holds its value',
      nowMs: context.nowMs,
    } as const;
    context.quarantine.put(table, key, outcome, why);
    context.counts.quarantined += 1;
    return;
  }
  const lower = others.filter((other) => compareKeys(other.key, key, table.collations) < 0);
  const [winner] = lower.sort((x, y) => compareKeys(x.key, y.key, table.collations));
  if (winner !== undefined) {
    recordUnique(table, winner, key, { winner: storedRow(table, winner.key, context), loser: outcome }, context);
    table.rows.delete(key);
    table.metadata.put(key, outcome.version);
    context.logOwnWrite(table.captured.id, OP.delete, key);
    context.counts.applied += 1;
    return;
  }
  for (const other of others) {
    recordUnique(table, other, other.key, { winner: outcome, loser: storedRow(table, other.key, context) }, context);
    table.rows.delete(other.key);
    context.logOwnWrite(table.captured.id, OP.delete, other.key);
  }
  placeRow(table, { key, row }, context, 'throw');
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

/** A row as it stands in its table; a settled one has but the stamp that stands for all below the horizon. */
function storedRow(table: ReplicatedTable, key: readonly SqlValue[], { state }: ApplyContext): VersionedRow {
  const life = settledStamp(state.get('horizon'));
  const settled = { alive: true, life, stamp: life, vector: new Map(), columnStamps: null, edits: 0 };
  return { version: table.metadata.get(key) ?? settled, image: table.rows.read(key) };
}

function recordUnique(
  table: ReplicatedTable,
  collision: Collision,
  losingKey: readonly SqlValue[],
  sides: { winner: VersionedRow; loser: VersionedRow },
  context: ApplyContext,
): void {
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
}
