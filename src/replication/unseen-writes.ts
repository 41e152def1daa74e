/**
 * What applying writes over in a table of which writes may have gone unrecorded. A value that the log does not tell of is
 * either what the row held before the gap, and what comes is its ordinary successor, or was written unseen, by somebody
 * who did not know what comes. Of a row that has been applied since the gap was found this can be told, since how it was
 * left is kept, and a conflict is recorded at once. Otherwise it cannot: the one that sends the row has replaced the value
 * itself. Then what was replaced waits aside for the gap to close (gap-rows.ts).
 */
import { createHash } from 'node:crypto';
import type { ApplyContext } from './apply-context.js';
import type { CaptureGap } from './capture-gap.js';
import type { ConflictKind, RecordedSide, StoredConflict } from './conflict-record.js';
import type { GapRow } from './gap-rows.js';
import { nextHlc } from './hlc.js';
import { isSameValue } from './join-rows.js';
import { toJsonRow } from './json-values.js';
import type { ReplicatedTable } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import { columnStampOf, type RowVersion, type SqlValue, type VersionedRow, vectorOf } from './row-version.js';
import { isSameLife, SETTLED_SESSION, type Stamp } from './stamp.js';
import { nodeOf } from './version-vector.js';

/** A version that has come to a row. */
export interface Arrival {
  readonly key: readonly SqlValue[];
  /** What was known of the row; undefined: nothing. */
  readonly mine: RowVersion | undefined;
  readonly theirs: RowVersion;
  /** What the row is about to become. */
  readonly outcome: VersionedRow;
}

/** A row as it is before a version takes its place. */
export interface RowBefore {
  readonly gap: CaptureGap;
  readonly image: readonly SqlValue[] | null;
  readonly kept: GapRow | undefined;
}

/** Null: all writes to the table are recorded, and nothing has to be looked at. */
export function lookBefore(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  { state, gapRows }: ApplyContext,
): RowBefore | null {
  const gap = state.captureGap;
  if (gap === null || !state.isInGap(table.captured.name)) return null;
  return { gap, image: table.rows.read(key), kept: gapRows.get(table, key) };
}

/** The version is in: what it has replaced is kept as long as it may be a write that nobody knows of. */
export function keepReplaced(table: ReplicatedTable, arrival: Arrival, before: RowBefore, context: ApplyContext): void {
  const { key, outcome } = arrival;
  const { gapRows, newestEntry, state } = context;
  const unseen = unseenColumns(table, arrival, before, context);
  const conflict = unseen.columns.length === 0 ? null : conflictOf(table, arrival, before, unseen, context);
  if (conflict !== null && unseen.isCertain) put(conflict, context);
  const replaced = unseen.isCertain ? null : conflict;
  const row = { left: outcome, hlc: newestEntry(), replaced };
  const { isKept, isFull } = gapRows.put(table, key, row, before.kept);
  if (replaced !== null && !isKept) put(replaced, context);
  if (isFull) state.noteGapIsFull();
}

/** The row was deleted unseen, and what has come brings it back. */
export function keepDeletion(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  theirs: VersionedRow,
  context: ApplyContext,
): void {
  const gap = context.state.captureGap;
  if (gap === null) return;
  const arrival = { key, mine: undefined, theirs: theirs.version, outcome: theirs };
  const unseen = { columns: [], isCertain: true };
  put(conflictOf(table, arrival, { gap, image: null, kept: undefined }, unseen, context), context);
}

/**
 * Values that were written unseen are about to stand, in columns in which what comes has values that are said to have been
 * here before. Those may have been written unseen as well, on a node that has not found out yet.
 */
export function keepTheirs(
  table: ReplicatedTable,
  { key, theirs, here }: { key: readonly SqlValue[]; theirs: VersionedRow; here: readonly SqlValue[] },
  columns: readonly number[],
  context: ApplyContext,
): void {
  const before = lookBefore(table, key, context);
  const left = before?.kept?.image ?? null;
  if (before === null) return;
  const isKnown = (id: number) => {
    const place = table.columnIds.indexOf(id);
    return left !== null && isSameValue(left[place] as SqlValue, theirs.image?.[place] as SqlValue);
  };
  const doubtful = columns.filter((id) => !isKnown(id));
  if (doubtful.length === 0) return;
  const arrival = { key, mine: undefined, theirs: theirs.version, outcome: theirs };
  const image = { ...before, image: here };
  const conflict = conflictOf(table, arrival, image, { columns: doubtful, isCertain: false }, context);
  put({ ...conflict, winner: conflict.loser, loser: conflict.winner }, context);
}

interface Unseen {
  /** Ids of the columns whose values are lost and not told of by the log. */
  readonly columns: readonly number[];
  readonly isCertain: boolean;
}

function unseenColumns(table: ReplicatedTable, arrival: Arrival, before: RowBefore, context: ApplyContext): Unseen {
  const { image } = before;
  const { outcome } = arrival;
  if (image === null) return { columns: [], isCertain: false };
  const isLost = (i: number) =>
    outcome.image === null || !isSameValue(outcome.image[i] as SqlValue, image[i] as SqlValue);
  const lost = table.columnIds.flatMap((id, i) => {
    const origin = isLost(i) ? originOf(id, i, arrival, before, context) : 'known';
    return origin === 'known' ? [] : [{ id, origin }];
  });
  return { columns: lost.map(({ id }) => id), isCertain: lost.some(({ origin }) => origin === 'unseen') };
}

/** Where the value of a column comes from: it is known, or was written unseen, or nobody can tell. */
function originOf(
  id: number,
  place: number,
  { mine }: Arrival,
  { gap, image, kept }: RowBefore,
  { state }: ApplyContext,
): 'known' | 'unseen' | 'doubtful' {
  // A row that is known to be dead is here all the same.
  if (mine?.alive === false) return 'unseen';
  const stamp = mine === undefined ? null : columnStampOf(mine, id);
  const ownHlc = stamp !== null && nodeOf(stamp.session) === state.get('node') ? stamp.hlc : 0;
  const left = kept?.image ?? null;
  if (ownHlc > Math.max(gap.seenFrom ?? Number.POSITIVE_INFINITY, kept?.hlc ?? 0)) return 'known';
  if (left === null || ownHlc > (kept?.hlc ?? 0)) return 'doubtful';
  return isSameValue(left[place] as SqlValue, image?.[place] as SqlValue) ? 'known' : 'unseen';
}

function put(conflict: StoredConflict, { records, counts, nowMs }: ApplyContext): void {
  if (records.put(conflict, nowMs)) counts.conflicts += 1;
}

function conflictOf(
  table: ReplicatedTable,
  arrival: Arrival,
  { gap, image }: RowBefore,
  { columns, isCertain }: Unseen,
  context: ApplyContext,
): StoredConflict {
  const { state, newestEntry, nowMs } = context;
  const { definition, captured, collations } = table;
  const { key, theirs, outcome } = arrival;
  const rowOf = (values: readonly SqlValue[] | null) =>
    values === null ? null : toJsonRow(definition.columns, values);
  const { hlc, session } = newsOf(theirs, (name) => state.has(name));
  const winner: RecordedSide = { node: nodeOf(session), session, hlc, row: rowOf(outcome.image) };
  const node = state.get('node');
  const loser: RecordedSide = { node, session: state.session, hlc: nextHlc(newestEntry(), nowMs), row: rowOf(image) };
  const parts = [definition.name, canonicalKey(key, collations), 'gap', node, `${hlc}@${session}`, loser.hlc];
  const isWhole = winner.row === null || loser.row === null;
  return {
    id: createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32),
    table: definition.name,
    key: toJsonRow(definition.key, key),
    kind: isWhole ? 'update-delete' : kindOf(table, arrival, context),
    columns: isWhole ? [] : captured.columns.filter(({ id }) => columns.includes(id)).map(({ name }) => name),
    // Nobody has to decide about what was perhaps never written.
    strategy: isCertain && captured.rules.strategy === 'manual' ? 'manual' : 'gap',
    winner,
    loser,
    detail: { gap: { node, since: gap.since, certain: isCertain } },
  };
}

/** The latest of what has come that was not here. */
function newsOf(version: RowVersion, has: (session: string) => number): Stamp {
  let news: Stamp | null = null;
  for (const [session, hlc] of vectorOf(version)) {
    if (hlc > has(session) && (news === null || hlc > news.hlc)) news = { hlc, session };
  }
  return news ?? version.stamp;
}

function kindOf({ joinRules }: ReplicatedTable, { mine, outcome }: Arrival, context: ApplyContext): ConflictKind {
  const { life } = outcome.version;
  if (mine?.alive && !isSameLife(mine.life, life)) return 'update-delete';
  if (mine === undefined ? isHad(life, null, context) : mine.alive) return 'update-update';
  return joinRules.keysAllocated ? 'key-collision' : 'insert-insert';
}

/** Is the write that `theirs` names the one that this node has? `mine` null: all of the row is settled. */
export function isHad(theirs: Stamp, mine: Stamp | null, { state, senderHorizon }: ApplyContext): boolean {
  const horizon = Math.max(state.get('horizon'), senderHorizon);
  const isSettled = ({ hlc, session }: Stamp) => session === SETTLED_SESSION || hlc <= horizon;
  if (mine === null) return isSettled(theirs) || state.has(theirs.session) >= theirs.hlc;
  if (isSettled(mine)) return isSettled(theirs);
  return mine.hlc === theirs.hlc && mine.session === theirs.session;
}
