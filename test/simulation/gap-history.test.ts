/** A short, seeded slice of what `npm run simulate -- --of gaps` looks at at length. */
import { expect, test } from 'vitest';
import { runGapHistory } from '../support/gap-history.js';

const SEEDS = 16;

test(`${SEEDS} random histories of gaps end equal, and no write is overwritten without a trace`, async () => {
  const total = { unseen: 0, closed: 0, conflicts: 0, doubtful: 0 };
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const result = await runGapHistory(seed);
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += result[name];
  }
  expect(Object.entries(total).filter(([, count]) => count < SEEDS)).toEqual([]);
}, 60_000);
