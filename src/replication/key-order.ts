/**
 * The order in which a table's rows are walked, and its ranges. It is the order of the index that stands for the key,
 * descending columns and all, so that SQLite reads a range without sorting. Two nodes need not have their indexes alike:
 * the one that asks says which order is meant.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { canonicalCollation } from './column-type.js';
import { nullableKeyColumns } from './null-keys.js';
import type { SqlValue } from './row-version.js';
import { quoteIdentifier } from './sql-text.js';
import type { CapturedTable } from './table-schema.js';

export interface KeyOrder {
  /** For each column of the key: does it descend? */
  readonly descending: readonly boolean[];
  /** The key's index; null: the key is the rowid. */
  readonly index: string | null;
}

interface TermRow {
  readonly index: string;
  readonly column: string | null;
  readonly collation: string;
  readonly descending: number;
}

const SELECT_TERMS = `SELECT i.name AS "index", x.name AS "column", x.coll AS collation, x."desc" AS descending
  FROM pragma_index_list(?, 'main') i JOIN pragma_index_xinfo(i.name, 'main') x
  WHERE i."unique" = 1 AND i.partial = 0 AND x.key = 1 ORDER BY i.seq DESC, x.seqno`;

/** The order in which this file can read the table's rows at once. */
export function readKeyOrder(db: Database, { name, schema }: CapturedTable): KeyOrder {
  const { source, columns } = schema.identity;
  const rowid = { descending: columns.map(() => false), index: null };
  if (source === 'integer-primary-key') return rowid;
  const byIndex = new Map<string, TermRow[]>();
  for (const term of db.prepare<[string], TermRow>(SELECT_TERMS).safeIntegers(false).all(name)) {
    byIndex.set(term.index, [...(byIndex.get(term.index) ?? []), term]);
  }
  for (const [index, terms] of byIndex) {
    const isKey =
      terms.length === columns.length &&
      terms.every(({ column, collation }, i) => {
        const key = columns[i];
        return key !== undefined && key.name === column && key.collation === canonicalCollation(collation);
      });
    if (isKey) return { descending: terms.map(({ descending }) => descending === 1), index };
  }
  // The engine has read the schema before; it does so again when it turns to the file next.
  throw new SqlsyncError('schema-differs', `table ${name} has just been changed, or dropped`, { hint: 'try again' });
}

/** Rows beyond `after` up to and with `to`, in the key's order; null: from the first on, to the last. */
export interface KeyRange {
  readonly after: readonly SqlValue[] | null;
  readonly to: readonly SqlValue[] | null;
}

/**
 * A part of a range that SQLite finds by one look into the index: rows whose first key columns equal `equal`, and whose
 * next one lies beyond `beyond` and before (or at) `until`. A row value comparison would do for none of a mixed order.
 */
export interface Segment {
  readonly equal: readonly SqlValue[];
  readonly beyond: SqlValue | undefined;
  readonly until: SqlValue | undefined;
  readonly withUntil: boolean;
}

/** The range as segments, in order. `isSame(i, x, y)`: are two values one in column i of the key? */
export function segmentsOf(
  { after, to }: KeyRange,
  isSame: (column: number, x: SqlValue, y: SqlValue) => boolean,
): Segment[] {
  if (after === null && to === null) return [{ equal: [], beyond: undefined, until: undefined, withUntil: false }];
  if (after === null) return descent(to ?? [], 0);
  if (to === null) return ascent(after, 0);
  const fork = after.findIndex((value, i) => !isSame(i, value, to[i] as SqlValue));
  if (fork < 0) return [];
  const middle: Segment = {
    equal: after.slice(0, fork),
    beyond: after[fork],
    until: to[fork],
    withUntil: fork === to.length - 1,
  };
  return [...ascent(after, fork + 1), middle, ...descent(to, fork + 1)];
}

/** Out of the prefixes of `after`, the longest first, down to the one of `shortest` columns. */
function ascent(after: readonly SqlValue[], shortest: number): Segment[] {
  const segments: Segment[] = [];
  for (let i = after.length - 1; i >= shortest; i -= 1) {
    segments.push({ equal: after.slice(0, i), beyond: after[i], until: undefined, withUntil: false });
  }
  return segments;
}

/** Into the prefixes of `to`, the shortest first. */
function descent(to: readonly SqlValue[], shortest: number): Segment[] {
  const segments: Segment[] = [];
  for (let i = shortest; i < to.length; i += 1) {
    segments.push({ equal: to.slice(0, i), beyond: undefined, until: to[i], withUntil: i === to.length - 1 });
  }
  return segments;
}

/** Segments of one shape share a statement. */
export function shapeOf({ equal, beyond, until, withUntil }: Segment): string {
  return `${equal.length}${beyond === undefined ? '' : 'b'}${until === undefined ? '' : 'u'}${withUntil ? 'w' : ''}`;
}

/** What the parameters of a segment's SQL are bound to, in order. */
export function valuesOf({ equal, beyond, until }: Segment): SqlValue[] {
  return [...equal, ...(beyond === undefined ? [] : [beyond]), ...(until === undefined ? [] : [until])];
}

/** `FROM … WHERE … ORDER BY …` of segments of this shape. */
export function segmentSql(
  table: CapturedTable,
  { descending, index }: KeyOrder,
  shape: Segment,
  parameters: readonly string[],
): string {
  const columns = table.schema.identity.columns.map(
    ({ name, collation }) => `${quoteIdentifier(name)} COLLATE ${quoteIdentifier(collation)}`,
  );
  const parameter = parameters[Symbol.iterator]();
  const next = () => parameter.next().value;
  const conditions = shape.equal.map((_, i) => `${columns[i]} = ${next()}`);
  const [column, descends] = [columns[shape.equal.length], descending[shape.equal.length]];
  if (shape.beyond !== undefined) conditions.push(`${column} ${descends ? '<' : '>'} ${next()}`);
  if (shape.until !== undefined) {
    conditions.push(`${column} ${descends ? '>' : '<'}${shape.withUntil ? '=' : ''} ${next()}`);
  }
  // A row whose key holds NULL has no identity.
  conditions.push(...nullableKeyColumns(table.schema).map((name) => `${quoteIdentifier(name)} IS NOT NULL`));
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const order = columns.map((name, i) => `${name}${descending[i] ? ' DESC' : ''}`).join(', ');
  const by = index === null ? 'NOT INDEXED' : `INDEXED BY ${quoteIdentifier(index)}`;
  return `FROM ${quoteIdentifier(table.name)} ${by}${where} ORDER BY ${order}`;
}
