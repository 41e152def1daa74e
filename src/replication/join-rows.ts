/**
 * The joins: what two concurrent versions of one row become. Each strategy is a join in the lattice sense
 * (commutative, associative, idempotent) and never goes against causality; design.md, section 5, tells the rules and
 * which plausible ones diverge. Pure: no database, no clock.
 */
import {
  columnRankOf,
  columnStampOf,
  emptiedBy,
  OTHER_COLUMNS,
  type Rank,
  RawText,
  type RowVersion,
  type SqlValue,
  type VersionedRow,
  vectorOf,
} from './row-version.js';
import { isAfter, isSameLife, laterStamp, SETTLED_SESSION, type Stamp } from './stamp.js';
import type { Strategy } from './table-schema.js';
import { knows, union } from './version-vector.js';

/** The kinds of conflict that a join can find. */
export type JoinConflictKind = 'update-update' | 'insert-insert' | 'update-delete' | 'key-collision';

/** What a join lost, or settled between writes of which neither knew the other. */
export interface JoinConflict {
  readonly kind: JoinConflictKind;
  readonly winner: VersionedRow;
  readonly loser: VersionedRow;
  /** Of each side, the highest stamp among the colliding columns. */
  readonly winnerStamp: Stamp;
  readonly loserStamp: Stamp;
  /** Every stamp among what collided, of both sides: with the kind and the key, the conflict's name. */
  readonly stamps: readonly Stamp[];
  /** Ids of the colliding columns, ascending; empty when whole rows collided. */
  readonly columns: readonly number[];
}

export interface JoinRules {
  readonly strategy: Strategy;
  /** SQLite allocates this table's keys, so two inserts of one key are two rows that met. */
  readonly keysAllocated: boolean;
  /** Ids of the table's columns, in the order of images. */
  readonly columnIds: readonly number[];
  /** What a new row has in the column at a place. */
  readonly defaultOf: (place: number) => SqlValue;
  /** `version` only: node names, the first wins ties; [] when the table names none. */
  readonly nodeOrder: readonly string[];
}

export interface JoinResult {
  readonly row: VersionedRow;
  readonly conflict: JoinConflict | null;
}

/** One side of a join, with the horizon of the node it came from: dots up to there count as known to it. */
export interface JoinSide {
  readonly row: VersionedRow;
  readonly horizon: number;
}

export function isSameValue(x: SqlValue, y: SqlValue): boolean {
  if (x instanceof RawText) return y instanceof RawText && x.bytes.equals(y.bytes);
  if (Buffer.isBuffer(x)) return Buffer.isBuffer(y) && x.equals(y);
  return Object.is(x, y);
}

export function isSameImage(x: readonly SqlValue[] | null, y: readonly SqlValue[] | null): boolean {
  if (x === null || y === null) return x === y;
  return x.every((value, i) => isSameValue(value, y[i] as SqlValue));
}

function sideKnows(side: JoinSide, stamp: Stamp): boolean {
  return stamp.hlc <= side.horizon || knows(vectorOf(side.row.version), stamp);
}

/** Which kind of conflict do whole rows make that met? */
function wholeRowKind(x: JoinSide, y: JoinSide, rules: JoinRules): JoinConflictKind {
  const [v, w] = [x.row.version, y.row.version];
  if (v.alive !== w.alive) return 'update-delete';
  if (isSameLife(v.life, w.life)) return 'update-update';
  if (sideKnows(x, w.life) || sideKnows(y, v.life)) return 'update-delete';
  return rules.keysAllocated ? 'key-collision' : 'insert-insert';
}

/** Different lives: the later one whole. What the other wrote unseen is a conflict. */
function joinLives(x: JoinSide, y: JoinSide, rules: JoinRules): JoinResult {
  const [winner, loser] = isAfter(x.row.version.life, y.row.version.life) ? [x, y] : [y, x];
  const row = withVector(winner.row, x, y);
  const unseen = loser.row.version.alive
    ? rules.columnIds.filter((id) => !sideKnows(winner, columnStampOf(loser.row.version, id)))
    : [];
  if (unseen.length === 0 || isSameImage(winner.row.image, loser.row.image)) return { row, conflict: null };
  const lost = stampsOf(loser.row.version, unseen);
  const conflict: JoinConflict = {
    kind: wholeRowKind(x, y, rules),
    winner: winner.row,
    loser: loser.row,
    winnerStamp: winner.row.version.life,
    loserStamp: lost.reduce(laterStamp),
    stamps: [winner.row.version.life, ...lost],
    columns: winner.row.version.alive ? unseen : [],
  };
  return { row, conflict };
}

function stampsOf(version: RowVersion, columns: readonly number[]): Stamp[] {
  return columns.map((id) => columnStampOf(version, id));
}

function withVector(row: VersionedRow, x: JoinSide, y: JoinSide): VersionedRow {
  const vector = union(vectorOf(x.row.version), vectorOf(y.row.version));
  return { image: row.image, version: { ...row.version, vector } };
}

/** One life: column by column the higher stamp. A column that both wrote unseen to different values is a conflict. */
function joinColumns(x: JoinSide, y: JoinSide, rules: JoinRules): JoinResult {
  const [v, w] = [x.row.version, y.row.version];
  const life = laterStamp(v.life, w.life);
  const image: SqlValue[] = [];
  const columnStamps = new Map<number, Stamp>();
  const colliding: number[] = [];
  for (const [place, id] of rules.columnIds.entries()) {
    const [p, q] = [ownStampOf(v, id), ownStampOf(w, id)];
    const [a, b] = [x.row.image?.[place] ?? null, y.row.image?.[place] ?? null];
    const xWins = isAfter(p, q);
    const stamp = xWins ? p : q;
    image.push(xWins ? a : b);
    if (!isDefaultStamp(stamp, life)) columnStamps.set(id, stamp);
    if (!isSameValue(a, b) && !sideKnows(x, q) && !sideKnows(y, p)) colliding.push(id);
  }
  const version: RowVersion = {
    alive: v.alive,
    life,
    stamp: laterStamp(v.stamp, w.stamp),
    vector: union(vectorOf(v), vectorOf(w)),
    columnStamps: v.alive ? columnStamps : null,
    edits: Math.max(v.edits, w.edits),
  };
  const row = { version, image: v.alive ? image : null };
  return { row, conflict: colliding.length === 0 ? null : columnConflict(x, y, colliding) };
}

/** No later than the row's own, as the stamp of an unsaid column may be from when rows were joined whole. */
function ownStampOf(version: RowVersion, id: number): Stamp {
  const stamp = columnStampOf(version, id);
  return isAfter(stamp, version.stamp) ? version.stamp : stamp;
}

/** Is this what columnStampOf gives a column without a stamp of its own? */
function isDefaultStamp(stamp: Stamp, life: Stamp): boolean {
  const hlc = life.session === SETTLED_SESSION ? 0 : life.hlc;
  return stamp.hlc === hlc && stamp.session === life.session;
}

function columnConflict(x: JoinSide, y: JoinSide, columns: readonly number[]): JoinConflict {
  const [xStamps, yStamps] = [stampsOf(x.row.version, columns), stampsOf(y.row.version, columns)];
  const [p, q] = [xStamps.reduce(laterStamp), yStamps.reduce(laterStamp)];
  const xWins = isAfter(p, q);
  return {
    kind: 'update-update',
    winner: xWins ? x.row : y.row,
    loser: xWins ? y.row : x.row,
    winnerStamp: xWins ? p : q,
    loserStamp: xWins ? q : p,
    stamps: [...xStamps, ...yStamps],
    columns: [...columns].sort((a, b) => a - b),
  };
}

function joinMerge(x: JoinSide, y: JoinSide, rules: JoinRules): JoinResult {
  const [v, w] = [x.row.version, y.row.version];
  return v.alive !== w.alive || !isSameLife(v.life, w.life) ? joinLives(x, y, rules) : joinColumns(x, y, rules);
}

/** Does `v` outrank `w` as a whole row? The order extends causality: stamps do, an edit count does. */
function outranks(v: Rank, w: Rank, rules: JoinRules): boolean {
  if (rules.strategy === 'version' && v.edits !== w.edits) return v.edits > w.edits;
  if (rules.strategy === 'version') {
    const [p, q] = [rankOf(v, rules.nodeOrder), rankOf(w, rules.nodeOrder)];
    if (p !== q) return p < q;
  }
  return isAfter(v.stamp, w.stamp);
}

function rankOf({ stamp }: Rank, nodeOrder: readonly string[]): number {
  const place = nodeOrder.indexOf(stamp.session.split('.', 1)[0] as string);
  return place < 0 ? nodeOrder.length : place;
}

/** lww and version: the whole row, delete or not. */
function joinWhole(x: JoinSide, y: JoinSide, rules: JoinRules): JoinResult {
  const [winner, loser] = outranks(x.row.version, y.row.version, rules) ? [x, y] : [y, x];
  const taken = takeUnsaid(winner.row, loser.row, rules);
  const row = withVector(taken, x, y);
  const lost = loser.row.version.stamp;
  // Also what is taken from the loser: a later write to that column may take its place.
  if (sideKnows(winner, lost) || isSameImage(winner.row.image, loser.row.image)) return { row, conflict: null };
  const conflict: JoinConflict = {
    kind: wholeRowKind(x, y, rules),
    winner: taken,
    loser: loser.row,
    winnerStamp: winner.row.version.stamp,
    loserStamp: lost,
    stamps: [winner.row.version.stamp, lost],
    columns: differingColumns(taken, loser.row, rules),
  };
  return { row, conflict };
}

/**
 * The row with what the other has in columns of which its own writer says nothing, if that was written later. Each column
 * is joined by the order of whole rows: by the write that its value is from, where the row's own says nothing of it.
 */
export function takeUnsaid(row: VersionedRow, other: VersionedRow, rules: JoinRules): VersionedRow {
  const { version } = row;
  const emptied = laterRank(emptiedBy(version), emptiedBy(other.version), rules);
  if (row.image === null || (version.unsaid === undefined && emptied === null)) return row;
  const image = [...row.image];
  const unsaid = new Map(version.unsaid);
  if (emptied !== null) unsaid.set(OTHER_COLUMNS, emptied);
  for (const [place, id] of rules.columnIds.entries()) {
    const { stamp, edits } = columnRankOf(other.version, id);
    if (!unsaid.has(id) || !outranks({ stamp, edits }, columnRankOf(version, id), rules)) continue;
    // What is settled has no session that could be told.
    unsaid.set(id, stamp.session === SETTLED_SESSION ? null : { stamp, edits });
    const isWritten = other.image !== null && other.version.unsaid?.get(id) !== null;
    image[place] = isWritten ? (other.image[place] as SqlValue) : rules.defaultOf(place);
  }
  return { image, version: { ...version, unsaid } };
}

function laterRank(p: Rank | null, q: Rank | null, rules: JoinRules): Rank | null {
  if (p === null || q === null) return p ?? q;
  return outranks(p, q, rules) ? p : q;
}

function differingColumns(x: VersionedRow, y: VersionedRow, rules: JoinRules): number[] {
  const [a, b] = [x.image, y.image];
  if (a === null || b === null) return [];
  return rules.columnIds.filter((_, i) => !isSameValue(a[i] as SqlValue, b[i] as SqlValue));
}

/** Joins two concurrent versions of one row. */
export function joinRows(x: JoinSide, y: JoinSide, rules: JoinRules): JoinResult {
  return rules.strategy === 'merge' ? joinMerge(x, y, rules) : joinWhole(x, y, rules);
}
