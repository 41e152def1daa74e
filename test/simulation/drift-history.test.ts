/** A slice of the simulation that `npm run simulate -- --of drift` runs at length. */
import { expect, test } from 'vitest';
import { runDriftHistory } from '../support/drift-history.js';

const SEEDS = 24;

test(`${SEEDS} random histories of columns that come at different times converge and lose nothing`, {
  timeout: 120_000,
}, () => {
  const total = { conflicts: 0, held: 0, unsaid: 0 };
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const result = runDriftHistory(seed);
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += result[name];
  }
  expect(Object.entries(total).filter(([, count]) => count < SEEDS)).toEqual([]);
});
