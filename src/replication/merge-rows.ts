/**
 * The writing half of a merge (merge-files.ts): rows that only the file has are inserted, rows of one key and different
 * values are settled as the operator prefers, and what loses, or finds no room, is kept in conflict records.
 */
import { createHash } from 'node:crypto';
import SqliteDatabase, { type Statement } from 'better-sqlite3';
import { CONFLICT_TABLE, type ConflictKind, type RecordedSide } from './conflict-record.js';
import { hasInexactText, withRawText } from './exact-values.js';
import { HLC_PER_MS } from './hlc.js';
import { fromJsonValue, type JsonValue, toJsonRow } from './json-values.js';
import type { MergedTable } from './merge-files.js';
import type { OperatorWrites } from './operator-writes.js';
import type { SqlValue } from './row-version.js';
import { quoteIdentifier } from './sql-text.js';
import { UniqueCollisions } from './unique-collisions.js';

/** Whose row stands where both have one: `newest` by the greater value of a column, and the peer's where they are equal. */
export type MergePreference =
  | { readonly by: 'here' | 'there' | 'manual' }
  | { readonly by: 'newest'; readonly column: string };

export interface MergeParties {
  /** This node, and the peer whose snapshot it is. */
  readonly here: string;
  readonly there: string;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** What became of one table's rows. */
export interface MergeOutcome {
  readonly name: string;
  readonly inserted: number;
  /** Rows in which this file's values stand. */
  readonly overwritten: number;
  readonly recorded: number;
}

type RowJson = Readonly<Record<string, JsonValue>>;

interface Pair {
  readonly here: RowJson;
  /** Null: nobody has the row's key there. */
  readonly there: RowJson | null;
  readonly isHereBetter: boolean;
}

/** Merges one table, inside the caller's transaction. */
export class TableMerge {
  private readonly name: string;
  private recorded = 0;
  private readonly spool = new PairSpool();

  constructor(
    private readonly writes: OperatorWrites,
    private readonly table: MergedTable,
    private readonly preference: MergePreference,
    private readonly parties: MergeParties,
  ) {
    this.name = table.captured.name;
  }

  run(): MergeOutcome {
    const { table, writes, spool } = this;
    // What is there now must be kept before it is overwritten, and who stands is known only afterwards.
    this.forEachPair(`FROM ${table.pairs} WHERE ${table.differs}`, this.better, (pair) => spool.add(pair));
    const overwritten = this.overwrite();
    const names = table.columns.join(', ');
    const values = table.columns.map((column) => `h.${column}`).join(', ');
    const inserted = writes.db
      .prepare(
        `INSERT OR IGNORE INTO main.${quoteIdentifier(this.name)}(${names}) SELECT ${values} FROM ${table.onlyHere}`,
      )
      .run().changes;
    const homeless = this.recordHomeless();
    const kind = table.captured.schema.identity.source === 'integer-primary-key' ? 'key-collision' : 'insert-insert';
    for (const pair of spool.takeAll()) if (!homeless.has(this.keyJson(pair.here))) this.record(kind, pair);
    return { name: this.name, inserted, overwritten, recorded: this.recorded };
  }

  /** SQL that is true where this file's row stands. */
  private get better(): string {
    if (this.preference.by !== 'newest') return this.preference.by === 'here' ? '1' : '0';
    const column = quoteIdentifier(this.preference.column);
    return `coalesce(h.${column} > t.${column}, h.${column} IS NOT NULL AND t.${column} IS NULL)`;
  }

  private overwrite(): number {
    const { table, writes } = this;
    const set = table.columns.map((column) => `${column} = h.${column}`).join(', ');
    const here = `here.${quoteIdentifier(this.name)} AS h`;
    const where = `${table.sameKey} AND ${table.differs} AND ${this.better}`;
    return writes.db
      .prepare(`UPDATE OR IGNORE main.${quoteIdentifier(this.name)} AS t SET ${set} FROM ${here} WHERE ${where}`)
      .run().changes;
  }

  /** Rows that a UNIQUE index keeps out: those that should have stood, and those that only this file has. Returns their keys. */
  private recordHomeless(): Set<string> {
    const { table } = this;
    const collisions = new UniqueCollisions(this.writes.db, table.captured);
    const homeless: Pair[] = [];
    this.forEachPair(`FROM ${table.pairs} WHERE ${table.differs} AND ${this.better}`, '0', (pair) =>
      homeless.push(pair),
    );
    this.forEachRow(`SELECT ${this.valuesOf('h')} FROM ${table.onlyHere}`, (row) => {
      homeless.push({ here: this.exact(row), there: null, isHereBetter: false });
    });
    for (const pair of homeless) {
      const image = table.captured.columns.map(({ name }) => fromJsonValue(pair.here[name]) ?? null);
      const [other] = collisions.of(image);
      this.record('unique', { ...pair, there: pair.there ?? (other === undefined ? null : this.readRow(other.key)) });
    }
    return new Set(homeless.map(({ here }) => this.keyJson(here)));
  }

  private keyOf(here: RowJson): RowJson {
    const { columns } = this.table.captured.schema.identity;
    return Object.fromEntries(columns.map(({ name }) => [name, here[name] ?? null]));
  }

  private keyJson(here: RowJson): string {
    return JSON.stringify(this.keyOf(here));
  }

  private readRow(key: readonly SqlValue[]): RowJson | null {
    const where = this.table.keys.map((name) => `t.${name} = ?`).join(' AND ');
    const sql = `SELECT ${this.valuesOf('t')} FROM main.${quoteIdentifier(this.name)} AS t WHERE ${where}`;
    const row = this.writes.db
      .prepare(sql)
      .raw()
      .safeIntegers()
      .get(...(key as unknown[])) as SqlValue[] | undefined;
    return row === undefined ? null : this.exact(row);
  }

  private forEachPair(from: string, better: string, visit: (pair: Pair) => void): void {
    this.forEachRow(
      `SELECT ${better}, ${this.valuesOf('h')}, ${this.valuesOf('t')} ${from}`,
      ([isHereBetter, ...row]) => {
        const here = this.exact(row.slice(0, row.length / 2));
        const there = this.exact(row.slice(row.length / 2));
        visit({ here, there, isHereBetter: isHereBetter === 1n });
      },
    );
  }

  /** What is visited may write to other tables meanwhile, which better-sqlite3 has to be told. */
  private forEachRow(sql: string, visit: (row: SqlValue[]) => void): void {
    const { db } = this.writes;
    db.unsafeMode(true);
    try {
      const rows = db.prepare(sql).raw().safeIntegers().iterate() as Iterable<SqlValue[]>;
      for (const row of rows) visit(row);
    } finally {
      db.unsafeMode(false);
    }
  }

  /** Each column's value, then each column's bytes. */
  private valuesOf(row: 'h' | 't'): string {
    const columns = this.table.columns.map((column) => `${row}.${column}`);
    return [...columns, ...columns.map((column) => `CAST(${column} AS BLOB)`)].join(', ');
  }

  private exact(row: readonly SqlValue[]): RowJson {
    const values = row.slice(0, row.length / 2);
    const bytes = row.slice(row.length / 2) as (Buffer | null)[];
    const names = this.table.captured.columns.map(({ name }) => name);
    return toJsonRow(names, hasInexactText(values) ? withRawText(values, bytes) : values);
  }

  private record(kind: ConflictKind, { here, there, isHereBetter }: Pair): void {
    const { parties, preference, table, writes } = this;
    const hlc = parties.nowMs * HLC_PER_MS;
    const sides: RecordedSide[] = [
      { node: parties.here, session: null, hlc, row: here },
      { node: parties.there, session: null, hlc, row: there },
    ];
    const [winner, loser] = isHereBetter && kind !== 'unique' ? sides : sides.reverse();
    const differing = Object.keys(here).filter((name) => there !== null && !isSameJson(here[name], there[name]));
    const key = this.keyJson(here);
    const id = createHash('sha256')
      .update(JSON.stringify([this.name, key, kind, sides]))
      .digest('hex')
      .slice(0, 32);
    const strategy = preference.by === 'manual' ? 'manual' : table.captured.rules.strategy;
    writes.db
      .prepare(
        `INSERT INTO ${CONFLICT_TABLE.name}(id, tbl, key, kind, strategy, columns, winner, loser, detected_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        id,
        this.name,
        key,
        kind,
        strategy,
        JSON.stringify(differing),
        JSON.stringify(winner),
        JSON.stringify(loser),
        BigInt(parties.nowMs),
      );
    writes.enterInsert(CONFLICT_TABLE.id, [id]);
    this.recorded += 1;
  }
}

function isSameJson(x: unknown, y: unknown): boolean {
  return JSON.stringify(x) === JSON.stringify(y);
}

/** Pairs that wait, in a temporary file of SQLite's own: there may be as many as there are rows. */
class PairSpool {
  private readonly db = new SqliteDatabase('');
  private readonly insert: Statement<[string]>;

  constructor() {
    this.db.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE pair(json); BEGIN');
    this.insert = this.db.prepare('INSERT INTO pair VALUES(?)');
  }

  add(pair: Pair): void {
    this.insert.run(JSON.stringify(pair));
  }

  *takeAll(): Generator<Pair, void, undefined> {
    const rows = this.db.prepare<[], string>('SELECT json FROM pair ORDER BY rowid').pluck().iterate();
    for (const json of rows) yield JSON.parse(json) as Pair;
    this.db.close();
  }
}
