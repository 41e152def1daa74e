/**
 * What the engine knows of a row beyond its values, and the row's values themselves.
 */
import { SETTLED_SESSION, type Stamp } from './stamp.js';
import { highestHlc, type VersionVector } from './version-vector.js';

/**
 * Text whose bytes a JavaScript string cannot hold: invalid UTF-8 (or text that already contains U+FFFD, which cannot
 * be told from it). `bytes` are those of CAST(x AS BLOB), in the file's encoding; CAST(? AS TEXT) puts them back.
 */
export class RawText {
  constructor(readonly bytes: Buffer) {}
}

/**
 * A value with SQLite's storage class: null is NULL, bigint INTEGER, number REAL (never an integer), string or RawText
 * TEXT, Buffer BLOB.
 */
export type SqlValue = null | bigint | number | string | RawText | Buffer;

/** The causal facts of one version of a row. */
export interface RowVersion {
  readonly alive: boolean;
  /** The insert or delete that the row lives or died by. */
  readonly life: Stamp;
  /** The latest write that went into this version. */
  readonly stamp: Stamp;
  /** All that went into it; null when that is `stamp` alone. */
  readonly vector: VersionVector | null;
  /** Column id → stamp, for the columns written later than `life`; null when there are none. Empty for tombstones. */
  readonly columnStamps: ReadonlyMap<number, Stamp> | null;
  /** How many writes the row has had, as far as this version knows. */
  readonly edits: number;
  /** Of rows that are joined whole; absent when there is nothing to tell. */
  readonly unsaid?: Unsaid | undefined;
}

/**
 * Column id → the write that its value is from, for columns of which the row's own writer says nothing, since its table
 * had no such column. Null: nobody has written it, so it is the default. Under OTHER_COLUMNS the latest deletion that went
 * into the row: that is from when the default is, in those columns and in any that another node may have.
 */
export type Unsaid = ReadonlyMap<number, Rank | null>;
export const OTHER_COLUMNS = -1;

/** What whole rows are ordered by. */
export type Rank = Pick<RowVersion, 'stamp' | 'edits'>;

/** A version together with its values: null image for a tombstone. `image` is in the order of the table's columns. */
export interface VersionedRow {
  readonly version: RowVersion;
  readonly image: readonly SqlValue[] | null;
}

/** The vector of a version, spelled out. */
export function vectorOf(version: RowVersion): VersionVector {
  return version.vector ?? new Map([[version.stamp.session, version.stamp.hlc]]);
}

/**
 * The lowest HLC of a version that this node keeps aside, at and above which it acknowledges nothing. Any write that went
 * into the version may be the one that is nowhere else: were an earlier one than its stamp settled, a newer version would
 * count as knowing it, and replace it unseen.
 */
export function lowestUnsettled(version: RowVersion, horizon: number): number {
  let lowest = version.stamp.hlc;
  for (const hlc of vectorOf(version).values()) if (hlc > horizon && hlc < lowest) lowest = hlc;
  return lowest;
}

/** The stamp of a column that was last written below the horizon: earlier than any other. */
const SETTLED_COLUMN: Stamp = { hlc: 0, session: SETTLED_SESSION };

const NOBODYS: Rank = { stamp: SETTLED_COLUMN, edits: 0 };

/** Whose write the column's value is, where rows are joined whole. */
export function columnRankOf(version: RowVersion, columnId: number): Rank {
  const rank = version.unsaid?.get(columnId);
  if (rank === undefined) return version;
  return rank ?? emptiedBy(version) ?? NOBODYS;
}

/** The latest deletion that went into the version. */
export function emptiedBy({ alive, unsaid, stamp, edits }: RowVersion): Rank | null {
  return alive ? (unsaid?.get(OTHER_COLUMNS) ?? null) : { stamp, edits };
}

/** The latest clock in all that the version tells. */
export function highestHlcOf(version: RowVersion): number {
  let highest = highestHlc(vectorOf(version));
  for (const rank of version.unsaid?.values() ?? []) highest = Math.max(highest, rank?.stamp.hlc ?? 0);
  return highest;
}

/** The stamp of one column of a live row: its own, or that of the row's life. */
export function columnStampOf(version: RowVersion, columnId: number): Stamp {
  const own = version.unsaid?.get(columnId)?.stamp ?? version.columnStamps?.get(columnId);
  if (own !== undefined) return own;
  return version.life.session === SETTLED_SESSION ? SETTLED_COLUMN : version.life;
}

/** The version with other numbers for its columns; those that have none leave nothing behind. */
export function withColumnIds(version: RowVersion, idOf: (id: number) => number | undefined): RowVersion {
  const { columnStamps, unsaid } = version;
  if (columnStamps === null && unsaid === undefined) return version;
  const mapped = columnStamps === null ? null : withKeys(columnStamps, idOf);
  if (unsaid === undefined) return { ...version, columnStamps: mapped };
  const idOrOthers = (id: number) => (id === OTHER_COLUMNS ? id : idOf(id));
  return { ...version, columnStamps: mapped, unsaid: withKeys(unsaid, idOrOthers) };
}

function withKeys<T>(map: ReadonlyMap<number, T>, keyOf: (key: number) => number | undefined): Map<number, T> {
  const mapped = new Map<number, T>();
  for (const [key, value] of map) {
    const to = keyOf(key);
    if (to !== undefined) mapped.set(to, value);
  }
  return mapped;
}
