/**
 * The change log as the engine reads and writes it. Triggers append what applications do (capture-triggers.ts); the
 * engine appends its own writes and markers, and removes entries that are folded and old.
 */
import type { Database, Statement } from 'better-sqlite3';
import { ExactStatement, hasInexactText, withRawText } from './exact-values.js';
import { FIRST_TABLE_ID, keyColumn, MASK_BITS, maskColumn, OP, PREFIX } from './metadata-schema.js';
import type { SqlValue } from './row-version.js';

export interface LogEntry {
  readonly hlc: number;
  readonly tableId: number;
  readonly op: number;
  readonly masks: readonly (bigint | null)[];
  /** As wide as the log's widest key: only the table's own width counts. */
  readonly key: readonly SqlValue[];
}

/** A stretch of the log, all of it one operation on one table. */
export interface LogStretch {
  readonly tableId: number;
  readonly op: number;
  readonly upTo: number;
  readonly entries: number;
  readonly lastTableId: number;
  readonly lastOp: number;
}

/** Changes that no fold has seen yet. */
export interface UnfoldedChanges {
  readonly changes: number;
  /** HLC of the first; null when there are none. */
  readonly oldestHlc: number | null;
}

type RawEntry = [hlc: bigint, tbl: bigint | null, op: bigint, ...rest: (bigint | SqlValue)[]];

/** How many mask and key columns a log has: read from the file, since a wider table widens it. */
export function logWidths(db: Database): { masks: number; keys: number } {
  const names = db.prepare(`SELECT name FROM pragma_table_info('${PREFIX}log')`).pluck().all() as string[];
  return {
    masks: names.filter((name) => /^mask\d*$/.test(name)).length,
    keys: names.filter((name) => /^k\d+$/.test(name)).length,
  };
}

export class ChangeLog {
  readonly keyWidth: number;
  readonly maskCount: number;
  private readonly selectAfter: Statement<[number, number], RawEntry>;
  private readonly selectKeyBytes: Statement<[number], (Buffer | null)[]>;
  private readonly selectStretch: Statement<[number, number], LogStretch>;
  private readonly selectLast: Statement<[], number | null>;
  private readonly insertEntry: ExactStatement;
  private readonly deleteOld: Statement<[number, number]>;
  private readonly countAll: Statement<[], number>;
  private readonly countBeyond: Statement<[number], number>;
  private readonly selectChanges: Statement<[number], UnfoldedChanges>;
  private readonly selectBelow: Statement<[number], number>;

  constructor(db: Database) {
    const { masks, keys } = logWidths(db);
    this.keyWidth = keys;
    this.maskCount = masks;
    const maskNames = Array.from({ length: masks }, (_, i) => maskColumn(i));
    const keyNames = Array.from({ length: keys }, (_, i) => keyColumn(i));
    const columns = ['hlc', 'tbl', 'op', ...maskNames, ...keyNames];
    this.selectAfter = db
      .prepare(`SELECT ${columns.join(', ')} FROM ${PREFIX}log WHERE hlc > ? ORDER BY hlc LIMIT ?`)
      .raw()
      .safeIntegers() as unknown as typeof this.selectAfter;
    this.selectStretch = db.prepare(
      'SELECT min(tbl) AS tableId, max(tbl) AS lastTableId, min(op) AS op, max(op) AS lastOp, max(hlc) AS upTo, count(*) AS entries ' +
        `FROM (SELECT tbl, op, hlc FROM ${PREFIX}log WHERE hlc > ? ORDER BY hlc LIMIT ?)`,
    );
    const bytes = keyNames.map((k) => `CAST(${k} AS BLOB)`).join(', ');
    this.selectKeyBytes = db
      .prepare(`SELECT ${bytes} FROM ${PREFIX}log WHERE hlc = ?`)
      .raw() as unknown as typeof this.selectKeyBytes;
    this.selectLast = db.prepare(`SELECT max(hlc) FROM ${PREFIX}log`).pluck() as unknown as typeof this.selectLast;
    this.insertEntry = new ExactStatement(
      db,
      columns.length,
      (p) => `INSERT INTO ${PREFIX}log(${columns.join(', ')}) VALUES(${p.join(', ')})`,
    );
    this.deleteOld = db.prepare(
      `DELETE FROM ${PREFIX}log WHERE hlc IN (SELECT hlc FROM ${PREFIX}log WHERE hlc < ? ORDER BY hlc LIMIT ?)`,
    );
    this.countAll = db.prepare(`SELECT count(*) FROM ${PREFIX}log`).pluck() as unknown as typeof this.countAll;
    this.countBeyond = db
      .prepare(`SELECT count(*) FROM ${PREFIX}log WHERE hlc > ?`)
      .pluck() as unknown as typeof this.countBeyond;
    this.selectChanges = db.prepare(
      `SELECT count(*) AS changes, min(hlc) AS oldestHlc FROM ${PREFIX}log WHERE hlc > ? AND tbl >= ${FIRST_TABLE_ID}`,
    );
    this.selectBelow = db
      .prepare(`SELECT hlc FROM ${PREFIX}log WHERE hlc < ? LIMIT 1`)
      .pluck() as unknown as typeof this.selectBelow;
  }

  /** The HLC of the newest entry; 0 for a log that somebody has emptied. */
  last(): number {
    return this.selectLast.get() ?? 0;
  }

  /** The application's changes beyond `hlc`: neither markers nor writes to sqlsync's own tables. */
  changesAfter(hlc: number): UnfoldedChanges {
    return this.selectChanges.get(hlc) ?? { changes: 0, oldestHlc: null };
  }

  /** How many entries there are. */
  count(): number {
    return this.countAll.get() ?? 0;
  }

  /** How many entries there are beyond `hlc`. */
  countAfter(hlc: number): number {
    return this.countBeyond.get(hlc) ?? 0;
  }

  hasBelow(hlc: number): boolean {
    return this.selectBelow.get(hlc) !== undefined;
  }

  /** Entries beyond `hlc` in their order, at most `limit`. */
  after(hlc: number, limit: number): LogEntry[] {
    return this.selectAfter.all(hlc, limit).map((row) => this.toEntry(row));
  }

  /** What the next `limit` entries beyond `hlc` have in common; null when they are not all of one kind and table. */
  stretchAfter(hlc: number, limit: number): LogStretch | null {
    const stretch = this.selectStretch.get(hlc, limit);
    if (stretch === undefined || stretch.tableId !== stretch.lastTableId || stretch.op !== stretch.lastOp) return null;
    return stretch;
  }

  private toEntry(row: RawEntry): LogEntry {
    const hlc = Number(row[0]);
    let key = row.slice(3 + this.maskCount) as SqlValue[];
    if (hasInexactText(key)) key = withRawText(key, this.selectKeyBytes.get(hlc) ?? []);
    return {
      hlc,
      tableId: Number(row[1]),
      op: Number(row[2]),
      masks: row.slice(3, 3 + this.maskCount) as (bigint | null)[],
      key,
    };
  }

  /**
   * Appends a write of the engine's own. `hlc` is higher than the last entry; `columns` are the ids of those that an
   * update changed, null: all.
   */
  append(
    hlc: number,
    tableId: number,
    op: number,
    key: readonly SqlValue[],
    columns: readonly number[] | null = null,
  ): void {
    const padded = Array.from({ length: this.keyWidth }, (_, i) => key[i] ?? null);
    this.insertEntry.run([BigInt(hlc), BigInt(tableId), BigInt(op), ...this.masksOf(columns), ...padded]);
  }

  private masksOf(columns: readonly number[] | null): (bigint | null)[] {
    if (columns === null) return Array.from({ length: this.maskCount }, () => null);
    return Array.from({ length: this.maskCount }, (_, i) =>
      columns
        .filter((id) => Math.floor(id / MASK_BITS) === i)
        .reduce((mask, id) => mask | (1n << BigInt(id % MASK_BITS)), 0n),
    );
  }

  /** Appends a clock without a row. */
  appendMarker(hlc: number): void {
    this.append(hlc, 0, OP.marker, []);
  }

  /** Removes at most `limit` entries below `hlc`. The caller keeps the newest and all that is not folded. */
  removeBelow(hlc: number, limit: number): number {
    return this.deleteOld.run(hlc, limit).changes;
  }
}
