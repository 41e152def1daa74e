/**
 * Row versions that this node holds but whose images are not in their table: refused by a constraint, or parked until
 * the rest of their cut is in. Durable, shipped on to others, joined with newer versions when those come.
 */
import type { Database, Statement } from 'better-sqlite3';
import { columnDefault, mapKeptColumns } from './column-mapping.js';
import { PREFIX } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import { packRow, unpackRow } from './packed-row.js';
import type { ReplicatedTable, ReplicatedTables } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import { type RowVersion, type SqlValue, type VersionedRow, vectorOf } from './row-version.js';

/** Why a version is kept here: `parked` ends with its cut, the others when the row can be written or is superseded. */
export type QuarantineReason = 'parked' | 'check' | 'not-null' | 'datatype' | 'constraint';

export interface QuarantinedRow {
  readonly table: ReplicatedTable;
  readonly key: readonly SqlValue[];
  readonly row: VersionedRow;
  readonly reason: QuarantineReason;
  readonly error: string;
  readonly arrival: number;
}

interface StoredRow {
  readonly tbl: number;
  readonly arrival: number;
  readonly version: Buffer;
  readonly reason: QuarantineReason;
  readonly error: string;
}

export class Quarantine {
  private readonly selectOne: Statement<[number, Buffer], StoredRow>;
  private readonly selectReason: Statement<[string], StoredRow>;
  private readonly selectKept: Statement<[number], StoredRow>;
  private readonly upsert: Statement<[number, Buffer, number, Buffer, string, string, number, number]>;
  private readonly remove: Statement<[number, Buffer]>;
  private readonly selectCounts: Statement<[], { parked: number; kept: number; hold: number | null }>;
  /** Nearly always nothing is kept: then no row is looked up. */
  private mayHold: boolean;

  constructor(
    private readonly db: Database,
    private readonly state: NodeState,
    private readonly tables: ReplicatedTables,
  ) {
    const columns = 'tbl, arrival, version, reason, error';
    this.selectOne = db.prepare(`SELECT ${columns} FROM ${PREFIX}quarantine WHERE tbl = ? AND key = ?`);
    this.selectReason = db.prepare(`SELECT ${columns} FROM ${PREFIX}quarantine WHERE reason = ?`);
    this.selectKept = db.prepare(
      `SELECT ${columns} FROM ${PREFIX}quarantine WHERE arrival > ? AND reason <> 'parked' ORDER BY arrival`,
    );
    this.upsert = db.prepare(
      `INSERT INTO ${PREFIX}quarantine(tbl, key, arrival, version, reason, error, hlc, since) VALUES(?, ?, ?, ?, ?, ?, ?, ?) ` +
        'ON CONFLICT(tbl, key) DO UPDATE SET arrival = excluded.arrival, version = excluded.version, ' +
        'reason = excluded.reason, error = excluded.error, hlc = excluded.hlc',
    );
    this.remove = db.prepare(`DELETE FROM ${PREFIX}quarantine WHERE tbl = ? AND key = ?`);
    this.selectCounts = db.prepare(
      `SELECT count(*) FILTER (WHERE reason = 'parked') AS parked, count(*) FILTER (WHERE reason <> 'parked') AS kept, ` +
        `min(hlc) FILTER (WHERE reason <> 'parked') AS hold FROM ${PREFIX}quarantine`,
    );
    const { parked, kept } = this.counts();
    this.mayHold = parked + kept > 0;
  }

  /** Nothing is kept, for certain. */
  get isEmpty(): boolean {
    return !this.mayHold;
  }

  /** Keeps what memory holds, and returns how to put it back when the transaction is rolled back. */
  remember(): () => void {
    const { mayHold } = this;
    return () => {
      this.mayHold = mayHold;
    };
  }

  /** How many versions are kept, and the HLC at and above which this node therefore acknowledges nothing. */
  counts(): { parked: number; kept: number; hold: number | null } {
    return this.selectCounts.get() ?? { parked: 0, kept: 0, hold: null };
  }

  private keyBlob(table: ReplicatedTable, key: readonly SqlValue[]): Buffer {
    return Buffer.from(canonicalKey(key, table.collations));
  }

  get(table: ReplicatedTable, key: readonly SqlValue[]): QuarantinedRow | undefined {
    if (!this.mayHold) return undefined;
    const stored = this.selectOne.get(table.captured.id, this.keyBlob(table, key));
    return stored === undefined ? undefined : this.toRow(stored);
  }

  withReason(reason: QuarantineReason): QuarantinedRow[] {
    return this.selectReason
      .all(reason)
      .map((stored) => this.toRow(stored))
      .filter((row) => row !== undefined);
  }

  /** Versions that are kept for good or until they can be written, in arrival order. */
  afterArrival(arrival: number): QuarantinedRow[] {
    if (!this.mayHold) return [];
    return this.selectKept
      .all(arrival)
      .map((stored) => this.toRow(stored))
      .filter((row) => row !== undefined);
  }

  /** The stored version with its columns as the table has them now; undefined when the table is gone. */
  private toRow(stored: StoredRow): QuarantinedRow | undefined {
    const table = this.tables.withId(stored.tbl);
    if (table === undefined) return undefined;
    const { definition, key, row } = unpackRow(stored.version);
    const toLocal = mapKeptColumns(table, definition.columns, (column) => columnDefault(this.db, table, column));
    return { table, key, row: toLocal(row), reason: stored.reason, error: stored.error, arrival: stored.arrival };
  }

  put(
    table: ReplicatedTable,
    key: readonly SqlValue[],
    row: VersionedRow,
    why: { reason: QuarantineReason; error: string; nowMs: number },
  ): void {
    const packed = packRow(table.definition, table.columnIds, key, row);
    this.upsert.run(
      table.captured.id,
      this.keyBlob(table, key),
      this.state.nextArrival(),
      packed,
      why.reason,
      why.error,
      this.lowestUnsettled(row.version),
      why.nowMs,
    );
    this.mayHold = true;
  }

  /**
   * Any write that went into the version may be the one that is nowhere else: were an earlier one than its stamp settled,
   * a newer version would count as knowing it, and replace it unseen.
   */
  private lowestUnsettled(version: RowVersion): number {
    const horizon = this.state.get('horizon');
    let lowest = version.stamp.hlc;
    for (const hlc of vectorOf(version).values()) if (hlc > horizon && hlc < lowest) lowest = hlc;
    return lowest;
  }

  delete(table: ReplicatedTable, key: readonly SqlValue[]): void {
    this.remove.run(table.captured.id, this.keyBlob(table, key));
  }
}
