/**
 * One process serves a file at a time: BEGIN EXCLUSIVE on a side database, held until the process ends, however it ends.
 * The operating system takes the lock from a killed process, so there is no stale lock to find and break. The neighbour
 * file says who holds it; it is a courtesy to people, never the lock itself.
 */
import { rmSync } from 'node:fs';
import Sqlite, { type Database } from 'better-sqlite3';
import { z } from 'zod';
import { SqlsyncError } from '../../errors.js';
import { databaseError } from './database-error.js';
import { type RetryOptions, retryWhileLocked } from './retry-while-locked.js';
import { readJsonFile, type SideDirectory, writeJsonFile } from './side-directory.js';

const holderSchema = z.object({
  pid: z.number().int(),
  /** RFC 3339, UTC. */
  since: z.string(),
  /** The control socket of the daemon; null while there is none, or when a command holds the lock. */
  controlSocket: z.string().nullable(),
});

/** Who holds a file's lock. */
export type LockHolder = z.infer<typeof holderSchema>;

export class DatabaseLock {
  private holder: LockHolder;

  private constructor(
    private readonly side: SideDirectory,
    private readonly db: Database,
    since: Date,
  ) {
    this.holder = { pid: process.pid, since: since.toISOString(), controlSocket: null };
    writeJsonFile(side.holderPath, this.holder);
  }

  /** Takes the lock at once or throws `database-in-use`. */
  static take(side: SideDirectory, now: Date): DatabaseLock {
    let db: Database | undefined;
    try {
      db = new Sqlite(side.lockPath, { timeout: 0 });
      db.exec('BEGIN EXCLUSIVE');
      return new DatabaseLock(side, db, now);
    } catch (error) {
      db?.close();
      if (error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')) throw inUse(side, error);
      throw databaseError(error, side.lockPath);
    }
  }

  /**
   * The same, but waits for a command that holds it: that is over soon. Throws `database-in-use` at once where a daemon
   * does, which stays.
   */
  static takeAfterCommands(
    side: SideDirectory,
    now: Date,
    options: Omit<RetryOptions, 'mayPass'>,
  ): Promise<DatabaseLock> {
    const isCommand = (error: unknown) =>
      error instanceof SqlsyncError &&
      error.code === 'database-in-use' &&
      (readLockHolder(side)?.controlSocket ?? null) === null;
    return retryWhileLocked(() => DatabaseLock.take(side, now), { ...options, mayPass: isCommand });
  }

  /** Lets commands know where the daemon listens to them. */
  announce(controlSocket: string): void {
    this.holder = { ...this.holder, controlSocket };
    writeJsonFile(this.side.holderPath, this.holder);
  }

  release(): void {
    rmSync(this.side.holderPath, { force: true });
    this.db.close();
  }
}

/** Who is on record as the lock's holder. Whether that process still lives, only the lock itself can tell. */
export function readLockHolder(side: { readonly holderPath: string }): LockHolder | null {
  const parsed = holderSchema.safeParse(readJsonFile(side.holderPath));
  return parsed.success ? parsed.data : null;
}

function inUse(side: SideDirectory, cause: Error): SqlsyncError {
  const holder = readLockHolder(side);
  const who = holder === null ? 'another sqlsync process' : `sqlsync process ${holder.pid}, since ${holder.since}`;
  return new SqlsyncError('database-in-use', `${side.databasePath} is served by ${who}`, {
    hint: 'stop that process first, or use it: `sqlsync status`',
    cause,
  });
}
