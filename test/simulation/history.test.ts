/** A slice of the simulation that `npm run simulate` runs at length. */
import { expect, test } from 'vitest';
import { runHistory } from '../support/history.js';

const SEEDS = 60;

test(`${SEEDS} random histories on real engines converge and lose nothing`, { timeout: 120_000 }, () => {
  let conflicts = 0;
  let crossed = 0;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const result = runHistory(seed);
    conflicts += result.conflicts;
    crossed += result.rowsCrossed;
  }
  expect(crossed).toBeGreaterThan(SEEDS);
  expect(conflicts).toBeGreaterThan(SEEDS);
});
