/**
 * Which stored rows stand in the way of a row: those that hold one of its values in a UNIQUE index beyond the identity.
 */
import type { Database, Statement } from 'better-sqlite3';
import { uniqueMatch } from './check-triggers.js';
import { ExactStatement, hasInexactText, withRawText } from './exact-values.js';
import type { SqlValue } from './row-version.js';
import { quoteIdentifier } from './sql-text.js';
import type { CapturedTable, UniqueIndexSchema } from './table-schema.js';

/** The row that is to be written, in the queries below: its columns bear no name that an index could use. */
const INCOMING = '_sqlsync_incoming';
const incomingColumn = (place: number): string => `${INCOMING}.v${place}_of_incoming`;

export interface Collision {
  /** The stored row's key. */
  readonly key: readonly SqlValue[];
  /** Ids of the columns that the index names; all columns for an index over expressions. */
  readonly columns: readonly number[];
}

interface IndexQuery {
  readonly columns: readonly number[];
  readonly select: ExactStatement<SqlValue[]>;
  readonly selectBytes: ExactStatement<(Buffer | null)[]>;
}

export class UniqueCollisions {
  private readonly queries: readonly IndexQuery[];

  constructor(
    private readonly db: Database,
    private readonly table: CapturedTable,
  ) {
    this.queries = table.schema.uniqueIndexes.map((index) => this.queryFor(index));
  }

  private queryFor(index: UniqueIndexSchema): IndexQuery {
    const named = index.terms.map((term) => this.table.columns.find((column) => column.name === term.column)?.id);
    const columns = named.every((id) => id !== undefined)
      ? (named as number[])
      : this.table.columns.map(({ id }) => id);
    const keys = this.table.schema.identity.columns.map(
      ({ name }) => `${quoteIdentifier(this.table.name)}.${quoteIdentifier(name)}`,
    );
    const raw = (statement: Statement<unknown[], unknown>) => statement.raw().safeIntegers() as never;
    const width = this.table.columns.length;
    const bytes = keys.map((key) => `CAST(${key} AS BLOB)`);
    return {
      columns,
      select: new ExactStatement<SqlValue[]>(this.db, width, (p) => this.sql(index, keys, p), raw),
      selectBytes: new ExactStatement<(Buffer | null)[]>(this.db, width, (p) => this.sql(index, bytes, p), raw),
    };
  }

  private sql(index: UniqueIndexSchema, expressions: readonly string[], parameters: readonly string[]): string {
    const incoming = parameters.map((p, place) => `${p} AS ${incomingColumn(place).split('.')[1]}`).join(', ');
    const value = (column: string) => incomingColumn(this.table.columns.findIndex(({ name }) => name === column));
    const conditions = [uniqueMatch(this.table.schema, index, value)];
    if (index.where !== null) {
      const row = this.table.columns.map(({ name }) => `${value(name)} AS ${quoteIdentifier(name)}`).join(', ');
      conditions.push(`EXISTS(SELECT 1 FROM (SELECT ${row}) WHERE ${index.where})`);
    }
    return (
      `SELECT ${expressions.join(', ')} FROM (SELECT ${incoming}) AS ${INCOMING} ` +
      `CROSS JOIN ${quoteIdentifier(this.table.name)} WHERE ${conditions.join(' AND ')}`
    );
  }

  /** The rows that hold a UNIQUE value of this image, those with the image's own key included. */
  of(image: readonly SqlValue[]): Collision[] {
    return this.queries.flatMap(({ select, selectBytes, columns }) => {
      const keys = select.all(image);
      const exact = keys.some(hasInexactText) ? selectBytes.all(image) : [];
      return keys.map((key, i) => ({ columns, key: exact.length > 0 ? withRawText(key, exact[i] ?? []) : key }));
    });
  }
}
