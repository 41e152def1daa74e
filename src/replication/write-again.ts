/**
 * Writes again, on a seed that is nobody's yet, what a node had that the seed lacks: as writes of its application, which
 * triggers record, inside the caller's transaction. What a constraint refuses, and what nobody can tell whether it had
 * arrived, is kept whole in a conflict record.
 */
import { constraintOf } from './apply-context.js';
import { isSameValue } from './join-rows.js';
import type { LeftRow } from './left-behind.js';
import { FIRST_TABLE_ID, INTERNAL_TABLES } from './metadata-schema.js';
import { homeOf, type NewHome, underNewKey } from './new-home.js';
import { NewKeys } from './new-keys.js';
import type { NodeState } from './node-state.js';
import type { OperatorWrites } from './operator-writes.js';
import { type RejoiningRow, RejoinRecords } from './rejoin-records.js';
import { decideRow, type RejoinConflict, type RejoinDecision } from './rejoin-row.js';
import { type ReplicatedTable, ReplicatedTables } from './replicated-table.js';
import { compareKeys } from './row-key.js';
import { type SqlValue, type VersionedRow, vectorOf } from './row-version.js';
import type { SeedKnowledge } from './seed-knowledge.js';
import { asInSeed, type RowOfFile, rowOfSeed, wholeImage } from './seed-row.js';
import { SETTLED_SESSION, type Stamp } from './stamp.js';
import { writeTogether } from './write-together.js';

const [, , CONFLICT_TABLE, RESOLUTION_TABLE, OPERATION_TABLE] = INTERNAL_TABLES;
/** Of sqlsync's own tables those whose rows are only ever added to. Memberships and rules are the data set's to keep. */
const RECORD_TABLES: readonly number[] = [CONFLICT_TABLE.id, RESOLUTION_TABLE.id, OPERATION_TABLE.id];

export interface WrittenAgain {
  /** Rows that were written or deleted again, by table. */
  readonly rows: Readonly<Record<string, number>>;
  /** Conflict records that came of it. */
  readonly conflicts: number;
  /** Among them those of rows that a constraint refused, or that have no place in the seed. */
  readonly refused: number;
  /** Rows that live on under another key, since the seed has another row under theirs. */
  readonly rekeyed: number;
}

/** A row whose values a UNIQUE index has refused so far. */
interface WaitingRow extends RejoiningRow {
  readonly image: readonly SqlValue[];
  readonly conflict: RejoinConflict | null;
}

/** A row of the file with its place in the seed. */
interface PlacedRow {
  readonly row: LeftRow;
  readonly table: ReplicatedTable;
  readonly mine: RowOfFile;
  readonly followed: readonly NewHome[];
}

export class WriteAgain {
  private readonly tables: ReplicatedTables;
  private readonly records: RejoinRecords;
  private readonly newKeys = new NewKeys();
  private readonly waiting: WaitingRow[] = [];
  private readonly rekeyed: { readonly row: RejoiningRow; readonly home: NewHome }[] = [];
  private readonly rows: Record<string, number> = {};

  /** @param state the seed's */
  constructor(
    private readonly writes: OperatorWrites,
    state: NodeState,
    private readonly knowledge: SeedKnowledge,
    nowMs: number,
  ) {
    this.tables = new ReplicatedTables(writes.db, writes.tables, state);
    this.records = new RejoinRecords(writes, knowledge.horizon, nowMs);
  }

  /** All rows that are left; they are gone through once, and before that as often as one of them makes others get new keys. */
  takeAll(rows: () => Iterable<LeftRow>): WrittenAgain {
    const isRekeyed = this.tables.all.some((table) => table.isRekeyed);
    for (let isNews = isRekeyed; isNews; ) {
      isNews = false;
      for (const row of rows()) if (this.foresee(row)) isNews = true;
    }
    for (const row of rows()) this.take(row);
    return this.finish();
  }

  /** Does the row get a new key, and is that news? */
  private foresee(row: LeftRow): boolean {
    const placed = this.place(row);
    if (placed === null || placed.mine.image === null || row.isSettled) return false;
    const { table, mine } = placed;
    const { key } = row;
    if (placed.followed.length > 0 && !mine.image?.includes(undefined)) {
      const newKey = table.rows.keyOf(mine.image as SqlValue[]);
      const { life } = row.version;
      if (compareKeys(newKey, key, table.collations) !== 0) return this.newKeys.add({ table, key, newKey, life });
    }
    return this.isKeyTaken(placed) && this.newKeys.add(homeOf(table, key, row.version));
  }

  /** Has the seed another row under the key that SQLite gave to this one? */
  private isKeyTaken({ row: { key, version }, table, mine }: PlacedRow): boolean {
    if (!table.isRekeyed || this.knowledge.whereabouts(version.life) !== 'only-here') return false;
    const theirs = rowOfSeed(table, key, this.knowledge.horizon);
    if (theirs === null || theirs.image === null) return false;
    const { image } = theirs;
    if (this.knowledge.familiarity(theirs.version.life) === 'known') return false;
    return mine.image?.some((value, i) => value !== undefined && !isSameValue(value, image[i] as SqlValue)) === true;
  }

  /** Null: the seed has no place for it, or keeps it itself. */
  private place(row: LeftRow): PlacedRow | null {
    const { id, name } = row.table.captured;
    const table = id < FIRST_TABLE_ID ? undefined : this.tables.named(name);
    if (table === undefined) return null;
    if (JSON.stringify(table.definition.key) !== JSON.stringify(row.table.definition.key)) return null;
    const mine = asInSeed(row, table, this.knowledge);
    const isOwn = (place: number) => {
      const stamp = mine.stamps[place];
      return stamp !== undefined && this.knowledge.whereabouts(stamp) === 'only-here';
    };
    const { image, followed } = this.newKeys.refer(table, mine, isOwn);
    return { row, table, mine: { ...mine, image }, followed };
  }

  private take(row: LeftRow): void {
    const { id } = row.table.captured;
    if (id < FIRST_TABLE_ID) {
      if (RECORD_TABLES.includes(id)) this.takeRecord(row);
      return;
    }
    const placed = this.place(row);
    if (placed === null) this.records.homeless(row);
    else this.takeRow(placed);
  }

  private takeRecord({ table: { captured }, key, image }: LeftRow): void {
    const table = this.tables.withId(captured.id);
    if (table === undefined || image === null || table.rows.exists(key)) return;
    table.rows.write(image);
    this.writes.enterInsert(captured.id, key);
  }

  private takeRow({ row, table, mine, followed }: PlacedRow): void {
    const { key } = row;
    this.newKeys.noteFollowed(followed);
    const theirs = rowOfSeed(table, key, this.knowledge.horizon);
    const home = this.newKeys.of(table, key);
    if (home !== undefined && mine.image !== null) this.takeHome({ table, key, mine: plain(mine), theirs }, home, mine);
    else if (row.isSettled && theirs === null) {
      this.write({
        table,
        key,
        image: wholeImage(table, mine.image ?? [], null),
        theirs,
        mine: plain(mine),
        conflict: null,
      });
      return;
    } else {
      const decision = decideRow({
        strategy: table.captured.rules.strategy,
        keysAllocated: table.joinRules.keysAllocated,
        columnIds: table.columnIds,
        mine,
        theirs,
        whereabouts: (stamp) => this.knowledge.whereabouts(stamp),
        familiarity: (stamp) => (hasSeen(row, stamp) ? this.knowledge.familiarity(stamp) : 'unknown'),
      });
      this.carryOut(decision, { table, key, mine: plain(mine), theirs });
    }
    if (mine.lost) this.records.homeless(row);
  }

  /** The row lives on under another key; another node may have given it that already. */
  private takeHome(row: RejoiningRow, home: NewHome, { image }: RowOfFile): void {
    const { table, mine } = row;
    const whole = wholeImage(table, image ?? [], null);
    const isByCollision = table.isRekeyed && compareKeys(table.rows.keyOf(whole), home.key, table.collations) === 0;
    if (isByCollision) this.rekeyed.push({ row, home });
    const { newKey } = home;
    const there = rowOfSeed(table, newKey, this.knowledge.horizon);
    if (there !== null) return;
    const moved = isByCollision ? underNewKey(home, whole) : whole;
    this.write({ table, key: newKey, image: moved, theirs: there, mine, conflict: null });
  }

  private carryOut({ act, conflict }: RejoinDecision, row: RejoiningRow): void {
    const { table, key, theirs } = row;
    if (act.act === 'write') {
      this.write({ ...row, image: wholeImage(table, act.image, theirs), conflict });
      return;
    }
    if (act.act === 'delete') {
      table.rows.delete(key);
      this.count(table);
    }
    if (conflict !== null) this.records.collided(row, conflict);
  }

  private write(row: WaitingRow): void {
    try {
      row.table.rows.write(row.image);
    } catch (error) {
      const constraint = constraintOf(error);
      if (constraint === null) throw error;
      if (constraint === 'unique') this.waiting.push(row);
      else this.records.keptOut(row, row.image);
      return;
    }
    this.noteWritten(row);
  }

  private noteWritten(row: WaitingRow): void {
    this.count(row.table);
    if (row.conflict !== null) this.records.collided(row, row.conflict);
  }

  private count({ captured: { name } }: ReplicatedTable): void {
    this.rows[name] = (this.rows[name] ?? 0) + 1;
  }

  private finish(): WrittenAgain {
    const { written, refused } = writeTogether(this.writes.db, this.waiting);
    for (const row of written) this.noteWritten(row);
    for (const row of refused) this.records.keptOut(row, row.image);
    for (const { row, home } of this.rekeyed) this.records.rekeyed(row, home, this.newKeys.followersOf(home));
    const { records, rekeyed, rows } = this;
    return { rows, conflicts: records.written, refused: records.refused, rekeyed: rekeyed.length };
  }
}

/** May the row's own writes have seen this one, for all that the row tells? */
function hasSeen({ seenUpTo, version }: LeftRow, { session, hlc }: Stamp): boolean {
  if (seenUpTo === null || session === SETTLED_SESSION || hlc <= seenUpTo) return true;
  return (vectorOf(version).get(session) ?? 0) >= hlc;
}

function plain({ version, image }: RowOfFile): VersionedRow {
  return { version, image: image?.map((value) => value ?? null) ?? null };
}
