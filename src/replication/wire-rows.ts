/**
 * Rows on the wire, packed into payloads and unpacked, in the form of docs/protocol.md ("A row"). Both sides live as long
 * as a stream and keep count of the tables and sessions that it has named.
 *
 * What a decoder yields has been checked (see VersionReader); anything else is SqlsyncError 'batch-damaged'.
 */
import { SqlsyncError } from '../errors.js';
import type { RowVersion, SqlValue } from './row-version.js';
import { StreamNames } from './stream-names.js';
import { PAYLOAD } from './wire-frames.js';
import { type TableDefinition, WIRE_VERSION } from './wire-messages.js';
import { WireReader } from './wire-reader.js';
import { VersionReader, VersionWriter } from './wire-versions.js';
import { WireWriter } from './wire-writer.js';

/** Rows in one payload: as objects, the shortest rows take some fifty times the memory that they take packed. */
export const ROWS_PER_FRAME_MAX = 262_144;

/** A row to be sent. A tombstone has no image; a live row's key is not sent, since its image holds it. */
export interface OutgoingRow {
  readonly version: RowVersion;
  /** In the definition's order of the key. */
  readonly key: readonly SqlValue[];
  /** One value per column of the definition. */
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

/** Packs rows into payloads. What it cannot pack is a bug, and ends its use. */
export class RowsEncoder {
  private readonly writer = new WireWriter();
  private readonly versions: VersionWriter;
  private rowCount = 0;

  /** @param wireVersion that the peer speaks; what is kept on this node's disk is written in the newest */
  constructor(wireVersion = WIRE_VERSION) {
    this.versions = new VersionWriter(this.writer, wireVersion);
  }

  /** Bytes of rows since the last take(). */
  get size(): number {
    return this.writer.size;
  }

  /** Can the payload take no more rows? */
  get isFull(): boolean {
    return this.rowCount >= ROWS_PER_FRAME_MAX;
  }

  /**
   * `tableIndex` is the place of the table's definition in the stream; `definitionColumnIds` has, for each of the
   * definition's columns, the id by which the version's column stamps know it.
   */
  add(tableIndex: number, definitionColumnIds: readonly number[], row: OutgoingRow): void {
    const { version, key, image } = row;
    if (this.isFull) throw new SqlsyncError('bug', `a payload holds at most ${ROWS_PER_FRAME_MAX} rows`);
    if (version.alive !== (image !== null)) throw new SqlsyncError('bug', 'live rows have an image, tombstones none');
    if (image !== null && image.length !== definitionColumnIds.length)
      throw new SqlsyncError('bug', `an image has ${image.length} values of ${definitionColumnIds.length}`);
    if (this.rowCount++ === 0) this.writer.byte(PAYLOAD.rows);
    this.versions.write(tableIndex, definitionColumnIds, version);
    for (const value of image ?? key) this.writer.value(value);
  }

  /** The payloads that carry what was added: the sessions it is the first to name, if any, then the rows. */
  take(): Buffer[] {
    if (this.rowCount === 0) return [];
    this.rowCount = 0;
    const rows = this.writer.take();
    const newSessions = this.versions.takeNewSessions();
    if (newSessions.length === 0) return [rows];
    return [Buffer.concat([Buffer.of(PAYLOAD.sessions), Buffer.from(JSON.stringify(newSessions))]), rows];
  }
}

/** Unpacks payloads of rows. Tables and sessions are added in the stream's order, before the rows that use them. */
export class RowsDecoder {
  private readonly names = new StreamNames();

  /** @param wireVersion that the rows are written in; the newest reads what those before it wrote, too */
  constructor(private readonly wireVersion = WIRE_VERSION) {}

  addTable(definition: TableDefinition): void {
    this.names.addTable(definition);
  }

  addSessions(sessions: readonly string[]): void {
    this.names.addSessions(sessions);
  }

  /** The rows of a payload, kind byte included. `what` names it in messages. Blobs are views of the payload. */
  *decode(payload: Buffer, what = 'rows'): Generator<IncomingRow, void, undefined> {
    const reader = new WireReader(payload, what);
    if (reader.byte() !== PAYLOAD.rows) throw reader.damaged('this is no payload of rows', 0);
    const versions = new VersionReader(reader, this.names, this.wireVersion);
    for (let count = 0; !reader.done; count++) {
      if (count === ROWS_PER_FRAME_MAX)
        throw new SqlsyncError('batch-oversized', `${what}: more than ${ROWS_PER_FRAME_MAX} rows`);
      yield this.row(reader, versions);
    }
  }

  private row(reader: WireReader, versions: VersionReader): IncomingRow {
    const flags = versions.flags();
    const start = reader.at;
    const tableIndex = reader.varint();
    const table = this.names.table(tableIndex);
    if (table === undefined)
      throw reader.damaged(`table ${tableIndex} is not among the ${this.names.tableCount} defined`, start);
    const version = versions.version(flags, table.columnCount);
    if (!version.alive) return { tableIndex, key: readValues(reader, table.keyPlaces.length), version, image: null };
    const image = readValues(reader, table.columnCount);
    return { tableIndex, key: table.keyPlaces.map((place) => image[place] as SqlValue), version, image };
  }
}

function readValues(reader: WireReader, count: number): SqlValue[] {
  const values: SqlValue[] = [];
  for (let i = 0; i < count; i++) values.push(reader.value());
  return values;
}
