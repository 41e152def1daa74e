import { setTimeout as delay } from 'node:timers/promises';

const LOOK_EVERY_MS = 25;

/** Looks until `look` says something other than null, and returns that. After `timeoutMs` throws what `otherwise` says. */
export async function until<Result>(
  look: () => Result | null | Promise<Result | null>,
  timeoutMs: number,
  otherwise: () => string,
): Promise<Result> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${otherwise()}`);
    await delay(LOOK_EVERY_MS);
  }
}
