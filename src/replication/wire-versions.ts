/**
 * Row versions on the wire: all of docs/protocol.md's "A row" but the values.
 *
 * VersionReader checks what a version promises, since the applier relies on it: names that the stream has given, clocks
 * within range, nothing later than the row's stamp, a vector that covers it. There is one way to write a version; every
 * other is SqlsyncError 'batch-damaged'. VersionWriter holds its own node to the same: what a peer would refuse is a bug here,
 * not a batch that is damaged for ever there.
 */
import { SqlsyncError } from '../errors.js';
import { UNSAID_SINCE } from './older-wire.js';
import { OTHER_COLUMNS, type Rank, type RowVersion } from './row-version.js';
import { SETTLED_SESSION, type Stamp } from './stamp.js';
import type { StreamNames } from './stream-names.js';
import { isSessionName, type VersionVector } from './version-vector.js';
import type { WireReader } from './wire-reader.js';
import type { WireWriter } from './wire-writer.js';

/** Bits of a row's first byte. */
const FLAG = { alive: 1, life: 2, vector: 4, columnStamps: 8, settledLife: 16, unsaid: 32 } as const;
/** Of the wire version before and of this one. */
const flagsEnd = (wireVersion: number): number => (wireVersion < UNSAID_SINCE ? 32 : 64);

/** The stamp of the column at a place in the definition. */
interface PlacedStamp {
  readonly place: number;
  readonly stamp: Stamp;
}
const NO_STAMPS: readonly PlacedStamp[] = [];

/** A column of which the row's writer says nothing, and whose write it holds. */
interface PlacedRank {
  readonly place: number;
  readonly rank: Rank | null;
}
const NO_RANKS: readonly PlacedRank[] = [];

/** Writes the versions of a stream's rows, and numbers the sessions in the order in which it meets them. */
export class VersionWriter {
  private readonly sessions = new Map<string, number>();
  private newSessions: string[] = [];
  private lastHlc = 0;
  /** Column id → place in the definition, for the definition that stamps were last written of. */
  private places: ReadonlyMap<number, number> = new Map();
  private placesOf: readonly number[] = [];

  constructor(
    private readonly writer: WireWriter,
    private readonly wireVersion: number,
  ) {}

  /** Begins a new payload. Returns the sessions first met in the one before, which must be sent ahead of it. */
  takeNewSessions(): string[] {
    const names = this.newSessions;
    this.newSessions = [];
    this.lastHlc = 0;
    return names;
  }

  /** Flags, table and version. `definitionColumnIds`: see RowsEncoder.add. */
  write(tableIndex: number, definitionColumnIds: readonly number[], version: RowVersion): void {
    const { alive, stamp, life, edits } = version;
    const ownLife = life.hlc !== stamp.hlc || life.session !== stamp.session;
    const settledLife = life.session === SETTLED_SESSION;
    const vector = isStampAlone(version) ? null : version.vector;
    const places = this.placesIn(definitionColumnIds);
    const columnStamps = placedStamps(places, version);
    const unsaid = placedRanks(places, version);
    if (life.hlc > stamp.hlc) throw new SqlsyncError('bug', 'a life is later than its row’s stamp');
    if (edits < 1) throw new SqlsyncError('bug', 'a row has had no edits');
    if (columnStamps.length > 0 && !alive) throw new SqlsyncError('bug', 'a tombstone has column stamps');
    if (unsaid.length > 0 && this.wireVersion < UNSAID_SINCE)
      throw new SqlsyncError('bug', `wire version ${this.wireVersion} tells nothing of unsaid columns`);
    if (unsaid.length > 0 && !alive) throw new SqlsyncError('bug', 'a tombstone leaves columns unsaid');
    this.writer.byte(
      (alive ? FLAG.alive : 0) |
        (ownLife ? FLAG.life : 0) |
        (vector === null ? 0 : FLAG.vector) |
        (columnStamps.length === 0 ? 0 : FLAG.columnStamps) |
        (settledLife ? FLAG.settledLife : 0) |
        (unsaid.length === 0 ? 0 : FLAG.unsaid),
    );
    this.writer.varint(tableIndex);
    this.hlc(stamp.hlc);
    this.session(stamp.session);
    if (ownLife) {
      this.hlc(life.hlc);
      if (!settledLife) this.session(life.session);
    }
    this.writer.varint(edits);
    if (vector !== null) this.vector(vector, stamp);
    if (columnStamps.length > 0) this.columnStamps(columnStamps, stamp);
    if (unsaid.length > 0) this.unsaid(unsaid);
  }

  private vector(vector: VersionVector, stamp: Stamp): void {
    const own = vector.get(stamp.session);
    if (own === undefined || own < stamp.hlc) throw new SqlsyncError('bug', 'a vector lacks its row’s stamp');
    this.writer.varint(vector.size);
    for (const [session, hlc] of vector) {
      this.session(session);
      this.hlc(hlc);
    }
  }

  private columnStamps(stamps: readonly PlacedStamp[], rowStamp: Stamp): void {
    this.writer.varint(stamps.length);
    for (const { place, stamp } of stamps) {
      if (stamp.hlc > rowStamp.hlc) throw new SqlsyncError('bug', 'a column’s stamp is later than its row’s');
      this.writer.varint(place);
      this.session(stamp.session);
      this.hlc(stamp.hlc);
    }
  }

  /** Of the other columns the place is 0, of those that are sent one too high; its lowest bit says whether a write follows. */
  private unsaid(ranks: readonly PlacedRank[]): void {
    this.writer.varint(ranks.length);
    for (const { place, rank } of ranks) {
      this.writer.varint(2 * (place + 1) + (rank === null ? 0 : 1));
      if (rank === null) continue;
      this.writer.varint(rank.edits);
      this.session(rank.stamp.session);
      this.hlc(rank.stamp.hlc);
    }
  }

  private placesIn(definitionColumnIds: readonly number[]): ReadonlyMap<number, number> {
    if (this.placesOf !== definitionColumnIds) {
      this.placesOf = definitionColumnIds;
      this.places = new Map(definitionColumnIds.map((id, place) => [id, place]));
    }
    return this.places;
  }

  private hlc(hlc: number): void {
    if (!Number.isSafeInteger(hlc) || hlc < 0) throw new SqlsyncError('bug', `${hlc} is no HLC`);
    this.writer.zigzag(hlc - this.lastHlc);
    this.lastHlc = hlc;
  }

  private session(session: string): void {
    let index = this.sessions.get(session);
    if (index === undefined) {
      if (!isSessionName(session)) throw new SqlsyncError('bug', `${session} is no session name`);
      index = this.sessions.size;
      this.sessions.set(session, index);
      this.newSessions.push(session);
    }
    this.writer.varint(index);
  }
}

/** The stamps of columns that are sent: a column that was dropped may have left one behind. */
function placedStamps(places: ReadonlyMap<number, number>, { columnStamps }: RowVersion): readonly PlacedStamp[] {
  if (columnStamps === null) return NO_STAMPS;
  const placed: PlacedStamp[] = [];
  for (const [id, stamp] of columnStamps) {
    const place = places.get(id);
    if (place !== undefined) placed.push({ place, stamp });
  }
  return placed;
}

function placedRanks(places: ReadonlyMap<number, number>, { unsaid }: RowVersion): readonly PlacedRank[] {
  if (unsaid === undefined) return NO_RANKS;
  return [...unsaid].flatMap(([id, rank]) => {
    const place = id === OTHER_COLUMNS ? OTHER_COLUMNS : places.get(id);
    return place === undefined ? [] : [{ place, rank }];
  });
}

/** Does the vector say no more than the stamp? Then it is not sent. */
function isStampAlone({ vector, stamp }: RowVersion): boolean {
  return vector !== null && vector.size === 1 && vector.get(stamp.session) === stamp.hlc;
}

/** Reads the versions of one payload's rows. */
export class VersionReader {
  private lastHlc = 0;

  constructor(
    private readonly reader: WireReader,
    private readonly names: StreamNames,
    private readonly wireVersion: number,
  ) {}

  /** The first byte of a row: how the rest is to be read. */
  flags(): number {
    const start = this.reader.at;
    const flags = this.reader.byte();
    if (flags >= flagsEnd(this.wireVersion)) throw this.reader.damaged(`flags ${flags} are unknown`, start);
    if ((flags & FLAG.settledLife) !== 0 && (flags & FLAG.life) === 0)
      throw this.reader.damaged('a settled life is announced and left out', start);
    if ((flags & FLAG.columnStamps) !== 0 && (flags & FLAG.alive) === 0)
      throw this.reader.damaged('a tombstone has column stamps', start);
    if ((flags & FLAG.unsaid) !== 0 && (flags & FLAG.alive) === 0)
      throw this.reader.damaged('a tombstone leaves columns unsaid', start);
    return flags;
  }

  /** What follows the row's table, which has `columnCount` columns. */
  version(flags: number, columnCount: number): RowVersion {
    const stamp = { hlc: this.hlc(), session: this.session() };
    const life = (flags & FLAG.life) === 0 ? stamp : this.life(flags, stamp);
    const start = this.reader.at;
    const edits = this.reader.varint();
    if (edits === 0) throw this.reader.damaged('a row has had no edits', start);
    const vector = (flags & FLAG.vector) === 0 ? null : this.vector(stamp);
    const columnStamps = (flags & FLAG.columnStamps) === 0 ? null : this.columnStamps(columnCount, stamp);
    const version = { alive: (flags & FLAG.alive) !== 0, life, stamp, vector, columnStamps, edits };
    return (flags & FLAG.unsaid) === 0 ? version : { ...version, unsaid: this.unsaid(columnCount) };
  }

  private life(flags: number, stamp: Stamp): Stamp {
    const start = this.reader.at;
    const hlc = this.hlc();
    const session = (flags & FLAG.settledLife) === 0 ? this.session() : SETTLED_SESSION;
    if (hlc > stamp.hlc) throw this.reader.damaged('a life is later than its row’s stamp', start);
    if (hlc === stamp.hlc && session === stamp.session)
      throw this.reader.damaged('a life that is the stamp is written twice', start);
    return { hlc, session };
  }

  private vector(stamp: Stamp): Map<string, number> {
    const start = this.reader.at;
    const count = this.count(this.names.sessionCount);
    const vector = new Map<string, number>();
    for (let i = 0; i < count; i++) {
      const session = this.session();
      vector.set(session, this.hlc());
    }
    if (vector.size !== count) throw this.reader.damaged('a vector names a session twice', start);
    const own = vector.get(stamp.session);
    if (own === undefined || own < stamp.hlc) throw this.reader.damaged('a vector lacks its row’s stamp', start);
    if (count === 1 && own === stamp.hlc) throw this.reader.damaged('a vector that is the stamp is written out', start);
    return vector;
  }

  private columnStamps(columnCount: number, stamp: Stamp): Map<number, Stamp> {
    const start = this.reader.at;
    const count = this.count(columnCount);
    const stamps = new Map<number, Stamp>();
    for (let i = 0; i < count; i++) {
      const at = this.reader.at;
      const place = this.place(columnCount);
      const session = this.session();
      const hlc = this.hlc();
      if (hlc > stamp.hlc) throw this.reader.damaged('a column’s stamp is later than its row’s', at);
      stamps.set(place, { hlc, session });
    }
    if (stamps.size !== count) throw this.reader.damaged('a column is stamped twice', start);
    return stamps;
  }

  private unsaid(columnCount: number): Map<number, Rank | null> {
    const start = this.reader.at;
    const count = this.count(columnCount + 1);
    const ranks = new Map<number, Rank | null>();
    for (let i = 0; i < count; i++) {
      const at = this.place(2 * (columnCount + 1));
      const place = Math.floor(at / 2) - 1;
      ranks.set(place, at % 2 === 0 ? null : this.rank());
    }
    if (ranks.size !== count) throw this.reader.damaged('a column is left unsaid twice', start);
    return ranks;
  }

  private rank(): Rank {
    const edits = this.reader.varint();
    const session = this.session();
    return { edits, stamp: { session, hlc: this.hlc() } };
  }

  private place(end: number): number {
    const start = this.reader.at;
    const place = this.reader.varint();
    if (place >= end) throw this.reader.damaged(`a column has the place ${place} of ${end}`, start);
    return place;
  }

  /** A number of entries, which is at least 1: none is a flag that is not set. */
  private count(max: number): number {
    const start = this.reader.at;
    const count = this.reader.varint();
    if (count === 0 || count > max) throw this.reader.damaged(`${count} entries where 1 to ${max} can be`, start);
    return count;
  }

  private hlc(): number {
    const start = this.reader.at;
    const hlc = this.lastHlc + this.reader.zigzag();
    if (hlc < 0 || hlc > Number.MAX_SAFE_INTEGER) throw this.reader.damaged('a clock is out of range', start);
    this.lastHlc = hlc;
    return hlc;
  }

  private session(): string {
    const start = this.reader.at;
    const index = this.reader.varint();
    const session = this.names.session(index);
    if (session === undefined)
      throw this.reader.damaged(`session ${index} is not among the ${this.names.sessionCount} listed`, start);
    return session;
  }
}
