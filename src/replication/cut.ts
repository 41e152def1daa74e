/**
 * A cut: all that a peer lacks, up to one moment of this node. It is read in slices, each from a snapshot of its own in
 * which everything is folded, so no reader stays open for long; rows that change meanwhile come again in a later slice.
 * The slice that finds nothing left is the cut: its vector, horizon and cursor close the stream.
 */
import { SqlsyncError } from '../errors.js';
import type { Engine, Snapshot } from './engine.js';
import type { HeldRow } from './held-rows.js';
import { OP } from './metadata-schema.js';
import { sharedVersion, spokenBy, versionIn } from './older-wire.js';
import { ownStanding } from './read-only.js';
import type { ReplicatedTable } from './replicated-table.js';
import { type RowVersion, type SqlValue, vectorOf } from './row-version.js';
import type { ShippableRow } from './ship-reader.js';
import { type Standing, standingOf } from './staleness.js';
import { PAYLOAD } from './wire-frames.js';
import type { EndMarker, Hello, TableDefinition } from './wire-messages.js';
import { type OutgoingRow, RowsEncoder } from './wire-rows.js';

/** Bounds of a slice: what is read from one snapshot, and held in memory. */
const SLICE_ROWS_MAX = 4096;
const SLICE_BYTES_MAX = 4 * 1024 * 1024;

/** Held rows read at a time. */
const HELD_ROWS_READ = 256;
/** Quarantined rows read in one go. */
const KEPT_ROWS_MAX = 64;

/** Unpacked bytes of rows in a payload, about. */
const PAYLOAD_BYTES = 512 * 1024;

interface TablePosition {
  readonly table: ReplicatedTable;
  after: number;
  index: number | null;
}

/** `columnIds`: by which the versions of its rows know the definition's columns. */
type SentTable = Pick<ReplicatedTable, 'definition' | 'columnIds'>;

/** What one slice has come to. */
interface Slice {
  rows: number;
  bytes: number;
  missing: { table: ReplicatedTable; key: readonly SqlValue[] }[];
}

export class Cut {
  private readonly peer: Standing;
  private readonly startAfter: number;
  private positions: TablePosition[] = [];
  private quarantineAfter: number;
  private heldAfter: number;
  /** Definitions that the stream has, by what they say: one table may come with several sets of columns. */
  private readonly defined = new Map<string, number>();
  private generation = -1;
  private isClosed = false;
  /** What the peer speaks, and this node too. */
  readonly wireVersion: number;
  private readonly encoder: RowsEncoder;
  private readonly isSameSchema: boolean;
  private payloads: Buffer[] = [];
  private rowCount = 0;
  private marker: EndMarker | null = null;

  constructor(
    private readonly engine: Engine,
    peer: Pick<Hello, 'vector' | 'horizon' | 'dropped' | 'cursors' | 'wireVersion' | 'schemaHash'>,
    /** Names of tables whose unsettled rows are sent, whether or not the peer knows them. */
    private readonly offered: ReadonlySet<string> = new Set(),
  ) {
    this.peer = standingOf(peer);
    this.wireVersion = sharedVersion(spokenBy(engine.options), peer);
    this.encoder = new RowsEncoder(this.wireVersion);
    this.isSameSchema = peer.schemaHash === engine.schema.schemaHash;
    const { session } = engine.state;
    this.startAfter = session === null ? 0 : (peer.cursors[session] ?? 0);
    this.quarantineAfter = this.startAfter;
    this.heldAfter = this.startAfter;
  }

  /**
   * The next payload, of table, sessions or rows; null when all has been read. Bounded work; meanwhile applications may
   * read and, in WAL mode, write.
   */
  next(): Buffer | null {
    while (this.payloads.length === 0) {
      if (this.marker !== null || this.isClosed) return null;
      this.readSlice();
    }
    return this.payloads.shift() as Buffer;
  }

  private readSlice(): void {
    this.refuseWhileCatchingUp();
    const snapshot = this.engine.openSnapshot();
    const slice: Slice = { rows: 0, bytes: 0, missing: [] };
    try {
      this.takePositions();
      const isExhausted = this.readTables(snapshot, slice);
      this.payloads.push(...this.encoder.take());
      if (isExhausted && slice.missing.length === 0) this.marker = this.endMarker();
    } finally {
      snapshot.close();
    }
    if (slice.missing.length > 0) this.logMissingAsDeleted(slice.missing);
  }

  /** What closes the stream, once `next` has returned null. */
  end(): EndMarker {
    if (this.marker === null) throw new SqlsyncError('bug', 'a cut was ended before it was read');
    return this.marker;
  }

  close(): void {
    this.isClosed = true;
  }

  private refuseWhileCatchingUp(): void {
    if (this.engine.state.get('catch_up') === '') return;
    throw new SqlsyncError('catching-up', 'this node is catching up and ships nothing until it is whole', {
      hint: 'try again later',
    });
  }

  /** Where to read on in each table. A schema that changed under way may have brought tables. */
  private takePositions(): void {
    const { engine } = this;
    if (this.generation === engine.schemaGeneration) return;
    this.generation = engine.schemaGeneration;
    const old = new Map(this.positions.map((position) => [position.table.captured.id, position]));
    this.positions = engine.tables.all.map((table) => {
      const before = old.get(table.captured.id);
      // Its columns may be others now.
      const start = this.offered.has(table.captured.name) ? 0 : this.startAfter;
      return { table, after: before?.after ?? start, index: null };
    });
  }

  /** Fills the slice. Says whether the snapshot holds nothing more for the peer. */
  private readTables(snapshot: Snapshot, slice: Slice): boolean {
    for (const position of this.positions) {
      if (!this.readTable(position, snapshot, slice)) return false;
    }
    return this.readQuarantine(slice) && this.readHeld(slice);
  }

  private readTable(position: TablePosition, snapshot: Snapshot, slice: Slice): boolean {
    const reader = this.engine.shipReader(snapshot.db, position.table);
    const isOffered = this.offered.has(position.table.captured.name);
    for (const row of reader.rowsAfter(position.after)) {
      if (slice.rows >= SLICE_ROWS_MAX || slice.bytes >= SLICE_BYTES_MAX) return false;
      position.after = row.arrival;
      if (isOffered || !this.isKnownToPeer(row.version)) this.addRow(position, row, slice);
    }
    return true;
  }

  private isKnownToPeer(version: RowVersion): boolean {
    if (version.vector === null) return this.peer.has(version.stamp.session) >= version.stamp.hlc;
    for (const [session, hlc] of vectorOf(version)) if (this.peer.has(session) < hlc) return false;
    return true;
  }

  private addRow(position: TablePosition, { version, key, image }: ShippableRow, slice: Slice): void {
    const { table } = position;
    if (version.alive && image === null) {
      if (this.engine.quarantine.get(table, key) === undefined) slice.missing.push({ table, key });
      return;
    }
    this.add(position, { version, key, image }, slice);
  }

  private add(position: TablePosition, row: OutgoingRow, slice: Slice): void {
    position.index ??= this.define(position.table.definition);
    this.encode(position.index, position.table, row, slice);
  }

  /** The definition's place in the stream. */
  private define(definition: TableDefinition): number {
    const json = JSON.stringify(definition);
    const known = this.defined.get(json);
    if (known !== undefined) return known;
    this.payloads.push(Buffer.concat([Buffer.of(PAYLOAD.table), Buffer.from(json)]));
    this.defined.set(json, this.defined.size);
    return this.defined.size - 1;
  }

  private encode(index: number, table: SentTable, row: OutgoingRow, slice: Slice): void {
    const before = this.encoder.size;
    const { columnIds } = table;
    const { unsaid } = row.version;
    const told = unsaid === undefined ? row : { ...row, version: this.told(row.version, table) };
    this.encoder.add(index, columnIds, told);
    slice.bytes += this.encoder.size - before;
    slice.rows += 1;
    this.rowCount += 1;
    if (this.encoder.size >= PAYLOAD_BYTES) this.payloads.push(...this.encoder.take());
  }

  private told(version: RowVersion, { definition, columnIds }: SentTable): RowVersion {
    return versionIn(this.wireVersion, version, {
      table: definition.name,
      columnIds,
      isSameSchema: this.isSameSchema,
    });
  }

  /** Versions that this node could not write are shipped on all the same. */
  private readQuarantine(slice: Slice): boolean {
    for (;;) {
      if (slice.rows >= SLICE_ROWS_MAX || slice.bytes >= SLICE_BYTES_MAX) return false;
      const { rows, next } = this.engine.quarantine.afterArrival(this.quarantineAfter, KEPT_ROWS_MAX);
      for (const { table, key, row, arrival } of rows) {
        this.quarantineAfter = arrival;
        const position = this.positions.find((p) => p.table.captured.id === table.captured.id);
        if (position !== undefined && !this.isKnownToPeer(row.version)) this.add(position, { ...row, key }, slice);
      }
      if (next === null) return true;
      this.quarantineAfter = next;
    }
  }

  /** And so are rows that its schema cannot hold, with the columns that they came with. Says whether that was all. */
  private readHeld(slice: Slice): boolean {
    for (;;) {
      const rows = this.engine.held.after(this.heldAfter, HELD_ROWS_READ);
      for (const held of rows) {
        if (slice.rows >= SLICE_ROWS_MAX || slice.bytes >= SLICE_BYTES_MAX) return false;
        this.heldAfter = held.arrival;
        if (!this.isKnownToPeer(held.row.version)) this.addHeld(held, slice);
      }
      if (rows.length < HELD_ROWS_READ) return true;
    }
  }

  private addHeld({ definition, key, row, horizon }: HeldRow, slice: Slice): void {
    const columnIds = definition.columns.map((_, place) => place);
    this.encode(this.define({ ...definition, horizon }), { definition, columnIds }, { ...row, key }, slice);
  }

  /** Live versions whose rows are gone without a trace: triggers were off when they were deleted. A write of this node's. */
  private logMissingAsDeleted(missing: Slice['missing']): void {
    this.engine.writeTransaction(() => {
      for (const { table, key } of missing) {
        if (!table.rows.exists(key)) this.engine.logOwnWrite(table.captured.id, OP.delete, key, 0);
      }
    });
  }

  private endMarker(): EndMarker {
    const { state, acknowledgements, clock } = this.engine;
    return {
      clockMs: clock.nowMs(),
      vector: Object.fromEntries(ownStanding(this.engine).vector),
      folded: state.get('folded'),
      horizon: state.get('horizon'),
      dropped: state.get('dropped'),
      hold: this.engine.hold,
      session: state.session,
      cursor: state.get('arrival'),
      rows: this.rowCount,
      acknowledged: acknowledgements.toJson(),
    };
  }
}
