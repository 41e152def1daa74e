/** Rules that change under way: a slice of what `npm run simulate -- --of rules` runs at length. */
import { expect, test } from 'vitest';
import { runRuleHistory } from '../support/rule-history.js';

const SEEDS = 30;

test(`${SEEDS} random histories with changes of the rules converge, and nobody is stuck`, { timeout: 120_000 }, () => {
  const total = { begun: 0, decided: 0, crashes: 0, takenOver: 0, rowsCrossed: 0, conflicts: 0 };
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const result = runRuleHistory(seed);
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += result[name];
  }
  expect(total.decided).toBeGreaterThan(2 * SEEDS);
  expect(total.begun).toBeGreaterThan(total.decided + SEEDS);
  for (const count of [total.crashes, total.takenOver, total.conflicts]) expect(count).toBeGreaterThan(0);
});
