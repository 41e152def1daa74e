/**
 * How soon a command answers, and why: what it loads. Measured is the processor's time, of the best of several runs: on a
 * machine that has nothing else to do the two are the same, and one that runs tests is busy.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ProcessNode } from '../support/process-node.js';
import { RUN_JS } from '../support/run-cli.js';
import { makeShop } from '../support/shop-database.js';

const RUNS = 5;
/** Each takes longer to load than a status takes to be read. */
const HEAVY = ['@inquirer', 'chokidar', 'fastify', 'pino', 'prom-client', 'undici', 'ws', 'typescript'];

const folder = mkdtempSync(join(tmpdir(), 'sqlsync-start-up-'));
let node: ProcessNode;

beforeAll(async () => {
  node = await ProcessNode.first(folder, 'paris', makeShop, {}, ['--key-collision', 'keep']);
  await node.start();
});
afterAll(async () => {
  await node.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Writes down how long the processor worked for a process, when it ends. */
const METER = `data:text/javascript,
  import { writeFileSync } from 'node:fs';
  process.on('exit', () => writeFileSync(process.env.METER, JSON.stringify(process.cpuUsage())));`;

function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  nodeFlags: readonly string[] = [],
): void {
  const { status, stderr } = spawnSync(process.execPath, [...nodeFlags, RUN_JS, ...args], {
    cwd: node.folder,
    env: { PATH: process.env.PATH, HOME: node.folder, ...env },
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
}

function bestMs(args: readonly string[]): number {
  const meter = join(folder, 'meter.json');
  const times = Array.from({ length: RUNS }, () => {
    run(args, { METER: meter }, ['--import', METER]);
    const { user, system } = JSON.parse(readFileSync(meter, 'utf8'));
    return (user + system) / 1000;
  });
  return Math.min(...times);
}

test('--version answers within 0.4 s, and status, with a daemon, within 0.6 s', () => {
  expect(bestMs(['--version'])).toBeLessThan(400);
  expect(bestMs(['status', '--json'])).toBeLessThan(600);
});

test('status loads nothing that only other commands need', () => {
  const profiles = join(folder, 'profiles');
  // Whatever code ran is in a coverage report, by its URL.
  run(['status'], { NODE_V8_COVERAGE: profiles });
  const reports = readdirSync(profiles).map((name) => JSON.parse(readFileSync(join(profiles, name), 'utf8')));
  const loaded = (reports as { result: { url: string }[] }[]).flatMap(({ result }) => result.map(({ url }) => url));
  const packages = new Set(loaded.map((url) => /.*node_modules\/(@?[^/]+)/.exec(url)?.[1]).filter((name) => name));
  expect(packages).toContain('better-sqlite3');
  expect([...packages].filter((name) => HEAVY.includes(name ?? ''))).toEqual([]);
});
