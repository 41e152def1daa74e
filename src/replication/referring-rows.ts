/**
 * Finds rows by what they refer to, one foreign key at a time: those that hold a value, and those that dangle, since what
 * they refer to is not there. SQLite compares, and as it does when it enforces a foreign key: the parent's column on the
 * left, so that its affinity and collation count.
 *
 * In the statements: c a row of the child, m its metadata, p a row of the parent, d the metadata of a deleted one.
 */
import type { Database, Statement } from 'better-sqlite3';
import { ExactStatement, exactSql, takeExact } from './exact-values.js';
import type { ForeignKey } from './foreign-keys.js';
import { keyColumn, metadataTable } from './metadata-schema.js';
import { keyCondition } from './row-table.js';
import type { SqlValue } from './row-version.js';
import { quoteIdentifier } from './sql-text.js';
import type { Affinity, ColumnSchema } from './table-schema.js';

export interface DanglingRow {
  readonly childKey: readonly SqlValue[];
  readonly parentKey: readonly SqlValue[];
}

/** A row with what it refers to, as the parent holds it or would hold it. */
export interface ReferringRow {
  readonly childKey: readonly SqlValue[];
  readonly values: readonly SqlValue[];
}

/** Arrivals beyond one and up to another. */
export interface Window {
  readonly after: number;
  readonly upTo: number;
}

const EVERYTHING: Window = { after: 0, upTo: Number.MAX_SAFE_INTEGER };

/** Comparison converts between classes, not within one. */
function classOf(affinity: Affinity): 'TEXT' | 'BLOB' | 'NUMERIC' {
  return affinity === 'TEXT' || affinity === 'BLOB' ? affinity : 'NUMERIC';
}

/** What a column of a child refers to, under the affinity of the parent's. */
function referred(child: ColumnSchema, parent: ColumnSchema): string {
  const value = `+c.${quoteIdentifier(child.name)}`;
  const to = classOf(parent.affinity);
  if (to === 'BLOB' || to === classOf(child.affinity)) return value;
  if (to === 'TEXT')
    return `CASE WHEN typeof(${value}) IN ('integer', 'real') THEN CAST(${value} AS TEXT) ELSE ${value} END`;
  return `CASE WHEN CAST(${value} AS NUMERIC) = ${value} THEN CAST(${value} AS NUMERIC) ELSE ${value} END`;
}

export class ReferringRows {
  /** Can a parent's children be found without looking at all of them? */
  readonly isIndexed: boolean;
  private readonly childWidth: number;
  private readonly parentWidth: number;
  private readonly statements = new Map<string, Statement<unknown[], SqlValue[]>>();
  private readonly byValues = new Map<string, ExactStatement<SqlValue[]>>();
  private alone: ExactStatement<SqlValue[]> | null = null;

  constructor(
    private readonly db: Database,
    private readonly key: ForeignKey,
  ) {
    this.childWidth = key.child.schema.identity.columns.length;
    this.parentWidth = key.parent.schema.identity.columns.length;
    this.isIndexed = this.hasIndex();
  }

  /** Places of the columns that tell which parent is meant: its identity where the foreign key holds it, else all. */
  private matchedPlaces(): readonly number[] {
    return this.key.identityPlaces ?? this.key.parentColumns.map((_, place) => place);
  }

  private metadata(of: 'child' | 'parent'): string {
    return metadataTable(this.key[of].id);
  }

  /** Is this row's child column (`c`) the value on the right? Under the child's own affinity, for the sake of its index. */
  private holds(place: number, value: string): string {
    const [child, parent] = this.columnsAt(place);
    return `c.${quoteIdentifier(child.name)} = ${value} COLLATE ${quoteIdentifier(parent.collation)}`;
  }

  private columnsAt(place: number): [ColumnSchema, ColumnSchema] {
    const { childColumns, parentColumns } = this.key;
    return [childColumns[place] as ColumnSchema, parentColumns[place] as ColumnSchema];
  }

  private childrenSql(parameters: readonly string[], condition: string): string {
    const matches = this.matchedPlaces().map((place, i) => this.holds(place, parameters[i] as string));
    const child = quoteIdentifier(this.key.child.name);
    return `SELECT ${this.childKey()} FROM ${child} AS c WHERE ${matches.join(' AND ')} AND ${condition}`;
  }

  private isUnsettled(): string {
    return `EXISTS(SELECT 1 FROM ${this.metadata('child')} AS m WHERE ${this.metadataOfChild()} AND m.alive = 1)`;
  }

  private childKey(): string {
    return exactSql(this.key.child.schema.identity.columns.map(({ name }) => `c.${quoteIdentifier(name)}`));
  }

  private parentKey(): string {
    return exactSql(this.key.parent.schema.identity.columns.map((_, i) => `d.${keyColumn(i)}`));
  }

  /** The metadata `m` of the row `c`, found by the metadata's own index. */
  private metadataOfChild(): string {
    const { columns } = this.key.child.schema.identity;
    return columns.map(({ name }, i) => `m.${keyColumn(i)} = +c.${quoteIdentifier(name)}`).join(' AND ');
  }

  /** The row `c` of the metadata `m`. */
  private childOfMetadata(): string {
    const { child } = this.key;
    return keyCondition(
      child,
      child.schema.identity.columns.map((_, i) => `m.${keyColumn(i)}`),
      'c.',
    );
  }

  /** Does `c` refer to anything? NULL in any column refers to nothing. */
  private isGiven(): string {
    return this.key.childColumns.map(({ name }) => `c.${quoteIdentifier(name)} IS NOT NULL`).join(' AND ');
  }

  /** Does `c` refer to something that is not there? */
  private isDangling(): string {
    const { parent, childColumns, parentColumns } = this.key;
    const same = parentColumns.map(
      ({ name }, i) => `p.${quoteIdentifier(name)} = +c.${quoteIdentifier((childColumns[i] as ColumnSchema).name)}`,
    );
    return `${this.isGiven()} AND NOT EXISTS(SELECT 1 FROM ${quoteIdentifier(parent.name)} AS p WHERE ${same.join(' AND ')})`;
  }

  /** Is `d` what `c` refers to? Found by the metadata's own index. */
  private isParentOfChild(): string {
    const { identityPlaces } = this.key;
    return (identityPlaces ?? [])
      .map((place, i) => `d.${keyColumn(i)} = ${referred(...this.columnsAt(place))}`)
      .join(' AND ');
  }

  /** Where the affinities of child and parent differ, the child's index orders other values than the parent holds. */
  private hasIndex(): boolean {
    const places = this.matchedPlaces();
    const isAlike = (place: number) => {
      const [child, parent] = this.columnsAt(place);
      return classOf(child.affinity) === classOf(parent.affinity);
    };
    if (!places.every(isAlike)) return false;
    const parameters = places.map(() => '?');
    const sql = `EXPLAIN QUERY PLAN ${this.childrenSql(parameters, 'true')}`;
    const plan = this.db.prepare<unknown[], { detail: string }>(sql).all(...parameters);
    return plan.some(({ detail }) => /^SEARCH c USING (?!AUTOMATIC)/.test(detail));
  }

  private run(sql: string, parameters: readonly unknown[]): SqlValue[][] {
    let statement = this.statements.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql).raw().safeIntegers() as unknown as Statement<unknown[], SqlValue[]>;
      this.statements.set(sql, statement);
    }
    return statement.all(...parameters);
  }

  /** By identity: rows of the child that arrived in the window, and the deleted parents that they refer to. */
  ofChildrenIn(window: Window): DanglingRow[] {
    return this.pairs(this.fromChildren('m.arrival > ? AND m.arrival <= ?'), window);
  }

  /** By identity: parents that were deleted in the window, and the rows that refer to them and are not settled. */
  ofParentsIn(window: Window): DanglingRow[] {
    const isInWindow = 'd.arrival > ? AND d.arrival <= ?';
    return this.pairs(this.isIndexed ? this.fromParents(isInWindow) : this.fromChildren(isInWindow), window);
  }

  private pairs(sql: string, { after, upTo }: Window): DanglingRow[] {
    const parentAt = 2 * this.childWidth;
    return this.run(sql, [after, upTo]).map((row) => ({
      childKey: takeExact(row, 0, this.childWidth),
      parentKey: takeExact(row, parentAt, this.parentWidth),
    }));
  }

  private fromChildren(isInWindow: string): string {
    return (
      `SELECT ${this.childKey()}, ${this.parentKey()} FROM ${this.metadata('child')} AS m ` +
      `CROSS JOIN ${quoteIdentifier(this.key.child.name)} AS c ON ${this.childOfMetadata()} ` +
      `CROSS JOIN ${this.metadata('parent')} AS d ON ${this.isParentOfChild()} ` +
      `WHERE ${isInWindow} AND m.alive = 1 AND d.alive = 0 AND ${this.isDangling()}`
    );
  }

  private fromParents(isInWindow: string): string {
    const matches = this.matchedPlaces().map((place, i) => this.holds(place, `+d.${keyColumn(i)}`));
    return (
      `SELECT ${this.childKey()}, ${this.parentKey()} FROM ${this.metadata('parent')} AS d ` +
      `CROSS JOIN ${quoteIdentifier(this.key.child.name)} AS c ON ${matches.join(' AND ')} ` +
      `CROSS JOIN ${this.metadata('child')} AS m ON ${this.metadataOfChild()} ` +
      `WHERE ${isInWindow} AND m.alive = 1 AND d.alive = 0 AND ${this.isDangling()}`
    );
  }

  /** Rows that dangle, settled ones and all others, with what they refer to: one look at each of the child's rows. */
  danglingOfAll(): ReferringRow[] {
    return this.values(`${quoteIdentifier(this.key.child.name)} AS c WHERE ${this.isDangling()}`, []);
  }

  /** The same of rows that are not settled and arrived in the window. */
  danglingIn(window: Window = EVERYTHING): ReferringRow[] {
    return this.unsettled(this.isDangling(), window);
  }

  /** What all rows refer to: one look at each. */
  ofAll(): ReferringRow[] {
    return this.values(`${quoteIdentifier(this.key.child.name)} AS c WHERE ${this.isGiven()}`, []);
  }

  /** What all rows refer to that are not settled: one look at each. */
  ofUnsettled(): ReferringRow[] {
    return this.unsettled(this.isGiven(), EVERYTHING);
  }

  private unsettled(condition: string, { after, upTo }: Window): ReferringRow[] {
    const from =
      `${this.metadata('child')} AS m CROSS JOIN ${quoteIdentifier(this.key.child.name)} AS c ON ${this.childOfMetadata()} ` +
      `WHERE m.arrival > ? AND m.arrival <= ? AND m.alive = 1 AND ${condition}`;
    return this.values(from, [after, upTo]);
  }

  private values(from: string, parameters: readonly unknown[]): ReferringRow[] {
    const places = this.matchedPlaces();
    const values = exactSql(places.map((place) => referred(...this.columnsAt(place))));
    return this.run(`SELECT ${this.childKey()}, ${values} FROM ${from}`, parameters).map((row) => ({
      childKey: takeExact(row, 0, this.childWidth),
      values: takeExact(row, 2 * this.childWidth, places.length),
    }));
  }

  /** What a row with these values in the child's columns would refer to, if that is not there; else null. */
  missing(values: readonly SqlValue[]): SqlValue[] | null {
    const columns = this.key.childColumns.map(({ name }) => quoteIdentifier(name));
    const places = this.matchedPlaces();
    this.alone ??= new ExactStatement<SqlValue[]>(
      this.db,
      columns.length,
      (p) =>
        `SELECT ${exactSql(places.map((place) => referred(...this.columnsAt(place))))} ` +
        `FROM (SELECT ${columns.map((column, i) => `${p[i]} AS ${column}`).join(', ')}) AS c WHERE ${this.isDangling()}`,
      readExactly,
    );
    const row = this.alone.get(values);
    return row === undefined ? null : takeExact(row, 0, places.length);
  }

  /** Keys of the rows that refer to these values, through the child's index; `dangling`: if the values are not there. */
  ofValues(values: readonly SqlValue[], which: 'all' | 'unsettled', dangling: boolean): SqlValue[][] {
    const conditions = [dangling ? this.isDangling() : this.isGiven()];
    if (which === 'unsettled') conditions.push(this.isUnsettled());
    const condition = conditions.join(' AND ');
    let statement = this.byValues.get(condition);
    if (statement === undefined) {
      const sql = (parameters: readonly string[]) => this.childrenSql(parameters, condition);
      statement = new ExactStatement<SqlValue[]>(this.db, this.matchedPlaces().length, sql, readExactly);
      this.byValues.set(condition, statement);
    }
    return statement.all(values).map((row) => takeExact(row, 0, this.childWidth));
  }
}

function readExactly(statement: Statement<unknown[], unknown>): Statement<unknown[], SqlValue[]> {
  return statement.raw().safeIntegers() as never;
}
