/**
 * Rows on the wire: versions and images, in the form of docs/protocol.md ("A row").
 *
 * RowsEncoder and RowsDecoder each live as long as a stream: both keep its list of sessions. What a decoder yields has
 * been checked against all that a version promises (see `checked`), since the applier relies on it; anything else is
 * SqlsyncError 'batch-damaged'. There is one way to write a row, and the decoder refuses every other.
 */
import { SqlsyncError } from '../errors.js';
import type { RowVersion, SqlValue } from './row-version.js';
import { SETTLED_SESSION, type Stamp } from './stamp.js';
import { isSessionName } from './version-vector.js';
import { PAYLOAD } from './wire-frames.js';
import type { TableDefinition } from './wire-messages.js';
import { WireReader, WireWriter } from './wire-values.js';

const FLAG = { alive: 1, life: 2, vector: 4, columnStamps: 8, settledLife: 16 } as const;
const FLAGS_MAX = 31;

/** Bounds on what one stream may name. */
export const SESSIONS_MAX = 100_000;
export const TABLES_MAX = 65_536;

/** A row to be sent. A tombstone has no image; a live row's key is read from its image. */
export interface OutgoingRow {
  readonly version: RowVersion;
  readonly key: readonly SqlValue[];
  readonly image: readonly SqlValue[] | null;
}

/** A row as it came. */
export interface IncomingRow {
  /** The place of the table's definition in the stream. */
  readonly tableIndex: number;
  /** The values of the key columns, in the definition's order of the key. */
  readonly key: readonly SqlValue[];
  /** Column stamps are keyed by the column's place in the definition. */
  readonly version: RowVersion;
  /** One value per column of the definition; null for a tombstone. */
  readonly image: readonly SqlValue[] | null;
}

/** Packs rows into payloads. */
export class RowsEncoder {
  private readonly writer = new WireWriter();
  private readonly sessions = new Map<string, number>();
  private newSessions: string[] = [];
  private lastHlc = 0;
  private placesOf: readonly number[] = [];
  private places = new Map<number, number>();

  /** Bytes of rows since the last take(). */
  get size(): number {
    return this.writer.size;
  }

  /**
   * `tableIndex` is the place of the table's definition in the stream; `definitionColumnIds` has, for each of the
   * definition's columns, the id by which `row.version` knows it.
   */
  add(tableIndex: number, definitionColumnIds: readonly number[], row: OutgoingRow): void {
    const { version, image } = row;
    if (version.alive !== (image !== null) || (image !== null && image.length !== definitionColumnIds.length))
      throw new SqlsyncError('bug', 'a row’s image does not fit its version or its table’s definition');
    if (this.writer.size === 0) this.writer.byte(PAYLOAD.rows);
    this.version(tableIndex, definitionColumnIds, version);
    for (const value of image ?? row.key) this.writer.value(value);
  }

  /** The payloads to send for what was added: the sessions it is the first to name, and the rows. */
  take(): Buffer[] {
    if (this.writer.size === 0) return [];
    this.lastHlc = 0;
    const rows = this.writer.take();
    if (this.newSessions.length === 0) return [rows];
    const sessions = Buffer.from(JSON.stringify(this.newSessions));
    this.newSessions = [];
    return [Buffer.concat([Buffer.of(PAYLOAD.sessions), sessions]), rows];
  }

  private version(tableIndex: number, definitionColumnIds: readonly number[], version: RowVersion): void {
    const { stamp, life, vector } = version;
    const columnStamps = version.columnStamps?.size ? version.columnStamps : null;
    const settled = life.session === SETTLED_SESSION;
    const ownLife = life.hlc !== stamp.hlc || life.session !== stamp.session;
    const flags =
      (version.alive ? FLAG.alive : 0) |
      (ownLife ? FLAG.life : 0) |
      (vector === null ? 0 : FLAG.vector) |
      (columnStamps === null ? 0 : FLAG.columnStamps) |
      (settled ? FLAG.settledLife : 0);
    const writer = this.writer;
    writer.byte(flags);
    writer.varint(tableIndex);
    this.hlc(stamp.hlc);
    this.session(stamp.session);
    if (ownLife) {
      this.hlc(life.hlc);
      if (!settled) this.session(life.session);
    }
    writer.varint(version.edits);
    if (vector !== null) this.vector(vector);
    if (columnStamps !== null) this.columnStamps(definitionColumnIds, columnStamps);
  }

  private vector(vector: ReadonlyMap<string, number>): void {
    this.writer.varint(vector.size);
    for (const [session, hlc] of vector) {
      this.session(session);
      this.hlc(hlc);
    }
  }

  private columnStamps(definitionColumnIds: readonly number[], stamps: ReadonlyMap<number, Stamp>): void {
    if (this.placesOf !== definitionColumnIds) {
      this.placesOf = definitionColumnIds;
      this.places = new Map(definitionColumnIds.map((id, place) => [id, place]));
    }
    this.writer.varint(stamps.size);
    for (const [id, stamp] of stamps) {
      const place = this.places.get(id);
      if (place === undefined) throw new SqlsyncError('bug', `column ${id} has a stamp but does not ship`);
      this.writer.varint(place);
      this.session(stamp.session);
      this.hlc(stamp.hlc);
    }
  }

  private hlc(hlc: number): void {
    this.writer.zigzag(hlc - this.lastHlc);
    this.lastHlc = hlc;
  }

  private session(session: string): void {
    let index = this.sessions.get(session);
    if (index === undefined) {
      index = this.sessions.size;
      this.sessions.set(session, index);
      this.newSessions.push(session);
    }
    this.writer.varint(index);
  }
}

interface KnownTable {
  readonly columnCount: number;
  /** Places of the key columns among the columns. */
  readonly keyPlaces: readonly number[];
}

/** Unpacks payloads of rows. Tables and sessions are to be added in the stream's order, before the rows that use them. */
export class RowsDecoder {
  private readonly tables: KnownTable[] = [];
  private readonly tableNames = new Set<string>();
  private readonly sessions: string[] = [];
  private readonly knownSessions = new Set<string>();
  private lastHlc = 0;

  addTable(definition: TableDefinition): void {
    const { name, columns, key } = definition;
    const damaged = (problem: string) => new SqlsyncError('batch-damaged', `table definition "${name}": ${problem}`);
    if (this.tables.length === TABLES_MAX) throw damaged(`it is one more than ${TABLES_MAX}`);
    if (this.tableNames.has(name)) throw damaged('the stream has defined it before');
    const places = new Map(columns.map((column, place) => [column, place]));
    if (places.size !== columns.length) throw damaged('two columns have the same name');
    if (new Set(key).size !== key.length) throw damaged('the key names a column twice');
    const keyPlaces = key.map((column) => {
      const place = places.get(column);
      if (place === undefined) throw damaged(`its key column "${column}" is not among its columns`);
      return place;
    });
    this.tableNames.add(name);
    this.tables.push({ columnCount: columns.length, keyPlaces });
  }

  addSessions(names: readonly string[]): void {
    for (const name of names) {
      if (!isSessionName(name)) throw new SqlsyncError('batch-damaged', 'sessions: one of them is no session name');
      if (this.knownSessions.has(name))
        throw new SqlsyncError('batch-damaged', `sessions: ${name} has been listed before`);
      if (this.sessions.length === SESSIONS_MAX)
        throw new SqlsyncError('batch-damaged', `sessions: more than ${SESSIONS_MAX}`);
      this.knownSessions.add(name);
      this.sessions.push(name);
    }
  }

  /** The rows of a payload, kind byte included. `what` names it in messages. Blobs are views of the payload. */
  *decode(payload: Buffer, what = 'rows'): Generator<IncomingRow, void, undefined> {
    const reader = new WireReader(payload, what);
    if (reader.byte() !== PAYLOAD.rows) throw reader.damaged('this is no payload of rows', 0);
    this.lastHlc = 0;
    while (!reader.done) yield this.row(reader);
  }

  private row(reader: WireReader): IncomingRow {
    const start = reader.at;
    const flags = reader.byte();
    const tableIndex = reader.varint();
    const table = this.tables[tableIndex];
    if (table === undefined)
      throw reader.damaged(`table ${tableIndex} is not among the ${this.tables.length} defined`, start);
    const version = this.version(reader, flags, table, start);
    if (!version.alive) return { tableIndex, key: readValues(reader, table.keyPlaces.length), version, image: null };
    const image = readValues(reader, table.columnCount);
    return { tableIndex, key: table.keyPlaces.map((place) => image[place] as SqlValue), version, image };
  }

  private version(reader: WireReader, flags: number, table: KnownTable, start: number): RowVersion {
    const alive = (flags & FLAG.alive) !== 0;
    if (flags > FLAGS_MAX) throw reader.damaged(`flags ${flags} are unknown`, start);
    if ((flags & FLAG.settledLife) !== 0 && (flags & FLAG.life) === 0)
      throw reader.damaged('a settled life is missing', start);
    if (!alive && (flags & FLAG.columnStamps) !== 0) throw reader.damaged('a tombstone has column stamps', start);
    const stamp = this.stamp(reader);
    const life = (flags & FLAG.life) === 0 ? stamp : this.life(reader, flags, stamp);
    const edits = reader.varint();
    if (edits === 0) throw reader.damaged('a row has no edits', start);
    const vector = (flags & FLAG.vector) === 0 ? null : this.vector(reader, stamp);
    const columnStamps = (flags & FLAG.columnStamps) === 0 ? null : this.columnStamps(reader, table, stamp);
    return { alive, life, stamp, vector, columnStamps, edits };
  }

  private stamp(reader: WireReader): Stamp {
    const hlc = this.hlc(reader);
    return { hlc, session: this.session(reader) };
  }

  private life(reader: WireReader, flags: number, stamp: Stamp): Stamp {
    const start = reader.at;
    const hlc = this.hlc(reader);
    const session = (flags & FLAG.settledLife) === 0 ? this.session(reader) : SETTLED_SESSION;
    if (hlc > stamp.hlc) throw reader.damaged('a life is later than its row’s stamp', start);
    if (hlc === stamp.hlc && session === stamp.session) throw reader.damaged('a life repeats the stamp', start);
    return { hlc, session };
  }

  private vector(reader: WireReader, stamp: Stamp): Map<string, number> {
    const start = reader.at;
    const count = this.count(reader, this.sessions.length);
    const vector = new Map<string, number>();
    for (let i = 0; i < count; i++) {
      const session = this.session(reader);
      vector.set(session, this.hlc(reader));
    }
    if (vector.size !== count) throw reader.damaged('a vector names a session twice', start);
    if ((vector.get(stamp.session) ?? -1) < stamp.hlc) throw reader.damaged('a vector lacks its row’s stamp', start);
    return vector;
  }

  private columnStamps(reader: WireReader, table: KnownTable, stamp: Stamp): Map<number, Stamp> {
    const start = reader.at;
    const count = this.count(reader, table.columnCount);
    const stamps = new Map<number, Stamp>();
    for (let i = 0; i < count; i++) {
      const place = reader.varint();
      if (place >= table.columnCount)
        throw reader.damaged(`a stamp is for column ${place} of ${table.columnCount}`, start);
      const session = this.session(reader);
      const hlc = this.hlc(reader);
      if (hlc > stamp.hlc) throw reader.damaged('a column’s stamp is later than its row’s', start);
      stamps.set(place, { hlc, session });
    }
    if (stamps.size !== count) throw reader.damaged('a column is stamped twice', start);
    return stamps;
  }

  private count(reader: WireReader, max: number): number {
    const start = reader.at;
    const count = reader.varint();
    if (count === 0 || count > max) throw reader.damaged(`${count} entries, of 1 to ${max}`, start);
    return count;
  }

  private hlc(reader: WireReader): number {
    const start = reader.at;
    const hlc = this.lastHlc + reader.zigzag();
    if (hlc < 0 || hlc > Number.MAX_SAFE_INTEGER) throw reader.damaged(`${hlc} is no HLC`, start);
    this.lastHlc = hlc;
    return hlc;
  }

  private session(reader: WireReader): string {
    const start = reader.at;
    const index = reader.varint();
    const session = this.sessions[index];
    if (session === undefined)
      throw reader.damaged(`session ${index} is not among the ${this.sessions.length} listed`, start);
    return session;
  }
}

function readValues(reader: WireReader, count: number): SqlValue[] {
  const values: SqlValue[] = [];
  for (let i = 0; i < count; i++) values.push(reader.value());
  return values;
}
