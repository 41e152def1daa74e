/**
 * Work on a file that applications lock, tried until it gets through. SQLite itself tries for a few milliseconds; between
 * tries this pauses for a random time that grows, with the event loop free, so that neither the application's writers
 * nor two databases of one daemon march in step.
 */
import { setTimeout as delay } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { SqlsyncError } from '../../errors.js';

const PAUSE_MS_MIN = 2;
const PAUSE_MS_MAX = 100;

export interface RetryOptions {
  readonly waitMsMax: number;
  /** Ends the wait: its reason is thrown. */
  readonly signal: AbortSignal;
  /** Called once, before the first pause. */
  readonly onWait?: () => void;
  /** What may pass; a lock on the file, if it is left out. */
  readonly mayPass?: (error: unknown) => boolean;
}

/** Throws what the last attempt threw once the time is over; what is no lock at once. */
export async function retryWhileLocked<Result>(
  attempt: () => Result,
  { waitMsMax, signal, onWait, mayPass = isLocked }: RetryOptions,
): Promise<Result> {
  const startedMs = performance.now();
  for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    try {
      return attempt();
    } catch (error) {
      if (!mayPass(error) || performance.now() - startedMs >= waitMsMax) throw error;
    }
    if (pauseMs === PAUSE_MS_MIN) onWait?.();
    await pause(pauseMs * (0.5 + Math.random()), signal);
  }
}

export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await delay(ms);
  signal.throwIfAborted();
}

/** A write the engine could not begin, or a read that met a writer with the file to itself. */
function isLocked(error: unknown): boolean {
  if (error instanceof SqlsyncError) return error.code === 'database-locked';
  return error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY');
}
