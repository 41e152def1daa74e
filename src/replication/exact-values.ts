/**
 * Values in and out of SQLite without loss. better-sqlite3 gives text as JavaScript strings, in which bytes that are
 * not UTF-8 read as U+FFFD; such text is read again as bytes, and bound as CAST(? AS TEXT).
 */
import type { Database, Statement } from 'better-sqlite3';
import { RawText, type SqlValue } from './row-version.js';

const REPLACEMENT = '\uFFFD';

/** Does a row as read hold text that may not be what the file holds? */
export function hasInexactText(values: readonly unknown[]): boolean {
  for (const value of values) if (typeof value === 'string' && value.includes(REPLACEMENT)) return true;
  return false;
}

/** Puts the bytes of text that could not be read as a string in its place: `bytes[i]` is CAST(value i AS BLOB). */
export function withRawText(values: readonly SqlValue[], bytes: readonly (Buffer | null)[]): SqlValue[] {
  return values.map((value, i) =>
    typeof value === 'string' && value.includes(REPLACEMENT) ? new RawText(bytes[i] as Buffer) : value,
  );
}

/** `width` values of a row as read, from `at` on, followed by CAST(value AS BLOB) of each. */
export function takeExact(row: readonly SqlValue[], at: number, width: number): SqlValue[] {
  const values = row.slice(at, at + width);
  return hasInexactText(values) ? withRawText(values, row.slice(at + width, at + 2 * width) as Buffer[]) : values;
}

/** SQL of what takeExact takes. */
export function exactSql(expressions: readonly string[]): string {
  return [...expressions, ...expressions.map((sql) => `CAST(${sql} AS BLOB)`)].join(', ');
}

/** What better-sqlite3 binds for a value. */
function bound(value: SqlValue): null | bigint | number | string | Buffer {
  return value instanceof RawText ? value.bytes : value;
}

/**
 * One statement in as many spellings as there are places for raw text: `sql` is given, per parameter, `?` or
 * `CAST(? AS TEXT)`. Nearly always only the first spelling is ever made.
 */
export class ExactStatement<Result = unknown> {
  private readonly plain: Statement<unknown[], Result>;
  private readonly variants = new Map<string, Statement<unknown[], Result>>();

  constructor(
    private readonly db: Database,
    private readonly parameterCount: number,
    private readonly sql: (parameters: readonly string[]) => string,
    private readonly prepare: (statement: Statement<unknown[], Result>) => Statement<unknown[], Result> = (s) => s,
  ) {
    this.plain = this.make(() => false);
  }

  private make(isRaw: (index: number) => boolean): Statement<unknown[], Result> {
    const parameters = Array.from({ length: this.parameterCount }, (_, i) => (isRaw(i) ? 'CAST(? AS TEXT)' : '?'));
    return this.prepare(this.db.prepare<unknown[], Result>(this.sql(parameters)));
  }

  private variantFor(values: readonly SqlValue[]): Statement<unknown[], Result> {
    const name = values.map((value) => (value instanceof RawText ? '1' : '0')).join('');
    let statement = this.variants.get(name);
    if (statement === undefined) {
      statement = this.make((i) => values[i] instanceof RawText);
      this.variants.set(name, statement);
    }
    return statement;
  }

  private hasRaw(values: readonly SqlValue[]): boolean {
    for (const value of values) if (value instanceof RawText) return true;
    return false;
  }

  run(values: readonly SqlValue[]): number {
    if (!this.hasRaw(values)) return this.plain.run(values as unknown[]).changes;
    return this.variantFor(values).run(values.map(bound)).changes;
  }

  get(values: readonly SqlValue[]): Result | undefined {
    if (!this.hasRaw(values)) return this.plain.get(values as unknown[]);
    return this.variantFor(values).get(values.map(bound));
  }

  all(values: readonly SqlValue[]): Result[] {
    if (!this.hasRaw(values)) return this.plain.all(values as unknown[]);
    return this.variantFor(values).all(values.map(bound));
  }

  /** Rows one at a time: a single one may be large. */
  iterate(values: readonly SqlValue[]): IterableIterator<Result> {
    if (!this.hasRaw(values)) return this.plain.iterate(values as unknown[]);
    return this.variantFor(values).iterate(values.map(bound));
  }
}
