/**
 * Puts a finished database file where the application looks for it. A file that is there is never lost: it gets a name
 * of its own beside it, whole, with nothing left in a log; and it is moved only when nobody has it open.
 */

import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import type { DatabaseFiles } from './database-files.js';
import { processesHolding } from './file-holders.js';

/**
 * Throws database-locked when somebody has the file open, as far as locks and the system tell. Otherwise nothing of it
 * is left in a write-ahead log, and no connection of this process is open.
 */
export function assertUnused(path: string, files: Pick<DatabaseFiles, 'withConnection'>): void {
  const holders = processesHolding(path);
  if (holders.length > 0) throw inUse(path, `process ${holders.join(', ')}`);
  files.withConnection(path, (db) => {
    db.pragma('busy_timeout = 0');
    if (!isOurs(db)) throw inUse(path, 'another program');
    db.pragma('wal_checkpoint(TRUNCATE)');
  });
  if (existsSync(`${path}-wal`)) throw inUse(path, 'another program');
  // In some journal modes a spent one stays behind; it is no part of the file, and less so of its successor.
  rmSync(`${path}-journal`, { force: true });
}

/** In WAL mode every open connection keeps a lock that this one needs; in rollback mode only those at work do. */
function isOurs(db: Database): boolean {
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE; COMMIT');
    return true;
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith('SQLITE_BUSY')) return false;
    throw error;
  }
}

/**
 * Moves `draft` to `path`, in one step for whoever opens it. The file that is there, if any, hands on its owner and mode.
 * @param asidePath where that file stays; null: there is none, or nothing in it
 */
export function placeDatabase(draft: string, path: string, asidePath: string | null): void {
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing) {
    chmodSync(draft, existing.mode & 0o7777);
    if (process.getuid?.() === 0) chownSync(draft, existing.uid, existing.gid);
  }
  if (asidePath !== null) keepAs(path, asidePath);
  syncFile(draft);
  renameSync(draft, path);
  syncFile(dirname(path));
}

/** A second name first, so that there is a file at `path` at every moment; where the file system has no links, a move. */
function keepAs(path: string, asidePath: string): void {
  try {
    linkSync(path, asidePath);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error;
    renameSync(path, asidePath);
  }
}

/** `shop.db.before-join-20260102T030405Z`, or the first such name that is free. */
export function asidePathFor(path: string, now: Date, what: 'join' | 'rejoin' | 'restore' = 'join'): string {
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const wanted = `${path}.before-${what}-${stamp}`;
  for (let suffix = 1; ; suffix += 1) {
    const candidate = suffix === 1 ? wanted : `${wanted}-${suffix}`;
    if (!existsSync(candidate)) return candidate;
  }
}

function syncFile(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function inUse(path: string, who: string): SqlsyncError {
  return new SqlsyncError('database-locked', `${path} is open in ${who}`, {
    hint: 'Stop the application first: it would go on with the file that is put aside.',
  });
}
