/** A short, seeded slice of what `npm run simulate -- --of members` looks at in thousands. */
import { expect, test } from 'vitest';
import { runMemberHistory } from '../support/member-history.js';

const SEEDS = 24;

test(`${SEEDS} random histories of who belongs end equal, with nothing lost and nothing left of the metadata`, () => {
  const total = {
    ...{ removed: 0, rejoined: 0, restores: 0, joined: 0, stale: 0, writtenAgain: 0, sessionsDropped: 0 },
    ...{ late: 0, cutShort: 0, held: 0 },
  };
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const result = runMemberHistory(seed);
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += result[name];
  }
  expect(Object.entries(total).filter(([, count]) => count === 0)).toEqual([]);
}, 120_000);
