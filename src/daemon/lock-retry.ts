/**
 * Waits its turn for the file's write lock without blocking the event loop: the engine tries for a few milliseconds
 * inside SQLite, and between tries this pauses for a random time that grows, so that neither the application's writers
 * nor two databases of one daemon march in step.
 */
import { setTimeout as delay } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';

const PAUSE_MS_MIN = 2;
const PAUSE_MS_MAX = 100;

export interface LockRetryOptions {
  /** How long to go on trying before `database-locked` is given up to the caller. */
  readonly lockWaitMsMax: number;
  readonly signal?: AbortSignal;
}

/** Calls `attempt` until it gets the lock; after `lockWaitMsMax` its failure comes through. */
export async function withLockRetry<Result>(attempt: () => Result, options: LockRetryOptions): Promise<Result> {
  const startedMs = performance.now();
  for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    try {
      return attempt();
    } catch (error) {
      if (!isLocked(error) || performance.now() - startedMs >= options.lockWaitMsMax) throw error;
    }
    await delay(pauseMs * (0.5 + Math.random()), undefined, { ...(options.signal && { signal: options.signal }) });
  }
}

/** A write the engine could not begin, or a read that met a writer with the file to itself. */
function isLocked(error: unknown): boolean {
  if (error instanceof SqlsyncError) return error.code === 'database-locked';
  return error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY');
}
