/**
 * One commit on one node until another process reads it on the other, live.
 *
 *   npx tsx scripts/bench/live.ts [commits]
 */
import { makePair, pause, waitFor, waitUntilOnline } from './pair.js';
import { makeItem, median, percentile, randomNumbers, sorted } from './workload.js';

const commits = Number(process.argv[2] ?? 300);

const { a, b, remove } = await makePair(() => {});
try {
  a.start();
  b.start();
  waitUntilOnline(b);
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const [app, reader] = [from.open(), to.open()];
    const insert = app.prepare('INSERT INTO items VALUES(?, ?, ?, ?, ?, ?, ?, ?)');
    const has = reader.prepare('SELECT 1 FROM items WHERE id = ?').pluck();
    const next = randomNumbers(from === a ? 11 : 13);
    const latencies: number[] = [];
    for (let i = 0; i < commits + 20; i += 1) {
      const row = makeItem(i, next);
      const start = process.hrtime.bigint();
      insert.run(...row);
      waitFor('the row', () => has.get(row[0]) === 1, 0.2);
      if (i >= 20) latencies.push(Number(process.hrtime.bigint() - start) / 1e6);
      pause(5 + (next() % 20));
    }
    const figures = [median(latencies), percentile(latencies, 0.99), sorted(latencies).at(-1) ?? Number.NaN];
    const [half, most, all] = figures.map((ms) => ms.toFixed(1));
    console.log(
      `${from.name} to ${to.name}, ${commits} commits: median ${half} ms, 99th percentile ${most} ms, highest ${all} ms`,
    );
    app.close();
    reader.close();
  }
} finally {
  await remove();
}
