/**
 * What changed in a file, where and when: this node's own writes one by one, as the change log has them, and of other
 * nodes' writes the newest of each row whose metadata is still here. Read inside the caller's snapshot, and only read.
 *
 * Whoever follows is told everything at least once: a row in which own and other nodes' writes met may come twice.
 */
import type { Database, Statement } from 'better-sqlite3';
import { logWidths } from './change-log.js';
import { ExactStatement, exactSql, takeExact } from './exact-values.js';
import { columnsOfMasks } from './fold-row.js';
import { type JsonValue, toJsonRow } from './json-values.js';
import { FIRST_TABLE_ID, keyColumn, MASK_BITS, maskColumn, metadataTable, OP, PREFIX } from './metadata-schema.js';
import { readRegistry } from './registry.js';
import { RawText, type SqlValue } from './row-version.js';
import { quoteIdentifier } from './sql-text.js';
import type { CapturedTable } from './table-schema.js';
import { nodeOf } from './version-vector.js';

/** How far somebody has read: up to this entry of the log, and up to this arrival of other nodes' writes. */
export interface ChangePlace {
  readonly hlc: number;
  readonly arrival: number;
}

export interface Change {
  readonly table: string;
  readonly key: Readonly<Record<string, JsonValue>>;
  readonly op: 'insert' | 'update' | 'delete';
  /** Those that an update may have changed; null: all, or the row is gone. */
  readonly columns: readonly string[] | null;
  /** Where it was written; null: that is not known any more. */
  readonly node: string | null;
  readonly hlc: number;
  /** Where reading on from here begins. */
  readonly place: ChangePlace;
}

export interface ChangeFilter {
  /** Null: all. */
  readonly tables: ReadonlySet<string> | null;
  /** Of the only table in `tables`; null: all rows. */
  readonly key: readonly SqlValue[] | null;
  /** Written at this HLC or later. */
  readonly sinceHlc: number;
}

export interface ChangesRead {
  readonly changes: readonly Change[];
  readonly place: ChangePlace;
  /** Is there more than was read? */
  readonly more: boolean;
}

export interface ChangesAfter extends ChangesRead {
  /** Were there writes to tables that are no longer there under the name they had? Of those nothing can be told. */
  readonly lost: boolean;
}

/** What a search for the next changes looks through before it returns, so that nobody waits long for the file. */
const WINDOWS_MAX = 32;
const TAG_CHARS = 8;

interface OtherNodes {
  readonly table: CapturedTable;
  readonly window: Statement<unknown[], SqlValue[]>;
  readonly before: Statement<unknown[], SqlValue[]>;
  readonly next: Statement<[number], number | null>;
  readonly count: Statement<unknown[], number>;
}

export class ChangeHistory {
  private readonly own: { readonly after: Statement<unknown[], SqlValue[]>; before: Statement<unknown[], SqlValue[]> };
  private readonly masks: number;
  private readonly byId = new Map<number, CapturedTable>();
  private readonly others: OtherNodes[];
  private readonly condition: { readonly sql: string; readonly values: readonly unknown[] };
  private readonly ownCount: Statement<unknown[], number>;
  private readonly selectLast: Statement<unknown[], number>;
  private readonly selectFact: Statement<[string], number | string>;
  private readonly selectWatched: Statement<unknown[], number>;
  private readonly selectSessions: Statement<[], [number, string]>;

  constructor(
    private readonly db: Database,
    private readonly filter: ChangeFilter,
  ) {
    this.selectLast = pluck(db, `SELECT max(hlc) FROM ${PREFIX}log`);
    this.selectFact = pluck(db, `SELECT value FROM ${PREFIX}state WHERE name = ?`) as unknown as typeof this.selectFact;
    this.selectWatched = pluck(db, `SELECT count(*) FROM ${PREFIX}watch`);
    this.selectSessions = db.prepare(`SELECT id, name FROM ${PREFIX}session`).raw() as typeof this.selectSessions;
    const { masks, keys } = logWidths(db);
    this.masks = masks;
    const captured = readRegistry(db).filter((table) => !table.internal && (filter.tables?.has(table.name) ?? true));
    for (const table of captured) this.byId.set(table.id, table);
    this.condition = this.keyCondition();
    this.others = captured.map((table) => this.prepareOthers(table));
    const columns = ['hlc', 'tbl', 'op', ...names(masks, maskColumn)];
    const select = `SELECT ${columns.join(', ')}, ${exactSql(names(keys, keyColumn))} FROM ${PREFIX}log`;
    const only =
      filter.tables === null ? `tbl >= ${FIRST_TABLE_ID}` : `tbl IN (${[...this.byId.keys(), -1].join(', ')})`;
    const where = `op <> ${OP.marker} AND ${only} AND hlc >= ${filter.sinceHlc}${this.condition.sql}`;
    this.own = {
      after: raw(db, `${select} WHERE hlc > ? AND ${where} ORDER BY hlc LIMIT ?`),
      before: raw(db, `${select} WHERE hlc < ? AND ${where} ORDER BY hlc DESC LIMIT ?`),
    };
    this.ownCount = pluck(db, `SELECT count(*) FROM ${PREFIX}log WHERE ${where}`);
  }

  /** Equality with the key, as SQLite compares the values as they are; '' for all keys. */
  private keyCondition() {
    const key = this.filter.key ?? [];
    const sql = key.map((value, i) => ` AND ${keyColumn(i)} = ${value instanceof RawText ? 'CAST(? AS TEXT)' : '?'}`);
    return { sql: sql.join(''), values: key.map((value) => (value instanceof RawText ? value.bytes : value)) };
  }

  private prepareOthers(table: CapturedTable): OtherNodes {
    const { db } = this;
    const name = metadataTable(table.id);
    const keys = table.schema.identity.columns.map((_, i) => keyColumn(i));
    const select = `SELECT arrival, alive, hlc, session, life_hlc, cols, ${exactSql(keys)} FROM ${name} AS m`;
    // What the log tells of anyway. A row into which other nodes' writes went too is told of in any case.
    const isLogged = `vector IS NULL AND session IN (SELECT value FROM json_each(?)) AND EXISTS(SELECT 1 FROM ${PREFIX}log WHERE hlc = m.hlc AND tbl = ${table.id})`;
    const where = `NOT (${isLogged}) AND hlc >= ${this.filter.sinceHlc}${this.condition.sql}`;
    return {
      table,
      window: raw(db, `${select} WHERE arrival > ? AND arrival <= ? AND ${where} ORDER BY arrival`),
      before: raw(db, `${select} WHERE arrival < ? AND ${where} ORDER BY arrival DESC LIMIT ?`),
      next: pluck(db, `SELECT min(arrival) FROM ${name} WHERE arrival > ?`) as unknown as OtherNodes['next'],
      count: pluck(db, `SELECT count(*) FROM ${name} AS m WHERE ${where}`),
    };
  }

  /** Are all tables here of which the other one tells? */
  covers(other: ChangeHistory): boolean {
    return [...other.byId.keys()].every((id) => this.byId.has(id));
  }

  /** Behind everything that is there. */
  end(): ChangePlace {
    return { hlc: this.selectLast.get() ?? 0, arrival: this.fact('arrival') };
  }

  /** Whoever has read less far may have missed something. */
  floor(): ChangePlace {
    return { hlc: this.fact('log_from'), arrival: this.fact('untold') };
  }

  /** Of what was written up to this HLC, here or elsewhere, something may be remembered no more. */
  forgottenUpTo(): number {
    const settled = this.fact('untold') > 0 ? this.fact('horizon') : 0;
    return Math.max(settled, this.fact('log_from') - 1);
  }

  /** Tells this file's places from those of another. */
  fileTag(): string {
    return String(this.textFact('node_id')).slice(0, TAG_CHARS);
  }

  private fact(name: string): number {
    return Number(this.selectFact.get(name) ?? 0);
  }

  /** What lies beyond a place, about `limit` of it at most, in the order in which this node learned of it. */
  after(place: ChangePlace, limit: number): ChangesAfter {
    // What a migration wrote gets its place between older entries once that is known.
    if (this.selectWatched.get() !== 0) return { changes: [], place, more: false, lost: false };
    const end = this.end();
    const rows = this.own.after.all(place.hlc, ...this.condition.values, limit);
    const isWhole = rows.length < limit;
    const own = this.ownChanges(rows, (hlc) => ({ hlc, arrival: place.arrival }));
    const lost = rows.some((row) => !this.byId.has(Number(row[1])));
    const hlc = isWhole ? Math.max(place.hlc, end.hlc) : Number(rows.at(-1)?.[0]);
    if (!isWhole) return { changes: own, place: { hlc, arrival: place.arrival }, more: true, lost };
    const others = this.othersAfter({ hlc, arrival: place.arrival }, end.arrival, limit);
    return { changes: [...own, ...others.changes], place: { hlc, arrival: others.arrival }, more: others.more, lost };
  }

  private othersAfter(place: ChangePlace, end: number, limit: number) {
    const changes: Change[] = [];
    let { arrival } = place;
    const sessions = this.sessions();
    for (let windows = 0; arrival < end && changes.length < limit; windows += 1) {
      if (windows === WINDOWS_MAX) return { changes, arrival, more: true };
      const next = Math.min(...this.others.map((of) => of.next.get(arrival) ?? Infinity));
      if (next > end) return { changes, arrival: end, more: false };
      // Arrivals are given once each, whatever the table: a window holds no more rows than it is wide.
      const upTo = Math.min(end, next - 1 + limit);
      const found = this.others.flatMap((of) =>
        of.window
          .all(next - 1, upTo, sessions.own, ...this.condition.values)
          .map((row) => this.otherChange(of.table, row, sessions.names, place.hlc)),
      );
      changes.push(...found.sort((x, y) => x.place.arrival - y.place.arrival));
      arrival = upTo;
    }
    return { changes, arrival, more: arrival < end };
  }

  /** What lies before a place, newest first as far as that can be said of two nodes; null: before the end. */
  before(place: ChangePlace | null, limit: number): ChangesRead {
    const from = place ?? { hlc: Number.MAX_SAFE_INTEGER, arrival: Number.MAX_SAFE_INTEGER };
    const sessions = this.sessions();
    const own = this.ownChanges(this.own.before.all(from.hlc, ...this.condition.values, limit + 1), (hlc) => ({
      hlc,
      arrival: 0,
    }));
    const others = this.others
      .flatMap((of) =>
        of.before
          .all(from.arrival, sessions.own, ...this.condition.values, limit + 1)
          .map((row) => this.otherChange(of.table, row, sessions.names, 0)),
      )
      .sort((x, y) => y.place.arrival - x.place.arrival);
    const changes: Change[] = [];
    let { hlc, arrival } = from;
    while (changes.length < limit && own.length + others.length > 0) {
      const isOwn = (own[0]?.hlc ?? -1) >= (others[0]?.hlc ?? -1);
      const change = (isOwn ? own : others).shift() as Change;
      if (isOwn) hlc = change.place.hlc;
      else arrival = change.place.arrival;
      changes.push({ ...change, place: { hlc, arrival } });
    }
    return { changes, place: { hlc, arrival }, more: own.length + others.length > 0 };
  }

  /** All that the filter selects; what may turn out to have been no change counts too. */
  count(): number {
    const { own } = this.sessions();
    const others = this.others.map((of) => of.count.get(own, ...this.condition.values) ?? 0);
    return others.reduce((sum, count) => sum + count, this.ownCount.get(...this.condition.values) ?? 0);
  }

  private ownChanges(rows: SqlValue[][], placeOf: (hlc: number) => ChangePlace): Change[] {
    const node = this.textFact('node');
    return rows.flatMap((row) => {
      const table = this.byId.get(Number(row[1]));
      if (table === undefined) return [];
      const hlc = Number(row[0]);
      const at = 3 + this.masks;
      const key = takeExact(row, at, (row.length - at) / 2).slice(0, table.schema.identity.columns.length);
      const op = this.opOf(table, Number(row[2]), key);
      if (op === null) return [];
      const ids = op === 'update' ? columnsOfMasks(row.slice(3, at) as (bigint | null)[], MASK_BITS) : null;
      return [
        {
          table: table.name,
          key: keyOf(table, key),
          op,
          columns: columnNames(table, ids),
          node,
          hlc,
          place: placeOf(hlc),
        },
      ];
    });
  }

  /** Null: a row that REPLACE might have removed, and has not. */
  private opOf(table: CapturedTable, op: number, key: readonly SqlValue[]): Change['op'] | null {
    if (op === OP.insert) return 'insert';
    if (op === OP.update) return 'update';
    if (op === OP.delete) return 'delete';
    const { columns } = table.schema.identity;
    const from = `SELECT 1 FROM main.${quoteIdentifier(table.name)} WHERE `;
    const exists = new ExactStatement(this.db, key.length, (p) => from + columns.map(same(p)).join(' AND '));
    return exists.get(key) === undefined ? 'delete' : null;
  }

  private otherChange(table: CapturedTable, row: SqlValue[], names: ReadonlyMap<number, string>, hlc: number): Change {
    const [arrival, alive, stamp, session, life, columns] = row;
    const isUpdate = life !== null;
    const ids = isUpdate && columns !== null ? (JSON.parse(columns as string) as [number][]).map(([id]) => id) : null;
    const name = names.get(Number(session));
    return {
      table: table.name,
      key: keyOf(table, takeExact(row, 6, table.schema.identity.columns.length)),
      op: Number(alive) === 0 ? 'delete' : isUpdate ? 'update' : 'insert',
      columns: Number(alive) === 0 ? null : columnNames(table, ids),
      node: name === undefined ? null : nodeOf(name),
      hlc: Number(stamp),
      place: { hlc, arrival: Number(arrival) },
    };
  }

  private textFact(name: 'node' | 'node_id'): string {
    return this.selectFact.get(name) as string;
  }

  /** Names of sessions by number, and the numbers of this node's own as JSON. */
  private sessions(): { readonly names: ReadonlyMap<number, string>; readonly own: string } {
    const rows = this.selectSessions.all();
    const node = this.textFact('node');
    const own = rows.filter(([, name]) => nodeOf(name) === node).map(([id]) => id);
    return { names: new Map(rows), own: JSON.stringify(own) };
  }
}

type KeyColumn = CapturedTable['schema']['identity']['columns'][number];

function same(parameters: readonly string[]) {
  return ({ name, collation }: KeyColumn, i: number) =>
    `${quoteIdentifier(name)} = ${parameters[i]} COLLATE ${quoteIdentifier(collation)}`;
}

function names(count: number, nameOf: (index: number) => string): string[] {
  return Array.from({ length: count }, (_, i) => nameOf(i));
}

function keyOf(table: CapturedTable, key: readonly SqlValue[]): Record<string, JsonValue> {
  return toJsonRow(
    table.schema.identity.columns.map(({ name }) => name),
    key,
  );
}

function columnNames(table: CapturedTable, ids: readonly number[] | null): string[] | null {
  if (ids === null) return null;
  return table.columns.filter(({ id }) => ids.includes(id)).map(({ name }) => name);
}

function raw(db: Database, sql: string): Statement<unknown[], SqlValue[]> {
  return db.prepare<unknown[], SqlValue[]>(sql).raw().safeIntegers() as unknown as Statement<unknown[], SqlValue[]>;
}

function pluck(db: Database, sql: string): Statement<unknown[], number> {
  return db.prepare<unknown[], number>(sql).pluck() as unknown as Statement<unknown[], number>;
}
