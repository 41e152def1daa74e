import { expect, test, vi } from 'vitest';
import { resolveMany } from '../support/many-conflicts.js';

// How long it takes is for `npm run prove:conflicts` to say: a machine that runs tests is busy.
vi.setConfig({ testTimeout: 180_000 });

test('five thousand are listed by page, counted, rehearsed and resolved, but for those written meanwhile', async () => {
  const found = await resolveMany(5_000, [7, 4_999]);
  const { page, secondPage, summary, rehearsal, resolution } = found;
  expect(page.document).toMatchObject({ total: 5_000, nextCursor: expect.any(String) });
  const ids = [...page.document.items, ...secondPage.document.items].map(({ id }) => id);
  expect(new Set(ids).size).toBe(100);
  expect(summary.document).toMatchObject({ total: 5_000, auto: 5_000, byTable: [{ table: 'product', total: 5_000 }] });
  expect(rehearsal).toMatchObject({ exitCode: 0, document: { resolved: 5_000, dryRun: true } });
  expect(resolution).toMatchObject({ exitCode: 1, document: { resolved: 4_998, skipped: 2, failed: 0 } });
  const skipped = resolution.document.items.filter(({ status }) => status === 'skipped');
  expect(skipped.map(({ key }) => key?.sku).sort()).toEqual([4_999, 7]);
  expect(found.pricesLeft).toEqual([-1, -1]);
  expect(found.isEqual).toBe(true);
});
