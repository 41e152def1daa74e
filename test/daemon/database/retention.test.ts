/** History goes by the schedule, once it is closed, old and everywhere; what the application has stays what it was. */
import { expect, it, vi } from 'vitest';
import { makeFolder } from '../../support/make-folder.js';
import { TestNode } from '../node.js';

const soon = { interval: 50, timeout: 20_000 };
const DAY_MS = 86_400_000;
const countOf = (node: TestNode, table: string) =>
  node.application.prepare(`SELECT count(*) FROM _sqlsync_${table}`).pluck().get();

it('a daemon lets closed conflicts go by its schedule', { timeout: 60_000 }, async () => {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
  await lyon.start({ peers: [paris.asPeer] });
  paris.insert(1, 'first');
  await vi.waitFor(() => expect(lyon.names()).toEqual(['first']), soon);
  await lyon.stop();
  paris.application.exec(`UPDATE item SET name = 'paris'`);
  lyon.application.exec(`UPDATE item SET name = 'lyon'`);
  const prune = { schedule: '* * * * * *', keepConflictsMs: DAY_MS, keepOperationsMs: DAY_MS };
  await lyon.start({ peers: [paris.asPeer], prune });
  await vi.waitFor(() => expect([countOf(paris, 'conflict'), countOf(lyon, 'conflict')]).toEqual([1, 1]), soon);
  await vi.waitFor(() => expect(lyon.names()).toEqual(paris.names()), soon);
  // It is young: not even when every member has it does it go. Then it has lain there for two days.
  await vi.waitFor(() => expect(countOf(lyon, 'meta_3')).toBe(0), soon);
  expect(countOf(lyon, 'conflict')).toBe(1);
  lyon.application.prepare('UPDATE _sqlsync_conflict SET detected_at = detected_at - ?').run(2 * DAY_MS);
  await vi.waitFor(() => expect(countOf(lyon, 'conflict')).toBe(0), soon);
  expect(countOf(paris, 'conflict')).toBe(1);
  expect(lyon.names()).toEqual(paris.names());
});
