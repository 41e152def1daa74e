/**
 * Rows that came from a peer and that this node's schema cannot hold: their table or one of their columns is missing
 * here, or is another one. They are kept as they came, in order and durably, shipped on to others, and placed once the
 * application has migrated the file. Until then the node acknowledges nothing at or above the oldest of them.
 */
import type { Database, Statement } from 'better-sqlite3';
import { isWithinVersion } from './apply-row.js';
import { fitOf } from './column-mapping.js';
import { PREFIX } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import { packRow, type UnpackedRow, unpackRow } from './packed-row.js';
import type { ReplicatedTables } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import { lowestUnsettled, type SqlValue, type VersionedRow } from './row-version.js';
import type { TableHistory } from './table-history.js';
import { nodeOf } from './version-vector.js';
import { waitsForParent } from './waiting-parents.js';
import type { TableDefinition } from './wire-messages.js';

/** A row on its way into a table: column stamps are keyed by the columns' places in the definition. */
export interface HeldRow {
  readonly arrival: number;
  readonly definition: TableDefinition;
  readonly key: readonly SqlValue[];
  readonly row: VersionedRow;
  /** The sender's horizon, when it came. */
  readonly horizon: number;
  /** Others may have given it up: where it finds a place here, it is written anew. */
  readonly isAnew: boolean;
}

interface StoredRow {
  readonly arrival: number;
  readonly version: Buffer;
  readonly horizon: number;
  readonly hlc: number;
  readonly since: number;
  readonly anew: number;
}

/** A row that is kept no more, and whose table is gone. */
export interface GivenUpRow extends Pick<HeldRow, 'definition' | 'key' | 'row'> {
  /** Unix milliseconds. */
  readonly sinceMs: number;
}

/** Of one table. */
export interface HeldTable {
  readonly name: string;
  readonly rows: number;
  readonly why: string;
  /** Unix milliseconds: since when the oldest of them waits. */
  readonly sinceMs: number;
  /** Who wrote them last. */
  readonly nodes: readonly string[];
}

/** What is kept, by table. */
export interface HeldSummary {
  readonly rows: number;
  /** Nothing at or above this HLC is acknowledged; null: nothing is kept. */
  readonly hold: number | null;
  readonly tables: readonly HeldTable[];
}

const NOTHING: HeldSummary = { rows: 0, hold: null, tables: [] };

export class HeldRows {
  private readonly insert: Statement<[number, string, Buffer, Buffer, number, string, number, number, string]>;
  private readonly selectSame: Statement<[string, Buffer], StoredRow>;
  private readonly selectFirst: Statement<[string], StoredRow>;
  private readonly selectAfter: Statement<[number, number], StoredRow>;
  private readonly remove: Statement<[number]>;
  private readonly selectAnew: Statement<[string, number], StoredRow>;
  private readonly updateAnew: Statement<[string]>;
  private readonly selectSummary: Statement<[], Omit<HeldTable, 'nodes'> & { hold: number; nodes: string }>;
  private known: HeldSummary | null = null;
  /** Where to go on looking for rows that fit now; null: all have been looked at since the schema was read. */
  private releasedUpTo: number | null = 0;

  constructor(
    db: Database,
    private readonly state: NodeState,
    private readonly tables: ReplicatedTables,
    /** What has become of the tables that rows wait for. */
    readonly history: TableHistory,
  ) {
    const name = `${PREFIX}held`;
    const columns = 'arrival, version, horizon, hlc, since, anew';
    this.insert = db.prepare(
      `INSERT INTO ${name}(arrival, tbl, key, version, horizon, why, hlc, since, node) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.selectSame = db.prepare(`SELECT ${columns} FROM ${name} WHERE tbl = ? AND key = ? ORDER BY arrival`);
    this.selectAfter = db.prepare(`SELECT ${columns} FROM ${name} WHERE arrival > ? ORDER BY arrival LIMIT ?`);
    this.selectFirst = db.prepare(`SELECT ${columns} FROM ${name} WHERE tbl = ? ORDER BY arrival LIMIT 1`);
    this.remove = db.prepare(`DELETE FROM ${name} WHERE arrival = ?`);
    this.selectSummary = db.prepare(
      `SELECT tbl AS name, count(*) AS rows, max(why) AS why, min(hlc) AS hold, min(since) AS sinceMs, ` +
        `json_group_array(DISTINCT node) AS nodes FROM ${name} GROUP BY tbl ORDER BY tbl`,
    );
    this.selectAnew = db.prepare(`SELECT ${columns} FROM ${name} WHERE tbl = ? AND anew = 1 ORDER BY arrival LIMIT ?`);
    this.updateAnew = db.prepare(`UPDATE ${name} SET anew = 1 WHERE tbl = ? AND anew = 0`);
    if (this.summary().rows === 0) this.releasedUpTo = null;
  }

  /** Keeps what memory holds, and returns how to put it back when the transaction is rolled back. */
  remember(): () => void {
    const { known, releasedUpTo } = this;
    return () => Object.assign(this, { known, releasedUpTo });
  }

  summary(): HeldSummary {
    this.known ??= this.readSummary();
    return this.known;
  }

  private readSummary(): HeldSummary {
    const tables = this.selectSummary.all();
    if (tables.length === 0) return NOTHING;
    return {
      rows: tables.reduce((sum, { rows }) => sum + rows, 0),
      hold: Math.min(...tables.map(({ hold }) => hold)),
      tables: tables.map(({ name, rows, why, sinceMs, nodes }) => {
        return { name, rows, why, sinceMs, nodes: (JSON.parse(nodes) as string[]).sort() };
      }),
    };
  }

  /** Are there rows that may fit by now? */
  get isDue(): boolean {
    return this.releasedUpTo !== null;
  }

  /** Keeps a row. A version that a later one knows goes; one that is known by what is kept is not kept again. */
  put(
    definition: TableDefinition,
    { key, row }: Pick<HeldRow, 'key' | 'row'>,
    why: { readonly why: string; readonly horizon: number; readonly nowMs: number },
  ): void {
    const name = Buffer.from(canonicalKey(key, definition.collations));
    let hlc = lowestUnsettled(row.version, this.state.get('horizon'));
    for (const stored of this.selectSame.all(definition.name, name)) {
      const { version } = unpackRow(stored.version).row;
      if (isWithinVersion(row.version, version, stored.horizon)) return;
      if (!isWithinVersion(version, row.version, why.horizon)) continue;
      // What was acknowledged of the row before must not grow: it has not been in its table yet.
      hlc = Math.min(hlc, stored.hlc);
      this.remove.run(stored.arrival);
    }
    const places = definition.columns.map((_, place) => place);
    const packed = packRow(definition, places, key, row);
    const arrival = this.state.nextArrival();
    const node = nodeOf(row.version.stamp.session);
    this.insert.run(arrival, definition.name, name, packed, why.horizon, why.why, hlc, why.nowMs, node);
    this.known = null;
  }

  /**
   * Keeps no more what this version of the row knows, which fits: under the table's name, or one that it had before. Says
   * whether there was anything.
   */
  supersede(
    names: () => readonly string[],
    { collations }: TableDefinition,
    { key, row }: Pick<HeldRow, 'key' | 'row'>,
    horizon: number,
  ): boolean {
    if (this.summary().rows === 0) return false;
    const canonical = Buffer.from(canonicalKey(key, collations));
    const known = names()
      .flatMap((name) => this.selectSame.all(name, canonical))
      .filter((stored) => isWithinVersion(unpackRow(stored.version).row.version, row.version, horizon));
    for (const { arrival } of known) this.remove.run(arrival);
    if (known.length > 0) this.known = null;
    return known.length > 0;
  }

  /** The lowest horizon at which a version of the row was put aside, under one of these names; null: none waits. */
  horizonOf(names: () => readonly string[], { collations }: TableDefinition, key: readonly SqlValue[]): number | null {
    if (this.summary().rows === 0) return null;
    const canonical = Buffer.from(canonicalKey(key, collations));
    const same = names().flatMap((name) => this.selectSame.all(name, canonical));
    return same.length === 0 ? null : Math.min(...same.map(({ horizon }) => horizon));
  }

  /** Names of the tables of which rows wait. */
  waitingTables(): Set<string> {
    return new Set(this.summary().tables.map(({ name }) => name));
  }

  /** Kept rows beyond an arrival, at most `limit`. */
  after(arrival: number, limit: number): HeldRow[] {
    if (this.summary().rows === 0) return [];
    return this.selectAfter.all(arrival, limit).map(toHeldRow);
  }

  /** What is kept of the table now may be given up by others: see table-fates.ts. */
  markAnew(table: string): void {
    this.updateAnew.run(table);
  }

  /** Keeps no more what is marked so and may go, of at most `limit` rows. */
  giveUp(table: string, limit: number, mayGo: (row: VersionedRow) => boolean): GivenUpRow[] {
    const rows = this.selectAnew
      .all(table, limit)
      .map((stored) => ({ ...toHeldRow(stored), sinceMs: stored.since }))
      .filter(({ row }) => mayGo(row));
    for (const { arrival } of rows) this.remove.run(arrival);
    if (rows.length > 0) {
      this.known = null;
      // Rows of other tables may have waited for them.
      this.releasedUpTo = 0;
    }
    return rows;
  }

  private fittingAmong(rows: readonly HeldRow[]): HeldRow[] {
    const waiting = new Set(
      this.summary()
        .tables.filter(({ name }) => this.isMisfit(name))
        .map(({ name }) => name),
    );
    return rows.map(this.underNameHere).filter(({ definition, row }) => {
      const fit = fitOf(this.tables.named(definition.name), definition);
      if ('why' in fit) return false;
      const isFree = waitsForParent(fit.table, fit.toLocal(row).image, waiting) === null;
      if (!isFree) waiting.add(definition.name);
      return isFree;
    });
  }

  /** Told by the row that has waited longest. */
  private isMisfit(name: string): boolean {
    const stored = this.selectFirst.get(name);
    if (stored === undefined) return false;
    const { definition } = this.underNameHere(toHeldRow(stored));
    return 'why' in fitOf(this.tables.named(definition.name), definition);
  }

  /**
   * A row that this node has written itself it has most often in its table. Not where its file is another than the one it
   * wrote to, as after a rejoin: nobody else offers it, and since then the table has been renamed.
   */
  private readonly underNameHere = (held: HeldRow): HeldRow => {
    const { definition, row } = held;
    const name = this.history.renamed.get(definition.name);
    if (name === undefined || nodeOf(row.version.stamp.session) !== this.state.get('node')) return held;
    return { ...held, definition: { ...definition, name } };
  };

  /** Looks at no more than `limit` rows for those that fit now: they are kept no more, and are the caller's to place. */
  release(limit: number): HeldRow[] {
    if (this.releasedUpTo === null) return [];
    const rows = this.after(this.releasedUpTo, limit);
    this.releasedUpTo = rows.length < limit ? null : (rows.at(-1)?.arrival ?? null);
    const fitting = this.fittingAmong(rows);
    for (const { arrival } of fitting) this.remove.run(arrival);
    if (fitting.length > 0) this.known = null;
    return fitting;
  }
}

function toHeldRow({ arrival, version, horizon, anew }: StoredRow): HeldRow {
  const { definition, key, row }: UnpackedRow = unpackRow(version);
  return { arrival, definition, key, row, horizon, isAnew: anew === 1 };
}
