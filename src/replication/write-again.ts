/**
 * Writes again, on a seed that is nobody's yet, what a node had that the seed lacks: as writes of its application, which
 * triggers record, inside the caller's transaction. What a constraint refuses, and what nobody can tell whether it had
 * arrived, is kept whole in a conflict record.
 */
import { constraintOf } from './apply-context.js';
import { HeldAgain } from './held-again.js';
import { isSameValue } from './join-rows.js';
import type { LeftRow } from './left-behind.js';
import { INTERNAL_TABLES } from './metadata-schema.js';
import { homeOf, type NewHome, underNewKey } from './new-home.js';
import { NewKeys } from './new-keys.js';
import type { NodeState } from './node-state.js';
import type { OperatorWrites } from './operator-writes.js';
import { Quarantine } from './quarantine.js';
import { type RejoiningRow, RejoinRecords } from './rejoin-records.js';
import { decideRow, type RejoinConflict, type RejoinDecision } from './rejoin-row.js';
import { type ReplicatedTable, ReplicatedTables } from './replicated-table.js';
import { compareKeys } from './row-key.js';
import { type SqlValue, type VersionedRow, vectorOf } from './row-version.js';
import type { SeedKnowledge } from './seed-knowledge.js';
import { asInSeed, type RowOfFile, rowOfSeed, wholeImage } from './seed-row.js';
import { SETTLED_SESSION, type Stamp } from './stamp.js';
import { StandingRows } from './standing-rows.js';
import { writeTogether } from './write-together.js';

const [, , CONFLICT_TABLE, RESOLUTION_TABLE, OPERATION_TABLE] = INTERNAL_TABLES;
/** Of sqlsync's own tables those whose rows are only ever added to. Memberships and rules are the data set's to keep. */
const RECORD_TABLES: readonly string[] = [CONFLICT_TABLE.name, RESOLUTION_TABLE.name, OPERATION_TABLE.name];

export interface WrittenAgain {
  /** Rows that were written or deleted again, by table; among them those that wait in the seed for a migration. */
  readonly rows: Readonly<Record<string, number>>;
  /** Conflict records that came of it. */
  readonly conflicts: number;
  /** Among them those of rows that a constraint refused, or that have no place in the seed. */
  readonly refused: number;
  /** Rows that live on under another key, since the seed has another row under theirs. */
  readonly rekeyed: number;
}

interface WrittenRow extends RejoiningRow {
  readonly image: readonly SqlValue[];
  readonly conflict: RejoinConflict | null;
}

/** A row that a UNIQUE index has refused so far. */
interface WaitingRow extends WrittenRow {
  /** No other version of it has been counted. */
  readonly isFirst: boolean;
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
  private readonly held: HeldAgain;
  private readonly quarantine: Quarantine;
  private readonly standing: StandingRows;
  private waiting: WaitingRow[] = [];
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
    this.quarantine = new Quarantine(writes.db, state, this.tables);
    this.held = new HeldAgain(writes, state, this.tables, knowledge, nowMs);
    this.standing = new StandingRows(knowledge.horizon);
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
    const { internal, name } = row.table.captured;
    const table = internal ? undefined : this.tables.named(name);
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
    const { internal, name } = row.table.captured;
    if (internal) {
      if (RECORD_TABLES.includes(name)) this.takeRecord(row);
      return;
    }
    const placed = this.place(row);
    if (this.belongsAside(row, placed) && this.held.take(row)) this.count(name);
    else if (placed === null) this.records.homeless(row);
    else this.takeRow(placed);
  }

  /** Has the seed nothing of the row but what waits in it, or only the file something that waits? */
  private belongsAside(row: LeftRow, placed: PlacedRow | null): boolean {
    if (placed === null) return row.isAside || this.held.waits(row);
    return this.theirs(placed.table, row.key) === null && this.held.waits(row);
  }

  /** The row as it stands in the seed; one that a constraint keeps out of its table is known there all the same. */
  private theirs(table: ReplicatedTable, key: readonly SqlValue[]): VersionedRow | null {
    const inTable = this.standing.of(table, key) ?? rowOfSeed(table, key, this.knowledge.horizon);
    return inTable ?? this.quarantine.get(table, key)?.row ?? null;
  }

  private takeRecord({ table: { captured }, key, image }: LeftRow): void {
    const table = this.tables.named(captured.name);
    if (table === undefined || image === null || table.rows.exists(key)) return;
    table.rows.write(image);
    this.writes.enterInsert(table.captured.id, key);
  }

  private takeRow({ row, table, mine, followed }: PlacedRow): void {
    const { key } = row;
    this.newKeys.noteFollowed(followed);
    const theirs = this.theirs(table, key);
    const rejoining = { table, key, mine: wholeRow(table, mine, theirs), theirs };
    const home = this.newKeys.of(table, key);
    if (home !== undefined && mine.image !== null) {
      const isNew = this.takeHome(rejoining, home, mine);
      if (!isNew && row.seenUpTo !== null) this.records.homeless(row);
    } else if (row.isSettled && theirs === null) {
      this.write({ ...rejoining, image: rejoining.mine.image ?? [], conflict: null });
      return;
    } else {
      const whereabouts = (stamp: Stamp) =>
        this.standing.has(table, key, stamp) ? 'in-seed' : this.knowledge.whereabouts(stamp);
      const decision = decideRow({
        strategy: table.captured.rules.strategy,
        keysAllocated: table.joinRules.keysAllocated,
        columnIds: table.columnIds,
        mine,
        theirs,
        whereabouts,
        familiarity: (stamp) => (hasSeen(row, stamp) ? this.knowledge.familiarity(stamp) : 'unknown'),
      });
      const isIn = this.carryOut(decision, rejoining);
      const isOwn = (stamp: Stamp) => whereabouts(stamp) === 'only-here';
      if (isIn && row.seenUpTo !== null) this.standing.note(table, key, { mine, theirs, act: decision.act }, isOwn);
    }
    if (mine.lost) this.records.incomplete(row, table);
  }

  /** The row lives on under another key. Says no where it has that already, from another node or by another version. */
  private takeHome(row: RejoiningRow, home: NewHome, { image }: RowOfFile): boolean {
    const { table, mine } = row;
    const whole = wholeImage(table, image ?? [], null);
    const isByCollision = table.isRekeyed && compareKeys(table.rows.keyOf(whole), home.key, table.collations) === 0;
    if (isByCollision) this.rekeyed.push({ row, home });
    const { newKey } = home;
    if (rowOfSeed(table, newKey, this.knowledge.horizon) !== null) return false;
    const moved = isByCollision ? underNewKey(home, whole) : whole;
    const there = { table, key: newKey, theirs: null, mine: { ...mine, image: moved } };
    this.write({ ...there, image: moved, conflict: null });
    return true;
  }

  /** Says whether the row is in, or will be once others have made room for it. */
  private carryOut({ act, conflict }: RejoinDecision, row: RejoiningRow): boolean {
    const { table, key, theirs } = row;
    if (act.act === 'write') return this.write({ ...row, image: wholeImage(table, act.image, theirs), conflict });
    if (act.act === 'delete') {
      if (table.rows.exists(key)) table.rows.delete(key);
      else this.writes.enterDelete(table.captured.id, key);
      if (this.standing.of(table, key) === undefined) this.count(table.captured.name);
    }
    if (conflict !== null) this.records.collided(row, conflict);
    return true;
  }

  private write(written: WrittenRow): boolean {
    const row = { ...written, isFirst: this.isFirst(written) };
    try {
      row.table.rows.write(row.image);
    } catch (error) {
      const constraint = constraintOf(error);
      if (constraint === null) throw error;
      if (constraint === 'unique') this.waiting.push(row);
      else this.records.keptOut(row, row.image);
      return constraint === 'unique';
    }
    this.noteWritten(row);
    return true;
  }

  /** A row is counted once, however many of its versions come along; one that still waits for room is taken in by this. */
  private isFirst({ table, key }: RejoiningRow): boolean {
    if (this.standing.of(table, key) === undefined) return true;
    const isSame = (row: WaitingRow) => row.table === table && compareKeys(row.key, key, table.collations) === 0;
    const earlier = this.waiting.find(isSame);
    if (earlier === undefined) return false;
    this.waiting = this.waiting.filter((row) => row !== earlier);
    if (earlier.conflict !== null) this.records.collided(earlier, earlier.conflict);
    return earlier.isFirst;
  }

  private noteWritten(row: WaitingRow): void {
    if (row.isFirst) this.count(row.table.captured.name);
    if (row.conflict !== null) this.records.collided(row, row.conflict);
  }

  private count(name: string): void {
    this.rows[name] = (this.rows[name] ?? 0) + 1;
  }

  private finish(): WrittenAgain {
    this.held.finish();
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

/** Whole: what the file did not have of the row is as it is there. */
function wholeRow(table: ReplicatedTable, { version, image }: RowOfFile, theirs: VersionedRow | null): VersionedRow {
  return { version, image: image === null ? null : wholeImage(table, image, theirs) };
}
