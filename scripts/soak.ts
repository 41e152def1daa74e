/**
 * Runs two daemons under mixed load for a long time, and looks whether they grow:
 * npm run soak -- [--minutes 30] [--writes-per-second 40].
 * Meanwhile configurations are read anew, backups made, history pruned, nodes compared, and an application migrates now
 * and then. In the end the files must be equal, the log must hold no error, descriptors must not have become more, and
 * memory in the last third must lie within 5 % of the middle third. Exits 1 otherwise.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import Sqlite, { type Database } from 'better-sqlite3';
import { untilEqual } from '../test/support/compare-files.js';
import { type ProcessFigures, readProcessFigures } from '../test/support/process-figures.js';
import { ProcessNode } from '../test/support/process-node.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    'writes-per-second': { type: 'string', default: '40' },
  },
});
const minutes = Number(values.minutes);
const pauseMs = 1000 / Number(values['writes-per-second']);

const SCHEMA = `
  CREATE TABLE customer(id TEXT PRIMARY KEY NOT NULL, name TEXT, note TEXT);
  CREATE TABLE "order"(id TEXT PRIMARY KEY NOT NULL, customer TEXT REFERENCES customer(id), amount REAL, state TEXT);
  CREATE TABLE stock(sku TEXT PRIMARY KEY NOT NULL, amount INTEGER);`;
const SAMPLE_MS = 2_000;
const MEMORY_GROWTH_MAX = 0.05;
const DESCRIPTOR_GROWTH_MAX = 5;
const EQUAL_MS_MAX = 120_000;
/** Rows that live at once: data that grows would make everything else grow too. */
const ROWS_MAX = 2_000;

/** What operators and their cron do beside the load, and how often. */
const CHORES: readonly { readonly everyMs: number; readonly args: (node: ProcessNode) => string[] }[] = [
  { everyMs: 20_000, args: (node) => ['backup', '--to', join(node.folder, 'backups')] },
  { everyMs: 25_000, args: () => ['prune', '--keep-log', '10s'] },
  { everyMs: 30_000, args: () => ['verify'] },
  { everyMs: 10_000, args: () => ['status'] },
];
const RELOAD_EVERY_MS = 15_000;
/** Done, and: not now, since so much is being written. */
const EXPECTED_EXITS: readonly (number | null)[] = [0, 75];
const faults = new Set<string>();

class Application {
  private readonly db: Database;
  private writes = 0;

  constructor(private readonly node: ProcessNode) {
    this.db = new Sqlite(node.path, { timeout: 30_000 });
    this.db.pragma('foreign_keys = ON');
  }

  write(): void {
    this.writes += 1;
    const id = `${this.node.name}-${this.writes % ROWS_MAX}`;
    const shared = `shared-${this.writes % 50}`;
    this.db.transaction(() => {
      this.db.prepare(`INSERT OR IGNORE INTO customer VALUES(?, ?, NULL)`).run(shared, `name of ${shared}`);
      this.db
        .prepare(`INSERT INTO "order" VALUES(?, ?, ?, 'new') ON CONFLICT DO UPDATE SET amount = excluded.amount`)
        .run(id, shared, this.writes / 7);
      this.db.prepare(`INSERT INTO stock VALUES(?, 1) ON CONFLICT DO UPDATE SET amount = amount + 1`).run(shared);
      if (this.writes % 3 === 0)
        this.db.prepare(`UPDATE customer SET note = ? WHERE id = ?`).run(`note ${this.writes}`, shared);
      if (this.writes % 5 === 0)
        this.db.prepare(`DELETE FROM "order" WHERE id = ?`).run(`${this.node.name}-${(this.writes * 7) % ROWS_MAX}`);
    })();
  }

  close(): void {
    this.db.close();
  }
}

async function writeUntil(application: Application, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    application.write();
    await delay(pauseMs);
  }
}

async function every(everyMs: number, ended: AbortSignal, work: () => Promise<void>): Promise<void> {
  for (let nextMs = performance.now() + everyMs; !ended.aborted; ) {
    if (performance.now() >= nextMs) {
      nextMs += everyMs;
      await work();
    }
    await delay(250);
  }
}

async function doChore(node: ProcessNode, args: string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await node.run([...args, '--json']);
  if (!EXPECTED_EXITS.includes(exitCode))
    faults.add(`${node.name}: sqlsync ${args[0]} exits ${exitCode}: ${stdout}${stderr}`);
}

function doChores(node: ProcessNode, ended: AbortSignal): Promise<void>[] {
  return [
    ...CHORES.map(({ everyMs, args }) => every(everyMs, ended, () => doChore(node, args(node)))),
    every(RELOAD_EVERY_MS, ended, async () => void process.kill(node.pid, 'SIGHUP')),
  ];
}

async function sample(node: ProcessNode, figures: ProcessFigures[], ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    figures.push(readProcessFigures(node.pid));
    await delay(SAMPLE_MS);
  }
}

const mean = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** What is wrong with how a process has grown. */
function judge(name: string, figures: readonly ProcessFigures[]): string[] {
  const third = Math.floor(figures.length / 3);
  const [middle, last] = [figures.slice(third, 2 * third), figures.slice(2 * third)];
  const memory = [middle, last].map((part) => mean(part.map(({ memoryBytes }) => memoryBytes / 2 ** 20)));
  const [middleMib, lastMib] = memory as [number, number];
  const growth = lastMib / middleMib - 1;
  const most = [middle, last].map((part) => Math.max(...part.map(({ descriptors }) => descriptors)));
  const [middleMost, lastMost] = most as [number, number];
  const text = `${name}: ${middleMib.toFixed(1)} MiB in the middle third, ${lastMib.toFixed(1)} in the last (${(100 * growth).toFixed(1)} %); at most ${middleMost} and ${lastMost} descriptors`;
  console.log(text);
  return [
    ...(growth > MEMORY_GROWTH_MAX ? [`${name} grows`] : []),
    ...(lastMost > middleMost + DESCRIPTOR_GROWTH_MAX ? [`${name} loses descriptors`] : []),
  ];
}

const folder = mkdtempSync(join(tmpdir(), 'sqlsync-soak-'));
const hub = await ProcessNode.first(folder, 'hub', (path) => {
  const db = new Sqlite(path);
  db.pragma('journal_mode = WAL');
  db.exec(SCHEMA);
  db.close();
});
await hub.start();
const east = await ProcessNode.joining(hub, 'east');
await east.start();
const nodes = [hub, east];
try {
  const ending = new AbortController();
  const applications = nodes.map((node) => new Application(node));
  const figures = nodes.map(() => [] as ProcessFigures[]);
  const work = [
    ...applications.map((application) => writeUntil(application, ending.signal)),
    ...nodes.flatMap((node) => doChores(node, ending.signal)),
    ...nodes.map((node, i) => sample(node, figures[i] as ProcessFigures[], ending.signal)),
  ];
  await Promise.race([delay(minutes * 60_000), Promise.all(work)]);
  ending.abort();
  await Promise.all(work);
  for (const application of applications) application.close();
  await untilEqual(nodes, EQUAL_MS_MAX);
  console.log('files equal');
  for (const [i, node] of nodes.entries()) {
    for (const fault of judge(node.name, figures[i] as ProcessFigures[])) faults.add(fault);
    const errors = node.log.filter(({ level }) => level === 'error' || level === 'fatal');
    for (const { msg } of errors.slice(0, 5)) faults.add(`${node.name} logs: ${msg}`);
  }
} finally {
  for (const node of nodes) await node.dispose();
}
for (const fault of faults) console.log(fault);
if (faults.size > 0) process.exitCode = 1;
else rmSync(folder, { recursive: true });
