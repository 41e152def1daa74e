/** What operators did: rows of a replicated table of sqlsync's own, insert only. */
import type { Database } from 'better-sqlite3';
import { ChangeLog } from './change-log.js';
import { nextHlc } from './hlc.js';
import { INTERNAL_TABLES, OP } from './metadata-schema.js';

export const [, , , , OPERATION_TABLE] = INTERNAL_TABLES;

export interface OperationRecord {
  /** Hex, random. */
  readonly id: string;
  readonly node: string;
  /** The system's name of the user. */
  readonly operator: string;
  /** As it was typed, without secrets. */
  readonly command: string;
  /** What it was about, for programs. */
  readonly detail: unknown;
  /** `done`, or an error's code. */
  readonly result: string;
}

export interface StoredOperation extends OperationRecord {
  /** Unix milliseconds. */
  readonly atMs: number;
}

/** Inserts the row. The caller enters it into the change log, in the same transaction. */
export function insertOperation(db: Database, record: OperationRecord, nowMs: number): void {
  const { id, node, operator, command, detail, result } = record;
  db.prepare(
    `INSERT INTO ${OPERATION_TABLE.name}(id, at, node, operator, command, detail, result) VALUES(?, ?, ?, ?, ?, ?, ?)`,
  ).run(id, BigInt(nowMs), node, operator, command, JSON.stringify(detail ?? null), result);
}

/** Inserts the row and enters it into the change log, inside the caller's transaction on an ordinary connection. */
export function enterOperation(db: Database, record: OperationRecord, nowMs: number): void {
  insertOperation(db, record, nowMs);
  const log = new ChangeLog(db);
  log.append(nextHlc(log.last(), nowMs), OPERATION_TABLE.id, OP.insert, [record.id]);
}

/** A place in the order of lists: newest first. */
export interface OperationPlace {
  readonly atMs: number;
  readonly id: string;
}

export interface OperationsRequest {
  /** Null: from the beginning. */
  readonly sinceMs: number | null;
  /** Only those after this place; null: from the newest. */
  readonly after: OperationPlace | null;
  readonly limit: number;
}

type OperationRow = Omit<OperationRecord, 'detail'> & { readonly atMs: number; readonly detail: string };

const IS_WANTED = 'at >= coalesce(?, at)';

/** At most `limit` operations, newest first, how many there are on all pages, and whether there are more. */
export function readOperations(
  db: Database,
  { sinceMs, after, limit }: OperationsRequest,
): { operations: StoredOperation[]; total: number; isLast: boolean } {
  const { name } = OPERATION_TABLE;
  const total = db.prepare(`SELECT count(*) FROM ${name} WHERE ${IS_WANTED}`).pluck().get(sinceMs) as number;
  const { atMs, id } = after ?? { atMs: Number.MAX_SAFE_INTEGER, id: '' };
  const rows = db
    .prepare<unknown[], OperationRow>(
      `SELECT id, at AS atMs, node, operator, command, detail, result FROM ${name} ` +
        `WHERE ${IS_WANTED} AND (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?`,
    )
    .all(sinceMs, atMs, id, limit + 1);
  const operations = rows.slice(0, limit).map((row) => ({ ...row, detail: JSON.parse(row.detail) as unknown }));
  return { operations, total, isLast: rows.length <= limit };
}
