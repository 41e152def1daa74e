/**
 * Shipping a queue: rows written while the peer is paused, then resumed. From the moment of resuming, and from the first
 * row visible, until the last row is visible to another process on the second node.
 *
 *   npx tsx scripts/bench/ship.ts [rows] [rounds]
 */
import { makePair, waitFor, waitUntilOnline } from './pair.js';
import { insertItems, spread } from './workload.js';

const rows = Number(process.argv[2] ?? 100_000);
const rounds = Number(process.argv[3] ?? 5);

const fromResume: number[] = [];
const fromFirst: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  const { a, b, remove } = await makePair(() => {});
  try {
    a.start();
    b.start();
    waitUntilOnline(b);
    b.run('peers', 'pause', 'a');
    const app = a.open();
    const { first, last } = insertItems(app, rows, 7 + round);
    waitFor(
      'all is folded',
      () =>
        app.prepare('SELECT max(hlc) FROM _sqlsync_log').pluck().get() ===
        app.prepare("SELECT value FROM _sqlsync_state WHERE name = 'folded'").pluck().get(),
    );
    const reader = b.open();
    const has = reader.prepare('SELECT 1 FROM items WHERE id = ?').pluck();
    const resume = process.hrtime.bigint();
    b.run('peers', 'resume', 'a');
    const resumed = process.hrtime.bigint();
    waitFor('the first row', () => has.get(first) === 1, 1);
    const firstSeen = process.hrtime.bigint();
    waitFor('the last row', () => has.get(last) === 1, 1);
    const lastSeen = process.hrtime.bigint();
    const seconds = (from: bigint) => Number(lastSeen - from) / 1e9;
    // The command that resumes is a process of its own: what it takes to start is not shipping.
    fromResume.push(rows / Math.min(seconds(resume), seconds(resumed) + 0.05));
    fromFirst.push(rows / seconds(firstSeen));
    app.close();
    reader.close();
  } finally {
    await remove();
  }
}
console.log(`${rows} queued rows to a second node, rows a second, median (lowest–highest) of ${rounds}:`);
console.log(`  from resuming to the last row visible    ${spread(fromResume, 0)}`);
console.log(`  from the first row visible to the last   ${spread(fromFirst, 0)}`);
