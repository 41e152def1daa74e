/**
 * Rows of a seed of which a file has several versions, none of which has taken the others in: one is in its table, others
 * wait for the schema. They meet one after the other, each with what stands once those before it are in.
 */
import type { RejoinAct } from './rejoin-row.js';
import type { ReplicatedTable } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import { columnStampOf, type SqlValue, type VersionedRow, vectorOf } from './row-version.js';
import { nothingThere, type RowOfFile, wholeImage } from './seed-row.js';
import { laterStamp, type Stamp } from './stamp.js';
import { knows, union } from './version-vector.js';

export class StandingRows {
  private readonly rows = new Map<string, VersionedRow>();

  /** @param horizon up to where rows of the seed without metadata are settled */
  constructor(private readonly horizon: number) {}

  /** Undefined: the seed's own stands. */
  of(table: ReplicatedTable, key: readonly SqlValue[]): VersionedRow | undefined {
    return this.rows.size === 0 ? undefined : this.rows.get(nameOf(table, key));
  }

  /** Has a version that stands now taken this write in? */
  has(table: ReplicatedTable, key: readonly SqlValue[], stamp: Stamp): boolean {
    const row = this.of(table, key);
    return row !== undefined && knows(vectorOf(row.version), stamp);
  }

  /**
   * A version has been put in, as decided.
   * @param isOwn whether a write of its own is one that the seed lacks
   */
  note(
    table: ReplicatedTable,
    key: readonly SqlValue[],
    { mine, theirs, act }: { mine: RowOfFile; theirs: VersionedRow | null; act: RejoinAct },
    isOwn: (stamp: Stamp) => boolean,
  ): void {
    if (act.act === 'nothing') return;
    const there = theirs ?? nothingThere(this.horizon);
    const vector = union(vectorOf(there.version), vectorOf(mine.version));
    const image = act.act === 'write' ? wholeImage(table, act.image, theirs) : null;
    const version = image === null || isOwn(mine.version.life) ? mine.version : columnsTaken(table, mine, there, isOwn);
    this.rows.set(nameOf(table, key), { version: { ...version, vector }, image });
  }
}

/** What the seed has of the row, with the columns that this node has written and that stand. */
function columnsTaken(
  { columnIds }: ReplicatedTable,
  { version: mine, stamps }: RowOfFile,
  { version }: VersionedRow,
  isOwn: (stamp: Stamp) => boolean,
): VersionedRow['version'] {
  const columnStamps = new Map(version.columnStamps);
  for (const [place, id] of columnIds.entries()) {
    const stamp = stamps[place];
    if (stamp !== undefined && isOwn(stamp)) columnStamps.set(id, laterStamp(stamp, columnStampOf(version, id)));
  }
  return { ...version, columnStamps, stamp: laterStamp(version.stamp, mine.stamp) };
}

function nameOf({ captured, collations }: ReplicatedTable, key: readonly SqlValue[]): string {
  return `${captured.id} ${canonicalKey(key, collations)}`;
}
