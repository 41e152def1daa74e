/** Reads in slices: between two of them whatever else the event loop has to do gets its turn. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Slices } from '../../replication/slices.js';
import type { LockedFile } from '../file/locked-file.js';

/** What was read, and how long that has kept this process from other work. */
export interface SlicedReading<Result> {
  readonly value: Result;
  readonly busyMs: number;
}

/**
 * @param begin begins the reading; again after a lock that was not to be had in the middle of it
 * @param waitMsMax how long a slice waits for a lock; undefined: limits.lockWaitMsMax
 */
export async function runSlices<Result>(
  file: Pick<LockedFile, 'run'>,
  begin: () => Slices<Result>,
  waitMsMax?: number,
): Promise<SlicedReading<Result>> {
  let busyMs = 0;
  let slices = begin();
  const next = () => {
    const startedMs = performance.now();
    try {
      return slices.next();
    } catch (error) {
      // A generator that has thrown is over.
      slices = begin();
      throw error;
    } finally {
      busyMs += performance.now() - startedMs;
    }
  };
  for (;;) {
    const { done, value } = await file.run(next, waitMsMax);
    if (done) return { value, busyMs };
    await turn();
  }
}
