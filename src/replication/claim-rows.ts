/**
 * Rows that a comparison with one peer says nothing about, though they are equal there: the peer did not have them yet
 * when the gap was found, so that it may have had from here what was written unseen since, under the stamps of what was
 * there before; and another member may have had from here what that was. This node claims them: they are written again as
 * they are, so that every member takes the same. Not needed where the peer is all the other members there are.
 */
import type { CaptureGap } from './capture-gap.js';
import type { Engine } from './engine.js';
import { isSameImage } from './join-rows.js';
import { OP } from './metadata-schema.js';
import { type RowVersion, vectorOf } from './row-version.js';
import { birthOf, nodeOf } from './version-vector.js';

/** Rows looked at in one transaction. */
const ROWS_MAX = 2000;

/** How far the claiming has come. */
export interface ClaimPlace {
  readonly table: number;
  readonly arrival: number;
}

export const FIRST_PLACE: ClaimPlace = { table: 0, arrival: 0 };

/** One step, inside the caller's transaction, in which all is folded. Null: all rows have been looked at. */
export function claimRows(engine: Engine, peerId: string, place: ClaimPlace): ClaimPlace | null {
  const gap = engine.state.captureGap;
  const table = engine.tables.all[place.table];
  if (gap === null || table === undefined) return null;
  const next = { table: place.table + 1, arrival: 0 };
  if (!engine.state.isInGap(table.captured.name)) return next;
  const rows = table.metadata.aliveAfter(place.arrival, ROWS_MAX);
  for (const { key } of rows) {
    const version = table.metadata.get(key);
    if (version === undefined || isToldOf(engine, version, gap, peerId)) continue;
    const image = table.rows.read(key);
    if (image === null) continue;
    const left = engine.gapRows.get(table, key)?.image ?? null;
    if (!isSameImage(left, image)) engine.logOwnWrite(table.captured.id, OP.update, key, 0);
  }
  const last = rows.at(-1);
  return last === undefined || rows.length < ROWS_MAX ? next : { table: place.table, arrival: last.arrival };
}

/** Did the peer have the version when the gap was found, or has the application written it since? */
function isToldOf({ state }: Engine, version: RowVersion, gap: CaptureGap, peerId: string): boolean {
  const had = gap.had?.[peerId];
  const node = state.get('node');
  const seenFrom = gap.seenFrom ?? Number.POSITIVE_INFINITY;
  const dots = [...vectorOf(version)];
  if (dots.some(([session, hlc]) => nodeOf(session) === node && hlc > seenFrom)) return true;
  if (had === undefined) return false;
  return dots.every(([session, hlc]) => hlc <= Math.max(had.horizon, had.vector[session] ?? birthOf(session)));
}
