/**
 * The metadata of one table's rows: see createMetadata in metadata-schema.ts for the columns. A row without metadata
 * is settled (or has never been seen).
 */
import type { Database, Statement } from 'better-sqlite3';
import { ExactStatement } from './exact-values.js';
import { keyColumn, metadataTable } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import type { RowVersion, SqlValue } from './row-version.js';
import type { Stamp } from './stamp.js';
import type { CapturedTable } from './table-schema.js';

/** The columns a version is made from, in the order of MetadataColumns. */
export const VERSION_COLUMNS = ['alive', 'hlc', 'session', 'life_hlc', 'life_session', 'edits', 'vector', 'cols'] as const;

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
];

/** Makes a version of its columns. */
export function versionFromColumns(columns: VersionColumns, state: NodeState): RowVersion {
  const [alive, hlc, session, lifeHlc, lifeSession, edits, vector, cols] = columns;
  const stamp: Stamp = { hlc: Number(hlc), session: state.sessionNameOf(Number(session)) };
  const life = lifeHlc === null ? stamp : { hlc: Number(lifeHlc), session: state.sessionNameOf(Number(lifeSession)) };
  return {
    alive: Number(alive) === 1,
    life,
    stamp,
    vector: vector === null ? null : parseVector(vector, state),
    columnStamps: cols === null ? null : parseColumnStamps(cols, state),
    edits: Number(edits),
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

/** The columns of a version, as they are stored: their INTEGER affinity makes integers of what is bound as REAL. */
export function columnsFromVersion(version: RowVersion, state: NodeState): (number | string | null)[] {
  const { stamp, life, vector, columnStamps } = version;
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
  ];
}

function isStampAlone(vector: ReadonlyMap<string, number>, stamp: Stamp): boolean {
  return vector.size === 1 && vector.get(stamp.session) === stamp.hlc;
}

export class Metadata {
  private readonly select: ExactStatement<VersionColumns>;
  private readonly upsert: ExactStatement;
  private readonly countRows: Statement<[], number>;
  private readonly selectStamps: Statement<[], [hlc: number, session: number]>;
  private readonly selectSettleable: Statement<
    [number, number, number],
    [arrival: number, hlc: number, vector: string | null, edits: number]
  >;
  private readonly deleteByArrival: Statement<[number]>;

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
    this.countRows = db.prepare(`SELECT count(*) FROM ${name}`).pluck() as Statement<[], number>;
    this.selectSettleable = db
      .prepare(`SELECT arrival, hlc, vector, edits FROM ${name} WHERE arrival > ? AND hlc <= ? ORDER BY arrival LIMIT ?`)
      .raw() as unknown as typeof this.selectSettleable;
    this.selectStamps = db.prepare(`SELECT hlc, session FROM ${name}`).raw() as unknown as typeof this.selectStamps;
    this.deleteByArrival = db.prepare(`DELETE FROM ${name} WHERE arrival = ?`);
  }

  /** The version of the row with this key; undefined when it is settled or unknown. */
  get(key: readonly SqlValue[]): RowVersion | undefined {
    const columns = this.select.get(key);
    return columns === undefined ? undefined : versionFromColumns(columns, this.state);
  }

  /** Writes a version down under the next arrival. */
  put(key: readonly SqlValue[], version: RowVersion): void {
    const arrival = this.state.nextArrival();
    this.upsert.run([...key, arrival, ...columnsFromVersion(version, this.state)]);
  }

  count(): number {
    return this.countRows.get() ?? 0;
  }

  /** How many rows bear a stamp of which this holds. */
  countWhere(holds: (session: string, hlc: number) => boolean): number {
    let count = 0;
    for (const [hlc, session] of this.selectStamps.iterate()) {
      if (holds(this.state.sessionNameOf(session), hlc)) count += 1;
    }
    return count;
  }

  /**
   * Drops the metadata of rows that lie within `horizon`, looking at no more than `limit` of them beyond `afterArrival`.
   * Returns where to go on, or null at the end, and the highest edit count that went.
   */
  settle(horizon: number, afterArrival: number, limit: number): { next: number | null; settled: number; edits: number } {
    const rows = this.selectSettleable.all(afterArrival, horizon, limit);
    let settled = 0;
    let edits = 0;
    for (const [arrival, , vector, rowEdits] of rows) {
      if (vector !== null && (JSON.parse(vector) as [number, number][]).some(([, t]) => t > horizon)) continue;
      this.deleteByArrival.run(arrival);
      settled += 1;
      edits = Math.max(edits, rowEdits);
    }
    const last = rows.at(-1);
    return { next: last !== undefined && rows.length === limit ? last[0] : null, settled, edits };
  }
}
