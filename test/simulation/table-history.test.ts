/** A slice of the simulation that `npm run simulate -- --of tables` runs at length. */
import { expect, test } from 'vitest';
import { runTableHistory } from '../support/table-history.js';

const SEEDS = 30;

test(`${SEEDS} random histories of a table that comes and goes converge, and leave nothing aside`, {
  timeout: 120_000,
}, async () => {
  let givenUp = 0;
  let held = 0;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const result = await runTableHistory(seed);
    givenUp += result.givenUp;
    held += result.held;
  }
  expect(held).toBeGreaterThan(SEEDS);
  expect(givenUp).toBeGreaterThan(0);
});
