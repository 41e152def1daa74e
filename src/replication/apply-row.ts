/**
 * One incoming row version against what this node has: drop, take or join, and write. Design.md, section 5, tells the
 * rules; a dot below a side's horizon counts as known to that side.
 */
import { type ApplyContext, constraintOf, record } from './apply-context.js';
import { type JoinConflict, joinRows, takeUnsaid } from './join-rows.js';
import { IN_PARTS } from './key-collisions.js';
import { OP } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import type { ReplicatedTable } from './replicated-table.js';
import { type RowVersion, type SqlValue, type VersionedRow, vectorOf } from './row-version.js';
import { isSameLife } from './stamp.js';
import { putImage } from './stored-row.js';
import { keepUnrecorded } from './unrecorded-columns.js';
import { keepReplaced, lookBefore } from './unseen-writes.js';
import { entryOf, isWithin, nodeOf, union } from './version-vector.js';

export interface IncomingVersion {
  readonly key: readonly SqlValue[];
  /** As the table has it: columns in its order, stamps by column id. */
  readonly row: VersionedRow;
  /** When a version of the row was first kept aside, in Unix milliseconds; absent: none waits. */
  readonly since?: number;
}

/** Is all that went into this version known to the node? */
export function isKnown(version: RowVersion, state: NodeState): boolean {
  if (version.vector === null) return state.has(version.stamp.session) >= version.stamp.hlc;
  for (const [session, hlc] of version.vector) if (state.has(session) < hlc) return false;
  return true;
}

/** Is `inner` within what `outer` knows, where all up to `horizon` counts as known? */
export function isWithinVersion(inner: RowVersion, outer: RowVersion, horizon: number): boolean {
  if (inner.vector === null && outer.vector === null) {
    const { hlc, session } = inner.stamp;
    if (hlc <= horizon) return true;
    return session === outer.stamp.session ? outer.stamp.hlc >= hlc : entryOf(new Map(), session) >= hlc;
  }
  return isWithin(vectorOf(inner), vectorOf(outer), horizon);
}

/** Notes which entries of the vector are those of rows. */
export function noteRow({ stamp, vector }: RowVersion, state: NodeState): void {
  state.noteRow(stamp.session, stamp.hlc);
  if (vector !== null) for (const [session, hlc] of vector) state.noteRow(session, hlc);
}

/** Applies one version inside the caller's transaction. UNIQUE errors park it until the cut is in. */
export function applyRow(table: ReplicatedTable, incoming: IncomingVersion, context: ApplyContext): void {
  if (isKnown(incoming.row.version, context.state)) {
    context.counts.known += 1;
    return;
  }
  noteRow(incoming.row.version, context.state);
  const row = keepUnrecorded(table, incoming.key, incoming.row, context);
  const kept = row === incoming.row ? incoming : { ...incoming, row };
  if (placeNew(table, kept, context)) return;
  placeJoined(table, kept, context);
}

/** Places a version after joining it with one that is kept in quarantine, if one is. */
export function placeJoined(table: ReplicatedTable, incoming: IncomingVersion, context: ApplyContext): void {
  const joined = joinWithKept(table, incoming, context);
  if (joined !== null) placeRow(table, joined, context, 'park');
}

/**
 * The common case in one go: a row of which this node has no metadata, and which no constraint refuses. Says whether it
 * was that; if not, nothing has changed.
 */
function placeNew(table: ReplicatedTable, { key, row }: IncomingVersion, context: ApplyContext): boolean {
  if (!context.quarantine.isEmpty) return false;
  const arrival = table.metadata.putNew(key, row.version);
  if (arrival === null) return false;
  const before = lookBefore(table, key, context);
  try {
    putImage(table, key, row, arrival, context);
  } catch (error) {
    if (constraintOf(error) === null) throw error;
    table.metadata.remove(arrival);
    return false;
  }
  if (before !== null) {
    const met = { key, mine: undefined, theirs: row.version, outcome: row };
    keepReplaced(table, met, before, context);
  }
  context.counts.applied += 1;
  return true;
}

/** Joins with a version of the row that is kept in quarantine; null when that one knows all that came. */
function joinWithKept(
  table: ReplicatedTable,
  incoming: IncomingVersion,
  context: ApplyContext,
): IncomingVersion | null {
  const { key } = incoming;
  const kept = context.quarantine.get(table, key);
  if (kept === undefined) return incoming;
  const row = joinVersions(table, key, incoming.row, kept.row, context);
  if (row === null) return null;
  context.quarantine.delete(table, key);
  return { key, row, since: kept.since };
}

/** What `mine` and `theirs` become: theirs, their join, or null when mine already knows all of theirs. */
function joinVersions(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  theirs: VersionedRow,
  mine: VersionedRow,
  context: ApplyContext,
): VersionedRow | null {
  const { senderHorizon, counts, state } = context;
  const horizon = state.get('horizon');
  if (isWithinVersion(theirs.version, mine.version, horizon)) {
    counts.known += 1;
    return null;
  }
  if (isWithinVersion(mine.version, theirs.version, senderHorizon)) {
    return theirs.version.unsaid === undefined ? theirs : takeUnsaid(theirs, mine, table.joinRules);
  }
  const { row, conflict } = joinRows({ row: theirs, horizon: senderHorizon }, { row: mine, horizon }, table.joinRules);
  if (conflict === null) counts.merged += 1;
  else recordConflict(table, key, conflict, context);
  return row;
}

function recordConflict(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  conflict: JoinConflict,
  context: ApplyContext,
): void {
  const { captured, isRekeyed } = table;
  if (captured.internal) return;
  const { keyCollisions } = context;
  const isLate = conflict.kind === 'update-delete' && conflict.winner.image !== null && conflict.loser.image !== null;
  if (isRekeyed && keyCollisions !== null && (conflict.kind === 'key-collision' || isLate)) {
    (isLate ? keyCollisions.late : keyCollisions.met).push({ table, key, conflict });
    return;
  }
  const detail = isRekeyed && conflict.kind === 'key-collision' ? { detail: { kept: IN_PARTS } } : {};
  record({ table: captured, key, ...conflict, ...detail }, context);
}

/**
 * Joins a version with the row's own and writes the outcome. What a UNIQUE index refuses is parked, or thrown when the
 * cut is in (`onUnique` 'throw'); what another constraint refuses is quarantined. Says what the row became.
 */
export function placeRow(
  table: ReplicatedTable,
  { key, row, since }: IncomingVersion,
  context: ApplyContext,
  onUnique: 'park' | 'throw',
): void {
  const before = lookBefore(table, key, context);
  const mine = before === null ? undefined : table.metadata.get(key);
  const outcome = joinWithStored(table, key, row, context);
  if (outcome === null) return;
  try {
    putImage(table, key, outcome, context.state.get('arrival') + 1, context);
  } catch (error) {
    const isGone = keepAside(table, { key, row: outcome, since: since ?? context.nowMs }, error, context, onUnique);
    const absent = { version: outcome.version, image: null };
    if (before !== null && isGone)
      keepReplaced(table, { key, mine, theirs: row.version, outcome: absent }, before, context);
    return;
  }
  if (before !== null) keepReplaced(table, { key, mine, theirs: row.version, outcome }, before, context);
  table.metadata.put(key, outcome.version);
  context.counts.applied += 1;
}

/** Joins with the row in the table; null when that one knows all that came. */
export function joinWithStored(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  row: VersionedRow,
  context: ApplyContext,
): VersionedRow | null {
  const version = table.metadata.get(key);
  if (version === undefined) return row;
  const isJoined =
    row.version.unsaid !== undefined ||
    isStampEqual(version, row.version) ||
    !isWithinVersion(version, row.version, context.senderHorizon);
  const outcome = isJoined ? joinWithImage(table, key, row, version, context) : row;
  if (outcome !== null && table.isRekeyed) noteDisplaced(table, key, version, outcome.version, context);
  return outcome;
}

/** A row that this node's application has made gives way to another under its key. */
function noteDisplaced(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  version: RowVersion,
  outcome: RowVersion,
  { state, keyCollisions }: ApplyContext,
): void {
  if (!version.alive || !outcome.alive || isSameLife(version.life, outcome.life)) return;
  if (nodeOf(version.life.session) === state.get('node')) keyCollisions?.displaced.push({ table, key, version });
}

/** The same write: known again after a catch-up was cut short. */
function isStampEqual(x: RowVersion, y: RowVersion): boolean {
  return x.stamp.hlc === y.stamp.hlc && x.stamp.session === y.stamp.session;
}

function joinWithImage(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  row: VersionedRow,
  version: RowVersion,
  context: ApplyContext,
): VersionedRow | null {
  const image = version.alive ? table.rows.read(key) : null;
  if (version.alive && image === null) return joinWithVanished(table, key, row, version, context);
  return joinVersions(table, key, row, { version, image }, context);
}

/**
 * A live version without its row: parked, and then part of what comes; or deleted while triggers were off. What is
 * present beats what is absent, but by a write of this node: the others have an image to join with, and join otherwise.
 */
function joinWithVanished(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  row: VersionedRow,
  version: RowVersion,
  context: ApplyContext,
): VersionedRow {
  if (isWithinVersion(version, row.version, context.senderHorizon)) return row;
  context.logOwnWrite(table.captured.id, row.version.alive ? OP.update : OP.delete, key);
  const vector = union(vectorOf(version), vectorOf(row.version));
  return { version: { ...row.version, vector }, image: row.image };
}

/** A trigger that stays may run into a UNIQUE index of the table it writes: nothing in this one is in the row's way. */
function ownConstraintOf({ captured }: ReplicatedTable, error: unknown): ReturnType<typeof constraintOf> {
  const constraint = constraintOf(error);
  if (constraint !== 'unique') return constraint;
  const { message } = error as Error;
  const isOwn = [`${captured.name}.`, 'index '].some((what) => message.startsWith(`UNIQUE constraint failed: ${what}`));
  return isOwn ? 'unique' : 'constraint';
}

/** Says whether the row has left its table for that. */
function keepAside(
  table: ReplicatedTable,
  { key, row, since }: IncomingVersion & { readonly since: number },
  error: unknown,
  context: ApplyContext,
  onUnique: 'park' | 'throw',
): boolean {
  const reason = ownConstraintOf(table, error);
  if (reason === null || (reason === 'unique' && onUnique === 'throw')) throw error;
  const why = { error: (error as Error).message, since };
  if (reason === 'unique') {
    // Its old values leave the table, so that the rows that take them can come in.
    const arrival = context.state.get('arrival') + 1;
    if (table.referencedBy.length > 0) context.former.beforeWrite(table, key, row.version, arrival);
    table.rows.delete(key);
    context.quarantine.put(table, key, row, { ...why, reason: 'parked' });
    return true;
  }
  context.quarantine.put(table, key, row, { ...why, reason });
  context.counts.quarantined += 1;
  return false;
}
