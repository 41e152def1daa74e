/**
 * Reads rows to ship out of a snapshot: metadata in arrival order, each with its image.
 */
import type { Database, Statement } from 'better-sqlite3';
import { hasInexactText, withRawText } from './exact-values.js';
import { VERSION_COLUMNS, type VersionColumns, versionFromColumns } from './metadata.js';
import { keyColumn, metadataTable } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import type { ReplicatedTable } from './replicated-table.js';
import { keyCondition, keyPlaces } from './row-table.js';
import type { RowVersion, SqlValue } from './row-version.js';
import { quoteIdentifier } from './sql-text.js';

/** A row as a snapshot has it. */
export interface ShippableRow {
  readonly arrival: number;
  readonly version: RowVersion;
  readonly key: readonly SqlValue[];
  /** Null for a tombstone, and for a live version whose row is not in its table. */
  readonly image: readonly SqlValue[] | null;
}

/** SQLite's default bound on columns of a result; a wider table's images are read row by row. */
const RESULT_COLUMNS_MAX = 2000;

const KEY_AT = 1 + VERSION_COLUMNS.length;

export class ShipReader {
  private readonly selectRows: Statement<[number], SqlValue[]>;
  private readonly imageAt: number;
  private readonly isWide: boolean;
  private readonly firstKeyPlace: number;
  private exactRow: Statement<[number], SqlValue[]> | null = null;
  private exactBytes: Statement<[number], (Buffer | null)[]> | null = null;

  constructor(
    private readonly db: Database,
    private readonly table: ReplicatedTable,
    private readonly state: NodeState,
  ) {
    const width = table.collations.length;
    this.imageAt = KEY_AT + width;
    this.isWide = this.imageAt + table.columnIds.length > RESULT_COLUMNS_MAX;
    this.firstKeyPlace = keyPlaces(table.captured)[0] as number;
    const rows = this.isWide ? this.metadataOnly() : this.sql(this.metadataColumns(), true);
    this.selectRows = db
      .prepare(`${rows} WHERE m.arrival > ? ORDER BY m.arrival`)
      .raw()
      .safeIntegers() as unknown as typeof this.selectRows;
  }

  private metadataColumns(): string[] {
    const keys = this.table.collations.map((_, i) => keyColumn(i));
    return ['arrival', ...VERSION_COLUMNS, ...keys].map((column) => `m.${column}`);
  }

  private metadataOnly(): string {
    return `SELECT ${this.metadataColumns().join(', ')} FROM ${metadataTable(this.table.captured.id)} AS m`;
  }

  /** Metadata joined with its rows; images come last. */
  private sql(columns: readonly string[], withImage: boolean, bytes = false): string {
    const { captured } = this.table;
    const image = captured.columns.map(({ name }) =>
      bytes ? `CAST(t.${quoteIdentifier(name)} AS BLOB)` : `t.${quoteIdentifier(name)}`,
    );
    const keys = this.table.collations.map((_, i) => `m.${keyColumn(i)}`);
    return (
      `SELECT ${[...columns, ...(withImage ? image : [])].join(', ')} FROM ${metadataTable(captured.id)} AS m ` +
      `LEFT JOIN ${quoteIdentifier(captured.name)} AS t ON ${keyCondition(captured, keys, 't.')}`
    );
  }

  /** Rows whose arrival is beyond `arrival`, in that order, one at a time: a single one may be large. */
  *rowsAfter(arrival: number): Generator<ShippableRow, void, undefined> {
    for (const row of this.selectRows.iterate(arrival)) yield this.toRow(row);
  }

  private toRow(row: SqlValue[]): ShippableRow {
    const arrival = Number(row[0]);
    const version = versionFromColumns(row.slice(1, KEY_AT) as unknown as VersionColumns, this.state);
    let key = row.slice(KEY_AT, this.imageAt);
    let image: SqlValue[] | null = null;
    if (version.alive) image = this.isWide ? this.readExactly(arrival) : row.slice(this.imageAt);
    if (hasInexactText(key) || (image !== null && hasInexactText(image))) {
      image = version.alive ? this.readExactly(arrival) : null;
      key = this.exactKey(arrival, key);
    }
    if (image !== null && image[this.firstKeyPlace] === null) image = null;
    return { arrival, version, key, image };
  }

  private readExactly(arrival: number): SqlValue[] {
    this.exactRow ??= this.db
      .prepare(`${this.sql([], true)} WHERE m.arrival = ?`)
      .raw()
      .safeIntegers() as unknown as Statement<[number], SqlValue[]>;
    this.exactBytes ??= this.db
      .prepare(`${this.sql([], true, true)} WHERE m.arrival = ?`)
      .raw() as unknown as Statement<[number], (Buffer | null)[]>;
    const image = this.exactRow.get(arrival) as SqlValue[];
    return hasInexactText(image) ? withRawText(image, this.exactBytes.get(arrival) ?? []) : image;
  }

  private exactKey(arrival: number, key: SqlValue[]): SqlValue[] {
    const columns = key.map((_, i) => `CAST(${keyColumn(i)} AS BLOB)`).join(', ');
    const sql = `SELECT ${columns} FROM ${metadataTable(this.table.captured.id)} WHERE arrival = ?`;
    return withRawText(key, this.db.prepare(sql).raw().get(arrival) as (Buffer | null)[]);
  }
}

/** One reader for each connection and table. */
export class ShipReaders {
  private readonly readers = new Map<Database, Map<ReplicatedTable, ShipReader>>();

  constructor(private readonly state: NodeState) {}

  of(db: Database, table: ReplicatedTable): ShipReader {
    const known = this.readers.get(db) ?? new Map<ReplicatedTable, ShipReader>();
    this.readers.set(db, known);
    const reader = known.get(table) ?? new ShipReader(db, table, this.state);
    known.set(table, reader);
    return reader;
  }
}
