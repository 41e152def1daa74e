import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS_MIN = 20;

/**
 * Looks until `look` says something other than null, and returns that. After `timeoutMs` throws what `otherwise` says.
 * It pauses at least as long as a look takes, to leave the machine to what is looked at.
 */
export async function until<Result>(
  look: () => Result | null | Promise<Result | null>,
  timeoutMs: number,
  otherwise: () => string,
): Promise<Result> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const startedMs = performance.now();
    const found = await look();
    if (found !== null) return found;
    const endedMs = performance.now();
    if (endedMs > deadline) throw new Error(`not within ${timeoutMs} ms: ${otherwise()}`);
    await delay(Math.max(PAUSE_MS_MIN, endedMs - startedMs));
  }
}
