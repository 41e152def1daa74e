/** The conflict records of a node that seeds itself afresh: what of its own has not come to stand, or has in another's place. */
import { type ConflictKind, ConflictRecords, type DetectedConflict } from './conflict-record.js';
import type { LeftRow } from './left-behind.js';
import type { NewHome } from './new-home.js';
import type { OperatorWrites } from './operator-writes.js';
import type { RejoinConflict } from './rejoin-row.js';
import type { ReplicatedTable } from './replicated-table.js';
import { compareKeys } from './row-key.js';
import { columnStampOf, type SqlValue, type VersionedRow } from './row-version.js';
import { nothingThere, rowOfSeed } from './seed-row.js';
import { laterStamp, type Stamp } from './stamp.js';

/** A row on its way into the seed. */
export interface RejoiningRow {
  readonly table: ReplicatedTable;
  readonly key: readonly SqlValue[];
  readonly mine: VersionedRow;
  readonly theirs: VersionedRow | null;
}

export class RejoinRecords {
  private readonly records: ConflictRecords;
  /** Records that came of it; among them those of rows that a constraint refused, or that have no place in the seed. */
  written = 0;
  refused = 0;

  /** @param horizon up to where rows of the seed without metadata are settled */
  constructor(
    writes: OperatorWrites,
    private readonly horizon: number,
    private readonly nowMs: number,
  ) {
    this.records = new ConflictRecords(writes.db, (tableId, key) => writes.enterInsert(tableId, key));
  }

  collided({ table, key, mine, theirs }: RejoiningRow, { winner, kind, columns }: RejoinConflict): void {
    const other = theirs ?? nothingThere(this.horizon);
    const sides = winner === 'mine' ? { winner: mine, loser: other } : { winner: other, loser: mine };
    this.enter({ table: table.captured, key, kind, columns, ...sides });
  }

  /** The row lives on under another key. */
  rekeyed({ table, key, mine, theirs }: RejoiningRow, home: NewHome, moved: number): void {
    const winner = theirs ?? nothingThere(this.horizon);
    const detail = { rekeyedTo: Number(home.newKey[0]), moved };
    this.enter({ table: table.captured, key, kind: 'key-collision', columns: [], winner, loser: mine, detail });
  }

  /**
   * A constraint of the seed's keeps out what has become of the row there. With it goes what the row had and others have
   * written over: it is kept as this node had it.
   */
  keptOut({ table, key, mine, theirs }: RejoiningRow, image: readonly SqlValue[]): void {
    this.refused += 1;
    const [collision] = table.unique.of(image).filter((other) => compareKeys(other.key, key, table.collations) !== 0);
    const holder = collision === undefined ? null : rowOfSeed(table, collision.key, this.horizon);
    const winner = holder ?? theirs ?? nothingThere(this.horizon);
    const kind: ConflictKind = holder !== null ? 'unique' : winner.image === null ? 'update-delete' : 'update-update';
    const columns = holder === null ? [] : (collision?.columns ?? []);
    this.enter({ table: table.captured, key, kind, columns, winner, loser: mine });
  }

  /** The seed has no such table or column any more, or another key: the row is kept as the file had it. */
  homeless({ table, key, version, image, isSettled }: LeftRow): void {
    if (image === null || isSettled) return;
    this.refused += 1;
    const winner = nothingThere(this.horizon);
    this.enter({ table: table.captured, key, kind: 'update-delete', columns: [], winner, loser: { version, image } });
  }

  /** The seed's table cannot hold all that the row has: it is kept whole beside what stands there. */
  incomplete({ table: before, key, version, image }: LeftRow, table: ReplicatedTable): void {
    this.refused += 1;
    const winner = rowOfSeed(table, key, this.horizon) ?? nothingThere(this.horizon);
    const kind = winner.image === null ? 'update-delete' : 'update-update';
    const [loser, winnerTable] = [{ version, image }, table.captured];
    this.enter({ table: before.captured, key, kind, columns: [], winner, winnerTable, loser });
  }

  private enter(conflict: Omit<DetectedConflict, 'winnerStamp' | 'loserStamp' | 'stamps'>): void {
    const { winner, loser, columns } = conflict;
    const [winnerStamp, loserStamp] = [collidingStamp(winner, columns), collidingStamp(loser, columns)];
    // What lost goes whole, with whatever else was written to it.
    const lost = conflict.table.columns.map(({ id }) => columnStampOf(loser.version, id));
    const stamps = [winnerStamp, loserStamp, ...lost];
    if (this.records.record({ ...conflict, winnerStamp, loserStamp, stamps }, this.nowMs)) this.written += 1;
  }
}

/** The highest stamp among the columns that collided; of whole rows the latest write. */
function collidingStamp({ version }: VersionedRow, columns: readonly number[]): Stamp {
  if (columns.length === 0) return version.stamp;
  return columns.map((id) => columnStampOf(version, id)).reduce(laterStamp);
}
