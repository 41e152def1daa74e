/**
 * More changes than fit into 32 bits, and rows of a hundred megabytes: npm run prove:large -- [--gigabytes 4.5]
 * [--blob-megabytes 100] [--folder PATH]. An application writes them on one node while the other is away; then that one
 * catches up, with an application of its own that writes a row every 50 ms, and each daemon is killed once on the way.
 * Prints what it took. Exits 1 when the files are not equal in the end.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import Sqlite from 'better-sqlite3';
import { withReader } from '../test/support/compare-files.js';
import { readProcessFigures } from '../test/support/process-figures.js';
import { ProcessNode } from '../test/support/process-node.js';

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '4.5' },
    'blob-megabytes': { type: 'string', default: '100' },
    folder: { type: 'string', default: tmpdir() },
  },
});
const MB = 1_000_000;
const ROW_BYTES = 64 * 1024;
const ROWS_PER_TRANSACTION = 500;
const HUGE_ROWS = 3;
const WRITE_EVERY_MS = 50;
const WAIT_MS_MAX = 3_600_000;
const SCHEMA = `
  CREATE TABLE body(id INTEGER PRIMARY KEY, bytes BLOB);
  CREATE TABLE huge(id INTEGER PRIMARY KEY, bytes BLOB);
  CREATE TABLE note(id INTEGER PRIMARY KEY, at TEXT);`;

const rows = Math.ceil((Number(values.gigabytes) * 1000 * MB) / ROW_BYTES);
const hugeBytes = Number(values['blob-megabytes']) * MB;
const folder = mkdtempSync(join(values.folder, 'sqlsync-large-'));
const nodes: ProcessNode[] = [];

/** The most memory that each daemon has had, in MiB. */
const memory = new Map<string, number>();
let stagedMb = 0;
const commitsMs: number[] = [];

function look(): void {
  for (const node of nodes) {
    try {
      const mib = readProcessFigures(node.pid).memoryBytes / 1024 / 1024;
      memory.set(node.name, Math.max(memory.get(node.name) ?? 0, Math.round(mib)));
    } catch {
      // It has just been killed.
    }
  }
  stagedMb = Math.max(stagedMb, bytesBeside(nodes[1] as ProcessNode) / MB);
}

/** Nobody waits for a daemon that has died of something. */
function assertAlive(): void {
  const dead = nodes.find((node) => !node.isAlive);
  if (dead !== undefined)
    throw new Error(`the daemon of ${dead.name} has ended: ${JSON.stringify(dead.log.slice(-3))}`);
}

/** What the node's daemon keeps beside its file. */
function bytesBeside({ folder: home, path }: ProcessNode): number {
  const names = readdirSync(home, { recursive: true, encoding: 'utf8' });
  const sizes = names.map((name) => statSync(join(home, name), { throwIfNoEntry: false }));
  const all = sizes.reduce((sum, size) => sum + (size?.isFile() ? size.size : 0), 0);
  const own = ['', '-wal', '-shm'].map((side) => statSync(path + side, { throwIfNoEntry: false })?.size ?? 0);
  return all - own.reduce((sum, size) => sum + size, 0);
}

function write(hub: ProcessNode): void {
  const db = new Sqlite(hub.path);
  const insert = db.prepare('INSERT INTO body(bytes) VALUES(randomblob(?))');
  const many = db.transaction((count: number) => {
    for (let n = 0; n < count; n += 1) insert.run(ROW_BYTES);
  });
  for (let left = rows; left > 0; left -= ROWS_PER_TRANSACTION) many(Math.min(left, ROWS_PER_TRANSACTION));
  for (let n = 0; n < HUGE_ROWS; n += 1) db.prepare('INSERT INTO huge(bytes) VALUES(randomblob(?))').run(hugeBytes);
  db.close();
}

function writeNote(db: Sqlite.Database, id: number): void {
  const startedMs = performance.now();
  db.prepare("INSERT INTO note(id, at) VALUES(?, datetime('now'))").run(id);
  commitsMs.push(performance.now() - startedMs);
}

const countOf = ({ path }: ProcessNode, table: string) =>
  withReader(path, (db) => db.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number);

function digestOf({ path }: ProcessNode): string {
  return withReader(path, (db) => {
    const hash = createHash('sha256');
    for (const table of ['body', 'huge', 'note'])
      for (const row of db.prepare(`SELECT * FROM ${table} ORDER BY id`).raw().iterate() as Iterable<unknown[]>)
        for (const value of row) hash.update(Buffer.isBuffer(value) ? value : String(value));
    return hash.digest('hex');
  });
}

const seconds = (sinceMs: number) => `${((performance.now() - sinceMs) / 1000).toFixed(0)} s`;

async function catchUp(hub: ProcessNode, east: ProcessNode): Promise<void> {
  const startedMs = performance.now();
  const app = new Sqlite(east.path, { timeout: 30_000 });
  await east.start();
  const kills = [
    { at: 0.3, node: east },
    { at: 0.6, node: hub },
  ];
  for (let id = 1; ; id += 1) {
    writeNote(app, id);
    look();
    const share = id % 20 === 0 ? countOf(east, 'body') / rows : 0;
    const [next] = kills;
    if (next !== undefined && share >= next.at) {
      kills.shift();
      await next.node.end('SIGKILL');
      await next.node.start();
      console.log(`${next.node.name} killed at ${Math.round(share * 100)} %, after ${seconds(startedMs)}`);
    }
    if (share === 1 && countOf(east, 'huge') === HUGE_ROWS) break;
    if (performance.now() - startedMs > WAIT_MS_MAX) throw new Error('the node does not catch up');
    assertAlive();
    await delay(WRITE_EVERY_MS);
  }
  app.close();
  console.log(`caught up in ${seconds(startedMs)}`);
}

async function untilQuiet(): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    const states = await Promise.all(nodes.map((node) => node.status()));
    if (states.every(({ databases }) => databases[0]?.pendingChanges === 0)) return;
    if (performance.now() - startedMs > WAIT_MS_MAX) throw new Error('changes are still pending');
    assertAlive();
    await delay(1000);
  }
}

try {
  const hub = await ProcessNode.first(folder, 'hub', (path) => {
    const db = new Sqlite(path);
    db.pragma('journal_mode = wal');
    db.exec(SCHEMA);
    db.close();
  });
  nodes.push(hub);
  await hub.start();
  const east = await ProcessNode.joining(hub, 'east');
  nodes.push(east);
  const startedMs = performance.now();
  write(hub);
  console.log(`${rows} rows of ${ROW_BYTES} bytes and ${HUGE_ROWS} of ${hugeBytes} written in ${seconds(startedMs)}`);
  await catchUp(hub, east);
  await untilQuiet();
  const sorted = [...commitsMs].sort((x, y) => x - y);
  const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] as number).toFixed(1);
  console.log(
    `${sorted.length} commits beside it: median ${at(0.5)} ms, 99th percentile ${at(0.99)}, highest ${at(1)}`,
  );
  console.log('memory at most, MiB:', Object.fromEntries(memory));
  console.log(`beside the file at most ${stagedMb.toFixed(0)} MB, now ${(bytesBeside(east) / MB).toFixed(1)}`);
  const complaints = nodes.flatMap((node) => node.complaints.map((line) => `${node.name}: ${JSON.stringify(line)}`));
  console.log(`warnings: ${complaints.length}`, ...complaints.slice(0, 5));
  const equal = digestOf(hub) === digestOf(east);
  console.log(equal ? 'files equal' : 'THE FILES DIFFER');
  if (!equal) process.exitCode = 1;
} finally {
  for (const node of nodes) await node.dispose();
  rmSync(folder, { recursive: true, force: true });
}
