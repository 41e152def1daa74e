/**
 * Reads one table's rows by ranges of its key, out of whatever snapshot its connection is in: in the key's order, with
 * the columns asked for, each value exactly as the file holds it. Writes nothing, and needs no private schema.
 */
import type { Database, Statement } from 'better-sqlite3';
import { ExactStatement, hasInexactText, withRawText } from './exact-values.js';
import { type KeyOrder, type KeyRange, type Segment, segmentSql, segmentsOf, shapeOf, valuesOf } from './key-order.js';
import { canonicalKey } from './row-key.js';
import { keyCondition } from './row-table.js';
import { RawText, type SqlValue } from './row-version.js';
import { quoteIdentifier } from './sql-text.js';
import type { CapturedTable } from './table-schema.js';

export interface KeyedRow {
  readonly key: readonly SqlValue[];
  /** In the order of the columns asked for. */
  readonly image: readonly SqlValue[];
}

const raw = <Row>(statement: Statement<unknown[], Row>) => statement.raw().safeIntegers() as Statement<unknown[], Row>;

export class RangeReader {
  private readonly names: readonly string[];
  private readonly keyPlaces: readonly number[];
  private readonly collations: readonly string[];
  private readonly walks = new Map<string, ExactStatement<SqlValue[]>>();
  private readonly byteWalks = new Map<string, ExactStatement<(Buffer | null)[]>>();
  private readonly selectRow: ExactStatement<SqlValue[]>;
  private readonly selectBytes: ExactStatement<(Buffer | null)[]>;

  /** @param columns names of columns, those of the key among them */
  constructor(
    private readonly db: Database,
    private readonly table: CapturedTable,
    columns: readonly string[],
    private readonly order: KeyOrder,
  ) {
    const key = table.schema.identity.columns;
    this.names = columns.map(quoteIdentifier);
    this.keyPlaces = key.map(({ name }) => columns.indexOf(name));
    this.collations = key.map(({ collation }) => collation);
    const one = (names: readonly string[]) => (parameters: readonly string[]) =>
      `SELECT ${names.join(', ')} FROM ${quoteIdentifier(table.name)} WHERE ${keyCondition(table, parameters)}`;
    this.selectRow = new ExactStatement<SqlValue[]>(db, key.length, one(this.names), raw);
    this.selectBytes = new ExactStatement<(Buffer | null)[]>(db, key.length, one(this.asBytes()), raw);
  }

  private asBytes(): string[] {
    return this.names.map((name) => `CAST(${name} AS BLOB)`);
  }

  /** The rows of a range, one at a time. While it is read the connection writes nothing. */
  *rows(range: KeyRange): Generator<KeyedRow, void, undefined> {
    for (const segment of segmentsOf(range, (i, x, y) => this.isSame(i, x, y))) yield* this.inSegment(segment);
  }

  /** Of two spellings of one raw text nothing is known: taken for two, they only make a range's segments overlap. */
  private isSame(column: number, x: SqlValue, y: SqlValue): boolean {
    if (x instanceof RawText && y instanceof RawText) return x.bytes.equals(y.bytes);
    const collation = [this.collations[column] as string];
    return canonicalKey([x], collation) === canonicalKey([y], collation);
  }

  private *inSegment(segment: Segment): Generator<KeyedRow, void, undefined> {
    const values = valuesOf(segment);
    let bytes: IterableIterator<(Buffer | null)[]> | null = null;
    let place = 0;
    try {
      for (const read of this.walk(segment).iterate(values)) {
        // The key may be what is not exact, so its bytes cannot be looked up by it: a second walk goes beside the first.
        if (bytes === null && hasInexactText(read)) bytes = this.byteWalk(segment).iterate([...values, BigInt(place)]);
        const exact = bytes?.next().value as (Buffer | null)[] | undefined;
        yield this.toRow(exact === undefined ? read : withRawText(read, exact));
        place += 1;
      }
    } finally {
      bytes?.return?.();
    }
  }

  private walk(segment: Segment): ExactStatement<SqlValue[]> {
    return this.prepared(this.walks, segment, this.names, '');
  }

  private byteWalk(segment: Segment): ExactStatement<(Buffer | null)[]> {
    return this.prepared(this.byteWalks, segment, this.asBytes(), ' LIMIT -1 OFFSET ');
  }

  private prepared<Row>(
    cache: Map<string, ExactStatement<Row>>,
    segment: Segment,
    names: readonly string[],
    offset: string,
  ): ExactStatement<Row> {
    const shape = shapeOf(segment);
    let statement = cache.get(shape);
    if (statement === undefined) {
      const count = valuesOf(segment).length;
      const sql = (parameters: readonly string[]) => {
        const from = segmentSql(this.table, this.order, segment, parameters);
        return `SELECT ${names.join(', ')} ${from}${offset === '' ? '' : offset + parameters[count]}`;
      };
      statement = new ExactStatement<Row>(this.db, offset === '' ? count : count + 1, sql, raw);
      cache.set(shape, statement);
    }
    return statement;
  }

  private toRow(image: readonly SqlValue[]): KeyedRow {
    return { key: this.keyPlaces.map((place) => image[place] as SqlValue), image };
  }

  /** The row with this key; null when it is not there. */
  read(key: readonly SqlValue[]): readonly SqlValue[] | null {
    const image = this.selectRow.get(key);
    if (image === undefined) return null;
    return hasInexactText(image) ? withRawText(image, this.selectBytes.get(key) ?? []) : image;
  }
}
