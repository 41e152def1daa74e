/**
 * A consistent copy of a database that is in use, by SQLite's online backup, in steps between which everybody else gets
 * their turn. In WAL mode a read transaction pins what is copied, and writers go on. In rollback mode such a reader would
 * keep the application from committing, so the copy is made without one, and begins anew whenever somebody has written;
 * if that happens too often, it finishes under a read lock.
 */
import { rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Sqlite, { type Database } from 'better-sqlite3';
import { SqlsyncError } from '../../errors.js';
import { databaseError } from './database-error.js';
import { BUSY_TIMEOUT_MS } from './open-database.js';

/** Pages copied in one go: some 10 ms. */
const STEP_PAGES = 250;
/** How often a copy in rollback mode begins anew before it takes a read lock. */
const RESTARTS_MAX = 3;
/** Between two tries at a file that a writer has to itself. */
const LOCKED_PAUSE_MS = 20;

/** Begins a read transaction on the connection. Throws SQLite's busy error when a writer has the file to itself. */
export type Pin = (db: Database) => void;

export interface CopyOptions {
  /** Throws when nobody waits for the copy any more. Called between two steps. */
  readonly onStep: (pages: { readonly done: number; readonly total: number }) => void;
  readonly lockWaitMsMax: number;
}

/** A connection of its own to the file that is copied. */
export class OnlineCopy {
  /** The file's size now, or as the copy will have it. */
  readonly bytes: number;
  private isPinned = false;
  private restarts = 0;

  private constructor(
    private readonly db: Database,
    readonly copyPath: string,
    private readonly pinMoment: Pin,
  ) {
    if (db.pragma('journal_mode', { simple: true }) === 'wal') this.pin();
    const pages = db.pragma('page_count', { simple: true }) as number;
    this.bytes = pages * (db.pragma('page_size', { simple: true }) as number);
  }

  /** Throws SQLite's busy error when a writer has the file to itself. */
  static open(databasePath: string, copyPath: string, pin: Pin = beginReading): OnlineCopy {
    const db = new Sqlite(databasePath, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    try {
      return new OnlineCopy(db, copyPath, pin);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  close(): void {
    this.db.close();
  }

  /** Throws `disk-full` where the copy has no room. */
  async checkSpace(hint: string): Promise<void> {
    const { bavail, bsize } = await statfs(dirname(this.copyPath));
    if (bavail * bsize >= this.bytes) return;
    throw new SqlsyncError('disk-full', `a copy takes ${this.bytes} bytes, and the disk has ${bavail * bsize}`, {
      hint,
    });
  }

  /** Makes the copy at its path. When it throws, nothing is there. */
  async run({ onStep, lockWaitMsMax }: CopyOptions): Promise<void> {
    const startedMs = performance.now();
    try {
      while ((await this.backUp(onStep)) === 'locked') {
        if (performance.now() - startedMs > lockWaitMsMax) throw neverFree(this.db.name);
        await delay(LOCKED_PAUSE_MS);
      }
    } catch (error) {
      await rm(this.copyPath, { force: true });
      throw databaseError(error, this.copyPath);
    }
  }

  /** Holds what is read from now on until the connection closes, also in rollback mode. */
  pin(): void {
    if (this.isPinned) return;
    try {
      this.pinMoment(this.db);
    } catch (error) {
      if (this.db.inTransaction) this.db.exec('ROLLBACK');
      throw error;
    }
    this.isPinned = true;
  }

  private async backUp(onStep: CopyOptions['onStep']): Promise<'done' | 'locked'> {
    let last = Number.POSITIVE_INFINITY;
    const { totalPages } = await this.db.backup(this.copyPath, {
      progress: ({ totalPages: total, remainingPages }) => {
        onStep({ done: total - remainingPages, total });
        if (remainingPages > last) this.restarts += 1;
        last = remainingPages;
        if (this.restarts > RESTARTS_MAX) this.tryToPin();
        return STEP_PAGES;
      },
    });
    // A first step that meets a writer has seen no pages, and better-sqlite3 takes none left for the end.
    return totalPages === 0 ? 'locked' : 'done';
  }

  /** Pins it, or does so after the next step if a writer has the file to itself just now. */
  private tryToPin(): void {
    try {
      this.pin();
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
  }
}

function beginReading(db: Database): void {
  db.exec('BEGIN');
  db.prepare('SELECT count(*) FROM sqlite_schema').get();
}

function isBusy(error: unknown): boolean {
  if (error instanceof SqlsyncError) return error.code === 'database-locked';
  return error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

function neverFree(path: string): SqlsyncError {
  return new SqlsyncError('database-locked', `${path} is never free to be copied`, { hint: 'try again' });
}
