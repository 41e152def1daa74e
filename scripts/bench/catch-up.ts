/**
 * A catch-up of many rows, and what it costs: each daemon's memory, and how long an application that writes on the
 * receiving node is kept from its write lock.
 *
 *   npx tsx scripts/bench/catch-up.ts [rows]
 */
import { makePair, pause, waitFor, waitUntilOnline } from './pair.js';
import { insertItems, makeItem, median, percentile, randomNumbers, sorted } from './workload.js';

const rows = Number(process.argv[2] ?? 1_000_000);

const { a, b, remove } = await makePair(() => {});
try {
  a.start();
  const app = a.open();
  const { last } = insertItems(app, rows, 5);
  app.close();
  const writer = b.open();
  const write = writer.prepare('INSERT INTO items VALUES(?, ?, ?, ?, ?, ?, ?, ?)');
  const has = writer.prepare('SELECT 1 FROM items WHERE id = ?').pluck();
  const next = randomNumbers(17);
  b.start();
  const start = process.hrtime.bigint();
  const waits: number[] = [];
  waitFor(
    'the last row',
    () => {
      const before = process.hrtime.bigint();
      write.run(...makeItem(waits.length, next));
      waits.push(Number(process.hrtime.bigint() - before) / 1e6);
      return has.get(last) === 1;
    },
    10,
  );
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  waitUntilOnline(b);
  pause(1000);
  console.log(
    `${rows} rows caught up in ${seconds.toFixed(1)} s (${Math.round(rows / seconds)} rows a second), an application writing meanwhile`,
  );
  console.log(
    `  highest resident set: sender ${a.peakMegabytes().toFixed(0)} MB, receiver ${b.peakMegabytes().toFixed(0)} MB`,
  );
  const [half, most, all] = [median(waits), percentile(waits, 0.99), sorted(waits).at(-1) ?? Number.NaN].map((ms) =>
    ms.toFixed(0),
  );
  console.log(`  its ${waits.length} commits: median ${half} ms, 99th percentile ${most} ms, highest ${all} ms`);
  writer.close();
} finally {
  await remove();
}
