/**
 * Row versions that this node holds but whose images are not in their table: refused by a constraint, or parked until
 * the rest of their cut is in. Durable, shipped on to others, joined with newer versions when those come.
 */
import { createHash } from 'node:crypto';
import type { Database, Statement } from 'better-sqlite3';
import { mapKeptColumns } from './column-mapping.js';
import { PREFIX } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import { packRow, type UnpackedRow, unpackRow } from './packed-row.js';
import type { ReplicatedTable, ReplicatedTables } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import { lowestUnsettled, type RowVersion, type SqlValue, type VersionedRow, vectorOf } from './row-version.js';

/** Why a version is kept here: `parked` ends with its cut, the others when the row can be written or is superseded. */
export type QuarantineReason = 'parked' | 'check' | 'not-null' | 'datatype' | 'constraint';

/** A row of which a version is kept. */
export interface KeptRowName {
  readonly table: ReplicatedTable;
  readonly key: readonly SqlValue[];
}

export interface QuarantinedRow extends KeptRowName {
  /** Hex. A newer version of the row has another: whoever decides by it has seen what it stands for. */
  readonly id: string;
  readonly row: VersionedRow;
  readonly reason: QuarantineReason;
  readonly error: string;
  readonly arrival: number;
  /** Unix milliseconds: when a version of the row was first kept here. */
  readonly since: number;
}

interface StoredRow extends Pick<QuarantinedRow, 'id' | 'arrival' | 'reason' | 'error' | 'since'> {
  readonly tbl: number;
  readonly version: Buffer;
}

/** The same on every node that keeps the same version of a row. */
function quarantineId(table: string, key: Buffer, version: RowVersion): string {
  const vector = [...vectorOf(version)].sort(([x], [y]) => (x < y ? -1 : 1));
  const parts = [table, key.toString('hex'), version.alive, vector];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

export class Quarantine {
  private readonly selectOne: Statement<[number, Buffer], StoredRow>;
  private readonly selectReason: Statement<[string], StoredRow>;
  private readonly selectId: Statement<[string], StoredRow>;
  private readonly selectKept: Statement<[number, number], StoredRow>;
  private readonly selectVersions: Statement<[], Pick<StoredRow, 'tbl' | 'version'>>;
  private readonly selectTables: Statement<[], number>;
  private readonly upsert: Statement<[number, Buffer, string, number, string, string, number, number, Buffer]>;
  private readonly remove: Statement<[number, Buffer]>;
  private readonly removeId: Statement<[string]>;
  private readonly selectCounts: Statement<[], { parked: number; kept: number; hold: number | null }>;
  /** Nearly always nothing is kept: then no row is looked up. */
  private mayHold: boolean;

  constructor(
    db: Database,
    private readonly state: NodeState,
    private readonly tables: ReplicatedTables,
  ) {
    const columns = 'tbl, id, arrival, reason, error, since, version';
    this.selectOne = db.prepare(`SELECT ${columns} FROM ${PREFIX}quarantine WHERE tbl = ? AND key = ?`);
    this.selectReason = db.prepare(`SELECT ${columns} FROM ${PREFIX}quarantine WHERE reason = ?`);
    this.selectId = db.prepare(`SELECT ${columns} FROM ${PREFIX}quarantine WHERE id = ? AND reason <> 'parked'`);
    this.selectKept = db.prepare(
      `SELECT ${columns} FROM ${PREFIX}quarantine WHERE arrival > ? AND reason <> 'parked' ORDER BY arrival LIMIT ?`,
    );
    this.selectVersions = db.prepare(
      `SELECT tbl, version FROM ${PREFIX}quarantine WHERE reason <> 'parked' ORDER BY arrival`,
    );
    this.selectTables = db
      .prepare(`SELECT DISTINCT tbl FROM ${PREFIX}quarantine WHERE reason <> 'parked'`)
      .pluck()
      .safeIntegers(false) as unknown as Statement<[], number>;
    this.upsert = db.prepare(
      `INSERT INTO ${PREFIX}quarantine(tbl, key, id, arrival, reason, error, hlc, since, version) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ` +
        'ON CONFLICT(tbl, key) DO UPDATE SET id = excluded.id, arrival = excluded.arrival, reason = excluded.reason, ' +
        'error = excluded.error, hlc = excluded.hlc, since = excluded.since, version = excluded.version',
    );
    this.remove = db.prepare(`DELETE FROM ${PREFIX}quarantine WHERE tbl = ? AND key = ?`);
    this.removeId = db.prepare(`DELETE FROM ${PREFIX}quarantine WHERE id = ?`);
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

  /** The version of this id; undefined when it has gone in, been replaced, or its table is gone. */
  withId(id: string): QuarantinedRow | undefined {
    const stored = this.selectId.get(id);
    return stored === undefined ? undefined : this.toRow(stored);
  }

  /** Versions that are kept for good or until they can be written, in arrival order: at most `limit` of them. */
  afterArrival(arrival: number, limit: number): { rows: QuarantinedRow[]; next: number | null } {
    if (!this.mayHold) return { rows: [], next: null };
    const stored = this.selectKept.all(arrival, limit);
    const rows = stored.map((one) => this.toRow(one)).filter((row) => row !== undefined);
    return { rows, next: stored.length === limit ? (stored.at(-1)?.arrival ?? null) : null };
  }

  /** Names of the tables of which versions are kept so. */
  tableNames(): string[] {
    if (!this.mayHold) return [];
    return this.selectTables.all().flatMap((id) => this.tables.withId(id)?.captured.name ?? []);
  }

  /** The rows of which a version is kept so, without their images. */
  names(): KeptRowName[] {
    if (!this.mayHold) return [];
    const names: KeptRowName[] = [];
    for (const { tbl, version } of this.selectVersions.iterate()) {
      const table = this.tables.withId(tbl);
      if (table !== undefined) names.push({ table, key: unpackRow(version).key });
    }
    return names;
  }

  /** Versions of tables that are gone, parked ones too. */
  *withoutTable(): Generator<UnpackedRow, void, undefined> {
    if (!this.mayHold) return;
    for (const { tbl, version } of this.selectVersions.iterate())
      if (this.tables.withId(tbl) === undefined) yield unpackRow(version);
  }

  /** The stored version with its columns as the table has them now; undefined when the table is gone. */
  private toRow(stored: StoredRow): QuarantinedRow | undefined {
    const table = this.tables.withId(stored.tbl);
    if (table === undefined) return undefined;
    const { definition, key, row } = unpackRow(stored.version);
    const toLocal = mapKeptColumns(table, definition.columns);
    const { id, reason, error, arrival, since } = stored;
    return { id, table, key, row: toLocal(row), reason, error, arrival, since };
  }

  put(
    table: ReplicatedTable,
    key: readonly SqlValue[],
    row: VersionedRow,
    why: Pick<QuarantinedRow, 'reason' | 'error' | 'since'>,
  ): void {
    const keyBlob = this.keyBlob(table, key);
    this.upsert.run(
      table.captured.id,
      keyBlob,
      quarantineId(table.captured.name, keyBlob, row.version),
      this.state.nextArrival(),
      why.reason,
      why.error,
      lowestUnsettled(row.version, this.state.get('horizon')),
      why.since,
      packRow(table.definition, table.columnIds, key, row),
    );
    this.mayHold = true;
  }

  /** What is kept of a table that is gone: there is no row to join it with. Says whether it was there. */
  deleteId(id: string): boolean {
    return this.removeId.run(id).changes > 0;
  }

  delete(table: ReplicatedTable, key: readonly SqlValue[]): void {
    this.remove.run(table.captured.id, this.keyBlob(table, key));
  }
}
