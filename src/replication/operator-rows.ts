/**
 * The application's rows as an operator's decision reads and writes them: by the names and JSON values of conflict
 * records, and of a row that stays only the columns that differ, so that nobody else's write to another column is
 * repeated. Inside OperatorWrites' transaction: statements name the sentinel of the private schema.
 */
import type { Database, Statement } from 'better-sqlite3';
import type { RowNames } from './conflict-outcome.js';
import { ExactStatement } from './exact-values.js';
import { isSameValue } from './join-rows.js';
import { fromJsonValue, isSameJson, type JsonValue, toJsonRow, toJsonValue } from './json-values.js';
import { PREFIX } from './metadata-schema.js';
import { SENTINEL_VIEW } from './private-schema.js';
import type { JsonRow, RowState } from './recorded-conflict.js';
import { canonicalKey } from './row-key.js';
import { keyCondition, RowTable } from './row-table.js';
import type { SqlValue } from './row-version.js';
import { quoteIdentifier } from './sql-text.js';
import type { CapturedTable } from './table-schema.js';
import { UniqueCollisions } from './unique-collisions.js';

export type Image = readonly SqlValue[];

/** The value that stands in a record. */
function sqlValueOf(json: JsonValue | undefined): SqlValue {
  const value = fromJsonValue(json);
  if (value === undefined) throw new Error(`${JSON.stringify(json)} is no value`);
  return value;
}

export class OperatorRows {
  readonly keyColumns: readonly string[];
  private readonly rows: RowTable;
  private readonly names: readonly string[];
  private readonly collations: readonly string[];
  private readonly statements = new Map<string, ExactStatement>();
  private selectKept: Statement | null = null;

  constructor(
    private readonly db: Database,
    readonly table: CapturedTable,
  ) {
    this.rows = new RowTable(db, table);
    this.names = table.columns.map(({ name }) => name);
    this.keyColumns = table.schema.identity.columns.map(({ name }) => name);
    this.collations = table.schema.identity.columns.map(({ collation }) => collation);
  }

  /** Null: the table's key is another by now. */
  keyFrom(json: JsonRow): SqlValue[] | null {
    const isWhole = this.keyColumns.every((name) => name in json);
    return isWhole ? this.keyColumns.map((name) => sqlValueOf(json[name])) : null;
  }

  keyToJson(key: readonly SqlValue[]): JsonRow {
    return toJsonRow(this.keyColumns, key);
  }

  /** A text that is the same for two keys exactly when they are one row's. */
  nameOf(key: readonly SqlValue[]): string {
    return `${this.table.id} ${this.canonical(key)}`;
  }

  private canonical(key: readonly SqlValue[]): string {
    return canonicalKey(key, this.collations);
  }

  /** Does this node keep a version of the row aside that its table cannot hold? Then the table's row is not what was settled. */
  isKeptAside(key: readonly SqlValue[]): boolean {
    this.selectKept ??= this.db.prepare(`SELECT 1 FROM ${PREFIX}quarantine WHERE tbl = ? AND key = ?`);
    return this.selectKept.get(this.table.id, Buffer.from(this.canonical(key))) !== undefined;
  }

  read(key: readonly SqlValue[]): Image | null {
    return this.rows.read(key);
  }

  /** @param columns only these; all if left out */
  toJson(image: Image, columns?: readonly string[]): JsonRow {
    if (columns === undefined) return toJsonRow(this.names, image);
    return Object.fromEntries(
      columns.map((name) => [name, toJsonValue(image[this.names.indexOf(name)] as SqlValue)] as const),
    );
  }

  /** Names of those columns of `row` whose values the image does not hold, exactly. Columns that are gone do not count. */
  differences(image: Image, row: JsonRow): string[] {
    return this.names.filter((name, i) => name in row && !isSameJson(row[name], toJsonValue(image[i] as SqlValue)));
  }

  /** Which of these columns does the table have? */
  present(columns: readonly string[]): string[] {
    return columns.filter((name) => this.names.includes(name));
  }

  /** Names of the columns in which two images differ. */
  differencesOf(x: Image, y: Image): string[] {
    return this.names.filter((_, i) => !isSameValue(x[i] as SqlValue, y[i] as SqlValue));
  }

  delete(key: readonly SqlValue[]): void {
    this.rows.delete(key);
  }

  /** Sets these columns of a row that is there. */
  update(key: readonly SqlValue[], columns: readonly string[], row: JsonRow): void {
    if (columns.length === 0) return;
    const values = columns.map((name) => sqlValueOf(row[name]));
    const changes = this.statement('update', columns, key.length).run([...values, ...key]);
    if (changes !== 1) throw new Error(`${changes} rows of ${this.table.name} have one key`);
  }

  /** Makes a row; columns that are not named get their defaults. */
  insert(row: JsonRow): void {
    const columns = this.present(Object.keys(row));
    this.statement('insert', columns, 0).run(columns.map((name) => sqlValueOf(row[name])));
  }

  private statement(verb: 'insert' | 'update', columns: readonly string[], keyWidth: number): ExactStatement {
    const name = JSON.stringify([verb, ...columns]);
    let statement = this.statements.get(name);
    if (statement === undefined) {
      const quoted = columns.map(quoteIdentifier);
      const sql = (p: readonly string[]) => (verb === 'insert' ? this.insertSql(quoted, p) : this.updateSql(quoted, p));
      statement = new ExactStatement(this.db, columns.length + keyWidth, sql);
      this.statements.set(name, statement);
    }
    return statement;
  }

  /** OR ABORT overrides conflict clauses of the schema, which could drop other rows unseen. */
  private insertSql(columns: readonly string[], parameters: readonly string[]): string {
    const table = quoteIdentifier(this.table.name);
    return `INSERT OR ABORT INTO ${table}(${columns.join(', ')}) SELECT ${parameters.join(', ')} FROM ${SENTINEL_VIEW}`;
  }

  private updateSql(columns: readonly string[], parameters: readonly string[]): string {
    const set = columns.map((column, i) => `${column} = ${parameters[i]}`).join(', ');
    const key = keyCondition(this.table, parameters.slice(columns.length));
    return `UPDATE OR ABORT ${quoteIdentifier(this.table.name)} SET ${set} WHERE ${key} AND (SELECT present FROM ${SENTINEL_VIEW})`;
  }

  /** Keys of rows that hold a UNIQUE value of this row. */
  holdersOf(row: JsonRow): JsonRow[] {
    const image = this.names.map((name) => (name in row ? sqlValueOf(row[name]) : null));
    const collisions = new UniqueCollisions(this.db, this.table).of(image);
    const byName = new Map(collisions.map(({ key }) => [this.nameOf(key), this.keyToJson(key)]));
    return [...byName.values()];
  }
}

/** The replicated tables of the application, prepared at first need. */
export class OperatorTables {
  private readonly made = new Map<string, OperatorRows>();

  constructor(
    private readonly db: Database,
    private readonly tables: readonly CapturedTable[],
  ) {}

  /** Null: the table does not replicate, or not any more. */
  named(name: string): OperatorRows | null {
    return this.find(this.tables.find((table) => table.name === name && !table.internal));
  }

  withId(id: number): OperatorRows | null {
    return this.find(this.tables.find((table) => table.id === id && !table.internal));
  }

  /** The same text for the same row; of a table that is gone, the key as it is spelled. */
  nameOf({ table, key: json }: Pick<RowState, 'table' | 'key'>): string {
    const rows = this.named(table);
    const key = rows?.keyFrom(json) ?? null;
    return rows === null || key === null ? JSON.stringify([table, json]) : rows.nameOf(key);
  }

  /** What tells rows apart in records about this table. */
  namesFor({ keyColumns }: OperatorRows): RowNames {
    return { keyColumns, nameOf: (row) => this.nameOf(row) };
  }

  private find(table: CapturedTable | undefined): OperatorRows | null {
    if (table === undefined) return null;
    const rows = this.made.get(table.name) ?? new OperatorRows(this.db, table);
    this.made.set(table.name, rows);
    return rows;
  }
}
