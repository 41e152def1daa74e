/**
 * Which stored rows stand in the way of a row: those that hold one of its values in a UNIQUE index beyond the identity.
 *
 * SQLite itself is asked, index by index: an upsert whose conflict target is that index names the row it runs into, and
 * is taken back. So affinities, collations, generated columns and the WHERE of a partial index count as they do when the
 * row is written; a SELECT over the incoming values would have to rebuild all of them.
 */
import type { Database, Statement } from 'better-sqlite3';
import { ExactStatement, exactSql, takeExact } from './exact-values.js';
import { SENTINEL_VIEW } from './private-schema.js';
import type { SqlValue } from './row-version.js';
import { aliasFor, quoteIdentifier, ROW_ALIAS } from './sql-text.js';
import type { CapturedTable, IndexTerm, UniqueIndexSchema } from './table-schema.js';

export interface Collision {
  /** The stored row's key. */
  readonly key: readonly SqlValue[];
  /** Ids of the columns that the index names; all columns for an index over expressions or generated columns. */
  readonly columns: readonly number[];
}

interface IndexQuery {
  readonly columns: readonly number[];
  readonly select: ExactStatement<SqlValue[]>;
}

function termSql({ column, expression, collation }: IndexTerm): string {
  const value = column === null ? `(${expression})` : quoteIdentifier(column);
  return `${value} COLLATE ${quoteIdentifier(collation)}`;
}

export class UniqueCollisions {
  private readonly queries: readonly IndexQuery[];
  private readonly width: number;

  constructor(
    private readonly db: Database,
    private readonly table: CapturedTable,
  ) {
    this.width = table.schema.identity.columns.length;
    this.queries = table.schema.uniqueIndexes.map((index) => this.queryFor(index));
  }

  private queryFor(index: UniqueIndexSchema): IndexQuery {
    const named = index.terms.map((term) => this.table.columns.find((column) => column.name === term.column)?.id);
    const columns = named.every((id) => id !== undefined)
      ? (named as number[])
      : this.table.columns.map(({ id }) => id);
    const raw = (statement: Statement<unknown[], unknown>) => statement.raw().safeIntegers() as never;
    const sql = (parameters: readonly string[]) => this.sql(index, parameters);
    return { columns, select: new ExactStatement<SqlValue[]>(this.db, this.table.columns.length, sql, raw) };
  }

  /** The key of the row in the way, then its bytes. */
  private sql(index: UniqueIndexSchema, parameters: readonly string[]): string {
    const name = quoteIdentifier(this.table.name);
    const alias = aliasFor(this.table.name, 'excluded');
    const columns = this.table.columns.map((column) => quoteIdentifier(column.name));
    const target = index.terms.map(termSql).join(', ');
    const where = index.where === null ? '' : ` WHERE ${index.where}`;
    const keys = this.table.schema.identity.columns.map((column) => quoteIdentifier(column.name));
    return (
      `INSERT OR ABORT INTO ${name}${alias}(${columns.join(', ')}) SELECT ${parameters.join(', ')} FROM ${SENTINEL_VIEW} WHERE true ` +
      `ON CONFLICT(${target})${where} DO UPDATE SET ${columns[0]} = ${alias === '' ? name : ROW_ALIAS}.${columns[0]} ` +
      `ON CONFLICT DO NOTHING RETURNING ${exactSql(keys)}`
    );
  }

  /** The rows that hold a UNIQUE value of this image; the image's own key may be among them. */
  of(image: readonly SqlValue[]): Collision[] {
    this.db.exec('SAVEPOINT unique_collisions');
    try {
      return this.queries.flatMap(({ select, columns }) => {
        const rows = select.all(image);
        this.db.exec('ROLLBACK TO unique_collisions');
        return rows.map((row) => ({ columns, key: takeExact(row, 0, this.width) }));
      });
    } finally {
      this.db.exec('ROLLBACK TO unique_collisions; RELEASE unique_collisions');
    }
  }
}
