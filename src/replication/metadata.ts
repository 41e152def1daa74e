/**
 * The metadata of one table's rows: see createMetadata in metadata-schema.ts for the columns. A row without metadata
 * is settled (or has never been seen).
 */
import type { Database, Statement } from 'better-sqlite3';
import { ExactStatement, exactSql, takeExact } from './exact-values.js';
import { keyColumn, metadataTable, PREFIX } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import type { Rank, RowVersion, SqlValue } from './row-version.js';
import type { Stamp } from './stamp.js';
import type { CapturedTable } from './table-schema.js';

/** The columns a version is made from, in the order of MetadataColumns. */
export const VERSION_COLUMNS = [
  'alive',
  'hlc',
  'session',
  'life_hlc',
  'life_session',
  'edits',
  'vector',
  'cols',
  'unsaid',
] as const;

/** A version as its columns read, with safe integers or without. */
export type VersionColumns = readonly [
  alive: number | bigint,
  hlc: number | bigint,
  session: number | bigint,
  lifeHlc: number | bigint | null,
  lifeSession: number | bigint | null,
  edits: number | bigint,
  vector: string | null,
  columns: string | null,
  unsaid: string | null,
];

/** Makes a version of its columns. */
export function versionFromColumns(columns: VersionColumns, state: NodeState): RowVersion {
  const [alive, hlc, session, lifeHlc, lifeSession, edits, vector, cols, unsaid] = columns;
  const stamp: Stamp = { hlc: Number(hlc), session: state.sessionNameOf(Number(session)) };
  const life = lifeHlc === null ? stamp : { hlc: Number(lifeHlc), session: state.sessionNameOf(Number(lifeSession)) };
  return {
    alive: Number(alive) === 1,
    life,
    stamp,
    vector: vector === null ? null : parseVector(vector, state),
    columnStamps: cols === null ? null : parseColumnStamps(cols, state),
    edits: Number(edits),
    ...(unsaid === null ? {} : { unsaid: parseUnsaid(unsaid, state) }),
  };
}

function parseVector(json: string, state: NodeState): Map<string, number> {
  const entries = JSON.parse(json) as [number, number][];
  return new Map(entries.map(([session, hlc]) => [state.sessionNameOf(session), hlc]));
}

function parseColumnStamps(json: string, state: NodeState): Map<number, Stamp> {
  const entries = JSON.parse(json) as [number, number, number][];
  return new Map(entries.map(([column, session, hlc]) => [column, { hlc, session: state.sessionNameOf(session) }]));
}

/** Of a column that nobody has written, its number alone. */
type StoredUnsaid = [column: number, edits?: number, session?: number, hlc?: number];

function parseUnsaid(json: string, state: NodeState): Map<number, Rank | null> {
  const entries = JSON.parse(json) as StoredUnsaid[];
  return new Map(
    entries.map(([column, edits, session, hlc]) => {
      if (edits === undefined || session === undefined || hlc === undefined) return [column, null];
      return [column, { edits, stamp: { hlc, session: state.sessionNameOf(session) } }];
    }),
  );
}

function storedUnsaid(unsaid: ReadonlyMap<number, Rank | null>, state: NodeState): string {
  const entries = [...unsaid].map(([column, rank]): StoredUnsaid => {
    return rank === null ? [column] : [column, rank.edits, state.sessionId(rank.stamp.session), rank.stamp.hlc];
  });
  return JSON.stringify(entries);
}

/** The columns of a version, as they are stored: their INTEGER affinity makes integers of what is bound as REAL. */
export function columnsFromVersion(version: RowVersion, state: NodeState): (number | string | null)[] {
  const { stamp, life, vector, columnStamps, unsaid } = version;
  const sameLife = life.hlc === stamp.hlc && life.session === stamp.session;
  return [
    version.alive ? 1 : 0,
    stamp.hlc,
    state.sessionId(stamp.session),
    sameLife ? null : life.hlc,
    sameLife ? null : state.sessionId(life.session),
    version.edits,
    vector === null || isStampAlone(vector, stamp)
      ? null
      : JSON.stringify([...vector].map(([session, hlc]) => [state.sessionId(session), hlc])),
    columnStamps === null || columnStamps.size === 0
      ? null
      : JSON.stringify([...columnStamps].map(([column, s]) => [column, state.sessionId(s.session), s.hlc])),
    unsaid === undefined || unsaid.size === 0 ? null : storedUnsaid(unsaid, state),
  ];
}

/** An entry of a vector: a session by its number. */
type StoredEntry = [session: number, hlc: number];

function isStampAlone(vector: ReadonlyMap<string, number>, stamp: Stamp): boolean {
  return vector.size === 1 && vector.get(stamp.session) === stamp.hlc;
}

export interface SettleRequest {
  readonly horizon: number;
  readonly afterArrival: number;
  readonly limit: number;
  /** Sessions, by number, of which nothing beyond this HLC has been sent nor ever will be: that never settles. */
  readonly unsent: ReadonlyMap<number, number>;
}

export class Metadata {
  private readonly select: ExactStatement<VersionColumns>;
  private readonly upsert: ExactStatement;
  private readonly insertNew: ExactStatement;
  /** Did the last row looked for have no metadata? Then the next is likely to have none either. */
  private expectsNew = true;
  private readonly insertLogged: Statement<[number, number, number, number, number]>;
  private readonly selectStamps: Statement<[number, number], [arrival: number, hlc: number, session: number]>;
  private readonly selectSettleable: Statement<
    [number, number, number],
    [arrival: number, hlc: number, session: number, alive: number, vector: string | null, edits: number]
  >;
  private readonly selectBeyond: Statement<[number], number>;
  private readonly selectVectors: Statement<[], string>;
  private readonly updateVector: Statement<[string | null, number]>;
  private readonly selectSessions: Statement<[], SessionColumns>;
  private readonly deleteByArrival: Statement<[number]>;
  private readonly selectTombstone: Statement<[], number>;
  private readonly selectTombstones: Statement<[number, number], SqlValue[]>;
  private readonly selectAlive: Statement<[number, number], [arrival: bigint, ...key: SqlValue[]]>;
  /** Null: has to be looked up. */
  private mayHaveDead: boolean | null = null;

  constructor(
    db: Database,
    readonly table: CapturedTable,
    private readonly state: NodeState,
  ) {
    const name = metadataTable(table.id);
    const keys = table.schema.identity.columns.map((_, i) => keyColumn(i));
    const stored = VERSION_COLUMNS.join(', ');
    this.select = new ExactStatement<VersionColumns>(
      db,
      keys.length,
      (p) => `SELECT ${stored} FROM ${name} WHERE ${keys.map((k, i) => `${k} = ${p[i]}`).join(' AND ')}`,
      (statement) => statement.raw() as unknown as Statement<unknown[], VersionColumns>,
    );
    this.upsert = new ExactStatement(
      db,
      keys.length + 1 + VERSION_COLUMNS.length,
      (p) =>
        `INSERT INTO ${name}(${keys.join(', ')}, arrival, ${stored}) VALUES(${p.join(', ')}) ON CONFLICT(${keys.join(', ')}) ` +
        `DO UPDATE SET ${['arrival', ...VERSION_COLUMNS].map((c) => `${c} = excluded.${c}`).join(', ')}`,
    );
    this.insertNew = new ExactStatement(
      db,
      keys.length + 1 + VERSION_COLUMNS.length,
      (p) =>
        `INSERT INTO ${name}(${keys.join(', ')}, arrival, ${stored}) VALUES(${p.join(', ')}) ON CONFLICT(${keys.join(', ')}) DO NOTHING`,
    );
    this.insertLogged = db.prepare(
      `INSERT INTO ${name}(${keys.join(', ')}, arrival, alive, hlc, session, edits) ` +
        `SELECT ${keys.join(', ')}, ? + row_number() OVER (ORDER BY hlc), 1, hlc, ?, ? FROM ${PREFIX}log WHERE hlc > ? AND hlc <= ?`,
    );
    this.selectSettleable = db
      .prepare(
        `SELECT arrival, hlc, session, alive, vector, edits FROM ${name} ` +
          'WHERE arrival > ? AND (hlc <= ? OR vector IS NOT NULL) ORDER BY arrival LIMIT ?',
      )
      .raw() as unknown as typeof this.selectSettleable;
    this.selectBeyond = db
      .prepare(`SELECT count(*) FROM ${name} WHERE vector IS NULL AND hlc > ?`)
      .pluck() as unknown as typeof this.selectBeyond;
    this.selectVectors = db
      .prepare(`SELECT vector FROM ${name} WHERE vector IS NOT NULL`)
      .pluck() as unknown as typeof this.selectVectors;
    this.updateVector = db.prepare(`UPDATE ${name} SET vector = ? WHERE arrival = ?`);
    this.selectSessions = selectSessionsOf(db, table.id);
    this.selectStamps = db
      .prepare(`SELECT arrival, hlc, session FROM ${name} WHERE arrival > ? ORDER BY arrival LIMIT ?`)
      .raw() as unknown as typeof this.selectStamps;
    this.deleteByArrival = db.prepare(`DELETE FROM ${name} WHERE arrival = ?`);
    this.selectTombstones = db
      .prepare(`SELECT ${exactSql(keys)} FROM ${name} WHERE alive = 0 AND arrival > ? AND arrival <= ?`)
      .raw()
      .safeIntegers() as unknown as typeof this.selectTombstones;
    this.selectAlive = db
      .prepare(
        `SELECT arrival, ${exactSql(keys)} FROM ${name} WHERE alive = 1 AND arrival > ? ORDER BY arrival LIMIT ?`,
      )
      .raw()
      .safeIntegers() as unknown as typeof this.selectAlive;
    this.selectTombstone = db.prepare(`SELECT EXISTS(SELECT 1 FROM ${name} WHERE alive = 0)`).pluck() as never;
  }

  /** Are there tombstones that are not settled? No is certain; looked up once, until some are settled. */
  get mayHaveTombstones(): boolean {
    this.mayHaveDead ??= this.selectTombstone.get() === 1;
    return this.mayHaveDead;
  }

  /** Keys of the tombstones that arrived beyond one arrival and up to another. */
  tombstonesIn(after: number, upTo: number): SqlValue[][] {
    const width = this.table.schema.identity.columns.length;
    return this.selectTombstones.all(after, upTo).map((row) => takeExact(row, 0, width));
  }

  /** Keys of live rows that are not settled: at most `limit` of them, in arrival order. */
  aliveAfter(arrival: number, limit: number): { readonly arrival: number; readonly key: SqlValue[] }[] {
    const width = this.table.schema.identity.columns.length;
    return this.selectAlive
      .all(arrival, limit)
      .map(([at, ...key]) => ({ arrival: Number(at), key: takeExact(key, 0, width) }));
  }

  /** What was looked up may have been rolled back. */
  forgetTombstones(): void {
    this.mayHaveDead = null;
  }

  /** The version of the row with this key; undefined when it is settled or unknown. */
  get(key: readonly SqlValue[]): RowVersion | undefined {
    const columns = this.select.get(key);
    this.expectsNew = columns === undefined;
    return columns === undefined ? undefined : versionFromColumns(columns, this.state);
  }

  /**
   * Writes a version down if the row has no metadata: a look-up and a write in one. Null when it has some, and when it is
   * likely to, so that nothing was tried; else the version's arrival.
   */
  putNew(key: readonly SqlValue[], version: RowVersion): number | null {
    if (!this.expectsNew) return null;
    const arrival = this.state.nextArrival();
    if (!version.alive) this.mayHaveDead = true;
    const columns = columnsFromVersion(version, this.state);
    this.expectsNew = this.insertNew.run([...key, arrival, ...columns]) === 1;
    return this.expectsNew ? arrival : null;
  }

  /**
   * Writes down the beginnings of lives that a stretch of the log tells of, which holds nothing but inserts into this
   * table: from after one HLC up to another. Null, and nothing changed, when one of the rows has metadata or no identity.
   */
  putLogged(stretch: { after: number; upTo: number; sessionId: number; edits: number }): number | null {
    if (!this.expectsNew) return null;
    const { after, upTo, sessionId, edits } = stretch;
    try {
      const { changes } = this.insertLogged.run(this.state.get('arrival'), sessionId, edits, after, upTo);
      this.state.skipArrivals(changes);
      return changes;
    } catch (error) {
      if (!String((error as { code?: string }).code).startsWith('SQLITE_CONSTRAINT')) throw error;
      return null;
    }
  }

  /** Takes back what putNew wrote. */
  remove(arrival: number): void {
    this.deleteByArrival.run(arrival);
  }

  /** Writes a version down under the next arrival. */
  put(key: readonly SqlValue[], version: RowVersion): void {
    const arrival = this.state.nextArrival();
    if (!version.alive) this.mayHaveDead = true;
    this.upsert.run([...key, arrival, ...columnsFromVersion(version, this.state)]);
  }

  /** Stamps of rows that are not settled, by the number of their session: at most `limit` of them, in arrival order. */
  stampsAfter(arrival: number, limit: number): [arrival: number, hlc: number, session: number][] {
    return this.selectStamps.all(arrival, limit);
  }

  count(): number {
    return this.countBeyond(-1);
  }

  /** How many rows hold a write that is later than this. */
  countBeyond(horizon: number): number {
    let rows = this.selectBeyond.get(horizon) ?? 0;
    for (const vector of this.selectVectors.iterate()) {
      if ((JSON.parse(vector) as StoredEntry[]).some(([, hlc]) => hlc > horizon)) rows += 1;
    }
    return rows;
  }

  /** Calls back with the vector of every row that is not settled. */
  forEachVector(visit: (entries: readonly Stamp[]) => void): void {
    for (const [, hlc, session, , vector] of this.selectSettleable.iterate(0, Number.MAX_SAFE_INTEGER, -1)) {
      const dots: StoredEntry[] = vector === null ? [[session, hlc]] : JSON.parse(vector);
      visit(dots.map(([id, t]) => ({ session: this.state.sessionNameOf(id), hlc: t })));
    }
  }

  /** Calls back with the number of every session that a row refers to. */
  forEachSession(visit: (id: number) => void): void {
    visitSessions(this.selectSessions, visit);
  }

  /**
   * Drops the metadata of rows that lie within the horizon, and of others the dots that do, looking at no more than
   * `limit` of them beyond `afterArrival`. Returns where to go on, or null at the end, and the highest edit count that went.
   */
  settle(request: SettleRequest): { next: number | null; settled: number; edits: number; untold: number } {
    const { horizon, afterArrival, limit } = request;
    const rows = this.selectSettleable.all(afterArrival, horizon, limit);
    let settled = 0;
    let edits = 0;
    let untold = 0;
    for (const [arrival, hlc, session, alive, vector, rowEdits] of rows) {
      const dots: StoredEntry[] = vector === null ? [[session, hlc]] : JSON.parse(vector);
      const left = dots.filter((dot) => !isPassed(dot, request));
      if (left.length < dots.length && dots.some(([id]) => !this.state.isOwn(id))) untold = Math.max(untold, arrival);
      if (left.length > 0) {
        this.trim(arrival, { dots, left, stamp: [session, hlc] });
        continue;
      }
      this.deleteByArrival.run(arrival);
      if (alive === 0) this.mayHaveDead = null;
      settled += 1;
      edits = Math.max(edits, rowEdits);
    }
    const last = rows.at(-1);
    return { next: last !== undefined && rows.length === limit ? last[0] : null, settled, edits, untold };
  }

  /** A row's own stamp stays in its vector, whatever the horizon: a vector covers it. */
  private trim(
    arrival: number,
    row: { readonly dots: readonly StoredEntry[]; readonly left: readonly StoredEntry[]; readonly stamp: StoredEntry },
  ): void {
    const { dots, left, stamp } = row;
    const kept = dots.filter((dot) => left.includes(dot) || dot[0] === stamp[0]);
    if (kept.length === dots.length) return;
    const isStampOnly = kept.length === 1 && kept[0]?.[0] === stamp[0] && kept[0]?.[1] === stamp[1];
    this.updateVector.run(isStampOnly ? null : JSON.stringify(kept), arrival);
  }
}

function isPassed([session, hlc]: StoredEntry, { horizon, unsent }: SettleRequest): boolean {
  return hlc <= horizon && hlc <= (unsent.get(session) ?? Number.POSITIVE_INFINITY);
}

/** The same for a table that is gone: if it comes back, so does what is known of its rows. */
export function forEachSessionOf(db: Database, tableId: number, visit: (id: number) => void): void {
  visitSessions(selectSessionsOf(db, tableId), visit);
}

type SessionColumns = [
  session: number,
  life: number | null,
  vector: string | null,
  columns: string | null,
  unsaid: string | null,
];

function selectSessionsOf(db: Database, tableId: number): Statement<[], SessionColumns> {
  const sql = `SELECT session, life_session, vector, cols, unsaid FROM ${metadataTable(tableId)}`;
  return db.prepare(sql).raw() as unknown as Statement<[], SessionColumns>;
}

function visitSessions(rows: Statement<[], SessionColumns>, visit: (id: number) => void): void {
  for (const [session, life, vector, columns, unsaid] of rows.iterate()) {
    visit(session);
    if (life !== null) visit(life);
    for (const [id] of vector === null ? [] : (JSON.parse(vector) as StoredEntry[])) visit(id);
    for (const [, id] of columns === null ? [] : (JSON.parse(columns) as [number, number, number][])) visit(id);
    for (const [, , id] of unsaid === null ? [] : (JSON.parse(unsaid) as StoredUnsaid[]))
      if (id !== undefined) visit(id);
  }
}
