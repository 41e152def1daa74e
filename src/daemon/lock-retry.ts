/**
 * Waits its turn for the file's write lock without blocking the event loop: the engine tries for a few milliseconds
 * inside SQLite, and between tries this pauses for a random time that grows, so that neither the application's writers
 * nor two databases of one daemon march in step.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { SqlsyncError } from '../errors.js';

const PAUSE_MS_MIN = 2;
const PAUSE_MS_MAX = 100;

export interface LockRetryOptions {
  /** How long to go on trying before `database-locked` is given up to the caller. */
  readonly lockWaitMsMax: number;
  readonly signal?: AbortSignal;
}

/** Calls `attempt` until it gets the lock; its `database-locked` comes through after `lockWaitMsMax`. */
export async function withLockRetry<Result>(attempt: () => Result, options: LockRetryOptions): Promise<Result> {
  const startedMs = performance.now();
  for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    try {
      return attempt();
    } catch (error) {
      const locked = error instanceof SqlsyncError && error.code === 'database-locked';
      if (!locked || performance.now() - startedMs >= options.lockWaitMsMax) throw error;
    }
    await delay(pauseMs * (0.5 + Math.random()), undefined, { ...(options.signal && { signal: options.signal }) });
  }
}
