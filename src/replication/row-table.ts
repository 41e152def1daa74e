/**
 * One captured table as the applier reads and writes it: whole rows by key. Every write reads the sentinel view that
 * only the private schema has, so a connection on which triggers would fire fails before a row is written. OR ABORT
 * overrides ON CONFLICT clauses of the table's own constraints, which could otherwise drop rows unseen.
 */
import type { Database, Statement } from 'better-sqlite3';
import { ExactStatement, hasInexactText, withRawText } from './exact-values.js';
import { SENTINEL_VIEW } from './private-schema.js';
import type { SqlValue } from './row-version.js';
import { aliasFor, quoteIdentifier } from './sql-text.js';
import type { CapturedTable } from './table-schema.js';

/** Places of the key's columns among the table's columns. */
export function keyPlaces(table: CapturedTable): number[] {
  return table.schema.identity.columns.map(({ name }) => table.columns.findIndex((column) => column.name === name));
}

/** `"k" = value AND …` over a row's key columns, under the key's collations: those of its columns may differ. */
export function keyCondition({ schema }: CapturedTable, values: readonly string[], row = ''): string {
  return schema.identity.columns
    .map(({ name, collation }, i) => {
      const own = schema.columns.find((column) => column.name === name)?.collation;
      const collate = own === collation ? '' : ` COLLATE ${quoteIdentifier(collation)}`;
      return `${row}${quoteIdentifier(name)}${collate} = ${values[i]}`;
    })
    .join(' AND ');
}

/** Can two spellings be one key? Then an update must write the key's columns too. */
function hasSpellings(column: { collation: string; affinity: string }): boolean {
  return column.collation !== 'BINARY' || column.affinity === 'BLOB';
}

export class RowTable {
  readonly keyPlaces: readonly number[];
  private readonly name: string;
  /** Made at first need: without them a table can be read on an ordinary connection too. */
  private upsertRow: ExactStatement | null = null;
  private deleteRow: ExactStatement | null = null;
  private readonly selectRow: ExactStatement<SqlValue[]>;
  private readonly selectBytes: ExactStatement<(Buffer | null)[]>;
  private readonly selectExists: ExactStatement<number>;

  constructor(
    private readonly db: Database,
    readonly table: CapturedTable,
  ) {
    this.name = quoteIdentifier(table.name);
    this.keyPlaces = keyPlaces(table);
    const columns = table.columns.map((column) => quoteIdentifier(column.name));
    const width = this.keyPlaces.length;
    const raw = (statement: Statement<unknown[], unknown>) => statement.raw().safeIntegers() as never;
    this.selectRow = new ExactStatement<SqlValue[]>(db, width, (p) => this.selectSql(columns, p), raw);
    const bytes = columns.map((column) => `CAST(${column} AS BLOB)`);
    this.selectBytes = new ExactStatement<(Buffer | null)[]>(db, width, (p) => this.selectSql(bytes, p), raw);
    this.selectExists = new ExactStatement<number>(db, width, (p) => this.selectSql(['1'], p), raw);
  }

  private selectSql(expressions: readonly string[], parameters: readonly string[]): string {
    return `SELECT ${expressions.join(', ')} FROM ${this.name} WHERE ${keyCondition(this.table, parameters)}`;
  }

  private deleteSql(parameters: readonly string[]): string {
    const key = keyCondition(this.table, parameters);
    return `DELETE FROM ${this.name} WHERE ${key} AND (SELECT present FROM ${SENTINEL_VIEW})`;
  }

  private upsertSql(parameters: readonly string[]): string {
    const identity = this.table.schema.identity;
    const columns = this.table.columns.map((column) => quoteIdentifier(column.name));
    const key = identity.columns.map(({ name }) => quoteIdentifier(name));
    const fixed = new Set(
      identity.columns.filter((column) => !hasSpellings(column)).map(({ name }) => quoteIdentifier(name)),
    );
    const updated = columns.filter((column) => !fixed.has(column));
    const action =
      updated.length === 0 ? 'NOTHING' : `UPDATE SET ${updated.map((c) => `${c} = excluded.${c}`).join(', ')}`;
    return (
      `INSERT OR ABORT INTO ${this.name}${aliasFor(this.table.name, 'excluded')}(${columns.join(', ')}) SELECT ${parameters.join(', ')} FROM ${SENTINEL_VIEW} WHERE true ` +
      `ON CONFLICT(${key.join(', ')}) DO ${action}`
    );
  }

  /** The key's values out of an image. */
  keyOf(image: readonly SqlValue[]): SqlValue[] {
    return this.keyPlaces.map((place) => image[place] as SqlValue);
  }

  /** Writes the row whole, whatever was there. Throws SQLite's constraint errors. */
  write(image: readonly SqlValue[]): void {
    this.upsertRow ??= new ExactStatement(this.db, this.table.columns.length, (p) => this.upsertSql(p));
    this.upsertRow.run(image);
  }

  delete(key: readonly SqlValue[]): void {
    this.deleteRow ??= new ExactStatement(this.db, this.keyPlaces.length, (p) => this.deleteSql(p));
    this.deleteRow.run(key);
  }

  exists(key: readonly SqlValue[]): boolean {
    return this.selectExists.get(key) !== undefined;
  }

  /** The keys of all rows, in no order. Nothing may be written to the table meanwhile. */
  *keys(): Generator<SqlValue[], void, undefined> {
    const columns = this.table.schema.identity.columns.map(({ name }) => quoteIdentifier(name));
    const bytes = columns.map((column) => `CAST(${column} AS BLOB)`);
    const select = this.db
      .prepare(`SELECT ${[...columns, ...bytes].join(', ')} FROM ${this.name}`)
      .raw()
      .safeIntegers();
    for (const row of select.iterate() as IterableIterator<SqlValue[]>) {
      const key = row.slice(0, columns.length);
      yield hasInexactText(key) ? withRawText(key, row.slice(columns.length) as (Buffer | null)[]) : key;
    }
  }

  /** The row's values in the order of the table's columns; null when it is not there. */
  read(key: readonly SqlValue[]): SqlValue[] | null {
    const image = this.selectRow.get(key);
    if (image === undefined) return null;
    return hasInexactText(image) ? withRawText(image, this.selectBytes.get(key) ?? []) : image;
  }
}
