/**
 * What was written to a table between two moments, found by comparing them: `main` is the file now, `before` an attached
 * image of what it was. Exact to the byte and the storage class (0.0 and -0.0 SQL cannot tell apart), in bounded memory:
 * rows are streamed in the order of their keys.
 *
 * In pages, each read by itself, where a reader that stays open would keep the application from committing.
 */
import type { Database } from 'better-sqlite3';
import { anyOf } from './changed-columns.js';
import { hasKey, haveSameKey, keyTerms, sameKey } from './compared-keys.js';
import { withRawText } from './exact-values.js';
import { readPages } from './key-pages.js';
import { MASK_BITS, OP } from './metadata-schema.js';
import type { SqlValue } from './row-version.js';
import { quoteIdentifier } from './sql-text.js';
import type { CapturedTable } from './table-schema.js';

/** A row that was inserted, updated or deleted: an entry of the change log, but for its clock. */
export interface RowDifference {
  readonly op: number;
  readonly key: readonly SqlValue[];
  /** The columns that an update changed, as in the log; null: all. */
  readonly masks: readonly bigint[] | null;
}

export interface TablePair {
  /** Null: it was not there. */
  readonly before: CapturedTable | null;
  readonly after: CapturedTable;
}

/** What the connection calls the image of the file as it was. */
export const BEFORE = 'before';

type Row = (SqlValue | Buffer)[];

/** Is the table keyed otherwise than before? Then all its rows are new ones. */
export function isRekeyed({ before, after }: TablePair): boolean {
  return before !== null && !haveSameKey(before.schema, after.schema);
}

/** @param pageRows rows read at a time; null: all of them in one reading */
export function* findDifferences(db: Database, pair: TablePair, pageRows: number | null): Generator<RowDifference> {
  const { before, after } = pair;
  if (before === null || isRekeyed(pair)) {
    for (const row of read(db, allRows(after), after, pageRows)) yield insertOf(row, after);
    return;
  }
  for (const row of read(db, vanishedRows(before, after), before, pageRows)) {
    yield { op: OP.delete, key: keyOf(row, before), masks: null };
  }
  for (const row of read(db, changedRows(before, after), after, pageRows)) yield changeOf(row, after);
}

/** A query over one table, the side whose keys it goes by. */
interface Side {
  /** Where the table is: `main` or `before`. */
  readonly schema: string;
  readonly alias: 'a' | 'b';
  /** From the result columns after the key to the WHERE, which holds already. */
  readonly columns: readonly string[];
  readonly join: string;
  readonly where: string;
}

const allRows = (after: CapturedTable): Side => {
  return { schema: 'main', alias: 'a', columns: [], join: '', where: hasKey(after.schema, 'a') };
};

function vanishedRows(before: CapturedTable, after: CapturedTable): Side {
  const isThere = `EXISTS(SELECT 1 FROM main.${quoteIdentifier(after.name)} AS a WHERE ${sameKey(before.schema, after.schema)})`;
  return {
    schema: BEFORE,
    alias: 'b',
    columns: [],
    join: '',
    where: `${hasKey(before.schema, 'b')} AND NOT ${isThere}`,
  };
}

function changedRows(before: CapturedTable, after: CapturedTable): Side {
  const [keyBefore] = before.schema.identity.columns;
  const isNew = `b.${quoteIdentifier(keyBefore?.name ?? '')} IS NULL`;
  const differences = columnDifferences(before, after);
  const join = `LEFT JOIN ${BEFORE}.${quoteIdentifier(before.name)} AS b ON ${sameKey(before.schema, after.schema)}`;
  const where = `${hasKey(after.schema, 'a')} AND (${isNew} OR ${anyOf(differences.map(({ differs }) => `(${differs})`))})`;
  return { schema: 'main', alias: 'a', columns: [isNew, ...masksOf(differences)], join, where };
}

interface ColumnDifference {
  readonly id: number;
  readonly differs: string;
}

/** A column that is new is compared with what rows hold that nobody has written it in. */
function columnDifferences(before: CapturedTable, after: CapturedTable): ColumnDifference[] {
  const named = new Map(before.columns.map(({ id, name }) => [id, name]));
  return after.columns.map(({ id, name }) => {
    const now = `a.${quoteIdentifier(name)}`;
    const old = named.get(id);
    if (old === undefined) return { id, differs: `${now} IS NOT (${defaultOf(after, name)})` };
    return { id, differs: differsSql(now, `b.${quoteIdentifier(old)}`) };
  });
}

/** True where two columns do not hold the same, byte for byte and storage class for storage class. */
export function differsSql(now: string, old: string): string {
  return `${now} IS NOT ${old} COLLATE BINARY OR typeof(${now})<>typeof(${old})`;
}

function defaultOf({ schema }: CapturedTable, name: string): string {
  return schema.columns.find((column) => column.name === name)?.defaultSql ?? 'NULL';
}

function masksOf(differences: readonly ColumnDifference[]): string[] {
  const count = Math.floor(Math.max(...differences.map(({ id }) => id)) / MASK_BITS) + 1;
  return Array.from({ length: count }, (_, i) => {
    const bits = differences.filter(({ id }) => Math.floor(id / MASK_BITS) === i);
    return bits.length === 0 ? '0' : bits.map(({ id, differs }) => `((${differs})<<${id % MASK_BITS})`).join('|');
  });
}

/** Rows of the query in the order of its table's keys: the key's values, the same as blobs, and the other columns. */
function* read(db: Database, side: Side, table: CapturedTable, pageRows: number | null): Generator<Row> {
  const { schema, alias, columns, join, where } = side;
  const terms = keyTerms(table.schema, alias);
  const names = table.schema.identity.columns.map(({ name }) => `${alias}.${quoteIdentifier(name)}`);
  const key = [...names, ...names.map((name) => `CAST(${name} AS BLOB)`)];
  const from = `FROM ${schema}.${quoteIdentifier(table.name)} AS ${alias}`;
  const order = `ORDER BY ${terms.join(', ')}`;
  const rowsSql = (range: string) => `SELECT ${[...key, ...columns].join(', ')} ${from} ${join} WHERE ${where}${range}`;
  if (pageRows === null) {
    yield* db.prepare<[], Row>(rowsSql('')).raw().safeIntegers().iterate();
    return;
  }
  const boundSql = (range: string) =>
    `SELECT ${key.join(', ')} ${from} WHERE ${hasKey(table.schema, alias)}${range} ${order} LIMIT 1 OFFSET ${pageRows - 1}`;
  yield* readPages(db, { rowsSql, boundSql, terms, keyOf: (row) => keyOf(row, table) });
}

function keyOf(row: Row, table: CapturedTable): SqlValue[] {
  const width = table.schema.identity.columns.length;
  return withRawText(row.slice(0, width) as SqlValue[], row.slice(width, 2 * width) as (Buffer | null)[]);
}

function insertOf(row: Row, table: CapturedTable): RowDifference {
  return { op: OP.insert, key: keyOf(row, table), masks: null };
}

function changeOf(row: Row, table: CapturedTable): RowDifference {
  const [isNew, ...masks] = row.slice(2 * table.schema.identity.columns.length) as bigint[];
  return isNew === 1n ? insertOf(row, table) : { op: OP.update, key: keyOf(row, table), masks };
}
