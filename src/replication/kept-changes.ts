/**
 * The changes that wait in quarantine, as operators and programs read them: straight from the file, whoever serves it,
 * also those of a table that is gone meanwhile. Parked versions are not among them: they end with their cut.
 */
import type { Database } from 'better-sqlite3';
import { hlcToMs } from './hlc.js';
import { type JsonValue, toJsonRow } from './json-values.js';
import { PREFIX } from './metadata-schema.js';
import { unpackRow } from './packed-row.js';
import type { QuarantineReason } from './quarantine.js';
import { nodeOf } from './version-vector.js';

export interface KeptChange {
  /** 32 hex digits; another when a newer version of the row takes its place. */
  readonly id: string;
  readonly table: string;
  readonly key: Readonly<Record<string, JsonValue>>;
  readonly reason: QuarantineReason;
  /** SQLite's words. */
  readonly error: string;
  /** Unix milliseconds: when a version of the row was first kept aside. */
  readonly sinceMs: number;
  /** Who wrote it last, and when, by that node's clock. */
  readonly node: string;
  readonly atMs: number;
  /** The columns it would have written; null: it deletes the row. */
  readonly row: Readonly<Record<string, JsonValue>> | null;
}

interface StoredChange {
  readonly tbl: number;
  readonly key: Buffer;
  readonly id: string;
  readonly reason: QuarantineReason;
  readonly error: string;
  readonly since: number;
  readonly version: Buffer;
  /** The table's name in the registry; null when it is not in there any more. */
  readonly name: string | null;
}

/** A place in the order of lists: by table, then by key. */
export interface KeptPlace {
  readonly tbl: number;
  /** The canonical key, in hex. */
  readonly key: string;
}

export interface KeptChangesPage {
  readonly changes: readonly KeptChange[];
  /** How many there are, on all pages. */
  readonly total: number;
  /** The last of the page; null: there are no more. */
  readonly next: KeptPlace | null;
}

/** A page ends when its versions come to so many bytes, packed: rows can be large. */
const PAGE_BYTES_MAX = 16 * 1024 * 1024;

const SELECT = `SELECT q.tbl, q.key, q.id, q.reason, q.error, q.since, q.version, t.name
  FROM ${PREFIX}quarantine q LEFT JOIN ${PREFIX}table t ON t.id = q.tbl WHERE q.reason <> 'parked'`;
const COUNT = `SELECT count(*) FROM ${PREFIX}quarantine q LEFT JOIN ${PREFIX}table t ON t.id = q.tbl WHERE q.reason <> 'parked'`;
const OF_TABLE = 'AND (? IS NULL OR t.name = ?)';

export interface KeptChangesRequest {
  /** Null: of all tables. */
  readonly table: string | null;
  /** Null: from the first on. */
  readonly after: KeptPlace | null;
  readonly limit: number;
}

export function readKeptChanges(db: Database, { table, after, limit }: KeptChangesRequest): KeptChangesPage {
  const total = db.prepare(`${COUNT} ${OF_TABLE}`).pluck().get(table, table) as number;
  const select = db.prepare<unknown[], StoredChange>(
    `${SELECT} ${OF_TABLE} AND (q.tbl, q.key) > (?, ?) ORDER BY q.tbl, q.key`,
  );
  const changes: KeptChange[] = [];
  let bytes = 0;
  let last = after ?? { tbl: -1, key: '' };
  for (const stored of select.iterate(table, table, last.tbl, Buffer.from(last.key, 'hex'))) {
    if (changes.length === limit || bytes >= PAGE_BYTES_MAX) return { changes, total, next: last };
    changes.push(toChange(stored));
    bytes += stored.version.length;
    last = { tbl: stored.tbl, key: stored.key.toString('hex') };
  }
  return { changes, total, next: null };
}

/** Undefined: it has gone in, or a newer version has taken its place. */
export function readKeptChange(db: Database, id: string): KeptChange | undefined {
  const stored = db.prepare<[string], StoredChange>(`${SELECT} AND q.id = ?`).get(id);
  return stored === undefined ? undefined : toChange(stored);
}

/** Ids that begin with these digits: at most two, which is one too many. */
export function keptIdsLike(db: Database, digits: string): string[] {
  const select = `SELECT id FROM ${PREFIX}quarantine WHERE reason <> 'parked' AND id >= ? AND id < ? || 'g' LIMIT 2`;
  return db.prepare<[string, string], string>(select).pluck().all(digits, digits);
}

/** All ids, in the order of lists. */
export function keptIds(db: Database, table: string | null): string[] {
  const sql = `SELECT q.id FROM ${PREFIX}quarantine q LEFT JOIN ${PREFIX}table t ON t.id = q.tbl WHERE q.reason <> 'parked'`;
  return db.prepare<unknown[], string>(`${sql} ${OF_TABLE} ORDER BY q.tbl, q.key`).pluck().all(table, table);
}

function toChange({ id, reason, error, since, version, name }: StoredChange): KeptChange {
  const { definition, key, row } = unpackRow(version);
  const { stamp } = row.version;
  return {
    id,
    table: name ?? definition.name,
    key: toJsonRow(definition.key, key),
    reason,
    error,
    sinceMs: since,
    node: nodeOf(stamp.session),
    atMs: hlcToMs(stamp.hlc),
    row: row.image === null ? null : toJsonRow(definition.columns, row.image),
  };
}
