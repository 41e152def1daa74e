/**
 * Two nodes compared: equal, and with ten rows that differ; and a gap of capture closed while an application writes on
 * the node that has it.
 *
 *   npx tsx scripts/bench/verify.ts [rows]
 */
import { readFileSync } from 'node:fs';
import type { VerifyReport } from '../../src/operations/verify-report.js';
import { enterPrivateSchema, leavePrivateSchema } from '../../src/replication/private-schema.js';
import { makePair, type Node, waitFor, waitUntilOnline } from './pair.js';
import { insertItems, makeItem, median, percentile, randomNumbers, sorted } from './workload.js';

const rows = Number(process.argv[2] ?? 1_000_000);

/** Bytes that a daemon has written: to its sockets, since it writes nothing to files while it compares. */
function bytesWritten(node: Node): number {
  return Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${node.pid}/io`, 'utf8'))?.[1]);
}

/** What two daemons have used and said so far. */
function usage(nodes: readonly Node[]) {
  return {
    seconds: Number(process.hrtime.bigint()) / 1e9,
    bytes: nodes.reduce((sum, node) => sum + bytesWritten(node), 0),
    cpu: nodes.map((node) => node.cpuSeconds()),
  };
}

function told(what: string, before: ReturnType<typeof usage>, after: ReturnType<typeof usage>): string {
  const cpu = after.cpu.map((seconds, i) => (seconds - (before.cpu[i] ?? 0)).toFixed(1)).join(' and ');
  return `${what}: ${(after.seconds - before.seconds).toFixed(1)} s, ${cpu} s of a processor on each side`;
}

/** Exits 1 when the nodes differ: that is an answer too. */
function verify(node: Node): VerifyReport {
  try {
    return JSON.parse(node.run('verify', '--json')) as VerifyReport;
  } catch (error) {
    return JSON.parse((error as { stdout: string }).stdout) as VerifyReport;
  }
}

function compare(nodes: readonly [Node, Node], what: string): void {
  const before = usage(nodes);
  const { equal, peers } = verify(nodes[0]);
  const after = usage(nodes);
  const kilobytes = ((after.bytes - before.bytes) / 1000).toFixed(0);
  console.log(
    told(`${what}: equal ${equal}, ${peers[0]?.differencesTotal} rows differ, ${kilobytes} kB`, before, after),
  );
}

/** Changes ten rows on a connection that fires no triggers. */
function writeUnseen(node: Node, text: string): void {
  const db = node.open();
  enterPrivateSchema(db, []);
  const select = db.prepare('SELECT id FROM items WHERE rowid % ? = 0').pluck();
  const keys = select.all(Math.floor(rows / 10));
  const update = db.prepare('UPDATE items SET note = ? WHERE id = ?');
  for (const key of keys) update.run(text, key);
  leavePrivateSchema(db);
  db.close();
}

/** Loses a trigger, and writes while it is gone. What is written after that tells the daemon. */
function closeGap(nodes: readonly [Node, Node]): void {
  const [node] = nodes;
  writeUnseen(node, 'unrecorded');
  const app = node.open();
  app.exec('DROP TRIGGER _sqlsync_10_update');
  const next = randomNumbers(17);
  const write = app.prepare('INSERT INTO items VALUES(?, ?, ?, ?, ?, ?, ?, ?)');
  const done = app.prepare("SELECT count(*) FROM _sqlsync_operation WHERE command = 'close gap'").pluck();
  const waits: number[] = [];
  const before = usage(nodes);
  const isClosed = () => {
    const start = process.hrtime.bigint();
    write.run(...makeItem(waits.length, next));
    waits.push(Number(process.hrtime.bigint() - start) / 1e6);
    return done.get() === 1;
  };
  waitFor('the gap is closed', isClosed, 10);
  console.log(told('a gap closed while an application writes', before, usage(nodes)));
  const [half, most, all] = [median(waits), percentile(waits, 0.99), sorted(waits).at(-1) ?? Number.NaN].map((ms) =>
    ms.toFixed(0),
  );
  console.log(`  its ${waits.length} commits: median ${half} ms, 99th percentile ${most} ms, highest ${all} ms`);
  app.close();
}

const { a, b, remove } = await makePair((db) => void insertItems(db, rows, 5));
try {
  a.start();
  b.start();
  waitUntilOnline(b);
  compare([b, a], `${rows} equal rows`);
  writeUnseen(a, 'unseen');
  compare([b, a], 'the same with ten rows changed unseen');
  closeGap([a, b]);
} finally {
  await remove();
}
