/** The file's write lock as SQLite gives it, and what a constraint may refuse under it. */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { constraintOf } from './apply-context.js';

export function isBusy(error: unknown): boolean {
  return String((error as { code?: unknown } | null)?.code).startsWith('SQLITE_BUSY');
}

export function locked(cause: unknown): SqlsyncError {
  return new SqlsyncError('database-locked', 'another process holds the file’s write lock', {
    cause,
    hint: 'try again',
  });
}

/** Throws 'database-locked' when the lock is not to be had within the connection's busy time-out. */
export function beginImmediate(db: Database): void {
  try {
    db.exec('BEGIN IMMEDIATE');
  } catch (error) {
    throw isBusy(error) ? locked(error) : error;
  }
}

/** Begins the reader's snapshot while the writer keeps everybody else out, and ends the writer's turn. */
export function handOver(writer: Database, reader: Database): void {
  try {
    reader.exec('BEGIN');
    reader.prepare('SELECT 1 FROM sqlite_schema').get();
    writer.exec('COMMIT');
  } catch (error) {
    if (reader.inTransaction) reader.exec('ROLLBACK');
    throw error;
  }
}

/** Does what a constraint may refuse, whole or not at all. Returns SQLite's words if it was refused. */
export function attemptWrites(db: Database, work: () => void): string | null {
  db.exec('SAVEPOINT own_writes');
  try {
    work();
    db.exec('RELEASE own_writes');
    return null;
  } catch (error) {
    if (constraintOf(error) === null) throw error;
    db.exec('ROLLBACK TO own_writes; RELEASE own_writes');
    return (error as Error).message;
  }
}

/** In WAL mode a commit is by default not synced by itself (https://sqlite.org/pragma.html#pragma_synchronous). */
const SYNCHRONOUS = { normal: 1, full: 2 } as const;

/**
 * Does a transaction so that it survives a loss of power once it is committed. A connection that was opened to sync
 * nothing at all is left at that.
 */
export function durably<Result>(db: Database, transaction: () => Result): Result {
  const isLax = db.pragma('synchronous', { simple: true }) === SYNCHRONOUS.normal;
  if (isLax) db.pragma(`synchronous = ${SYNCHRONOUS.full}`);
  try {
    return transaction();
  } finally {
    if (isLax) db.pragma(`synchronous = ${SYNCHRONOUS.normal}`);
  }
}
