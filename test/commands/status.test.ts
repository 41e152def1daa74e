import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { NodeStatus } from '../../src/operations/status-report.js';
import { FORMAT_VERSION } from '../../src/replication/metadata-schema.js';
import { WIRE_VERSION } from '../../src/replication/wire-messages.js';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { RUN_JS, runCli } from '../support/run-cli.js';
import { makeShop, onDatabase, rowsOf } from '../support/shop-database.js';
import { until } from '../support/until.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

async function makePair(): Promise<{ paris: ProcessNode; lyon: ProcessNode }> {
  const folder = makeFolder();
  const paris = await ProcessNode.first(folder, 'paris', (path) => makeShop(path));
  onTestFinished(() => paris.dispose());
  await paris.start();
  const lyon = await ProcessNode.joining(paris, 'lyon');
  onTestFinished(() => lyon.dispose());
  return { paris, lyon };
}

const sell = (node: ProcessNode, id: number) =>
  onDatabase(node.path, (db) => db.exec(`INSERT INTO sale VALUES(${id}, 'tea', 1)`));

const DATABASE_FIELDS = {
  name: 'shop',
  dataset: expect.stringMatching(/^[0-9a-f]{32}$/),
  nodeId: expect.stringMatching(/^[0-9a-f]{32}$/),
  formatVersion: FORMAT_VERSION,
  tables: 2,
  excludedTables: [],
  coverage: 'complete',
  tableCoverage: [],
  logEntries: expect.any(Number),
  retainedBytes: expect.any(Number),
  conflictsOpen: 0,
  conflicts: {
    auto: 0,
    open: 0,
    resolved: 0,
    byKind: {
      'update-update': 0,
      'insert-insert': 0,
      'update-delete': 0,
      'key-collision': 0,
      unique: 0,
      orphan: 0,
    },
    byStrategy: { merge: 0, lww: 0, version: 0, manual: 0 },
    merged: 0,
  },
  quarantined: 0,
  heldRows: 0,
  schemaBehind: [],
  catchingUp: false,
  lastBackup: null,
  jobs: [expect.objectContaining({ kind: 'prune', schedule: '30 3 * * *', last: null, succeededAt: null })],
};
const UNKNOWN = { changes: null, oldestSeconds: null };

test('the document has every field of the contract, with a daemon and without one', async () => {
  const { paris, lyon } = await makePair();
  const stopped = await lyon.status();
  expect(stopped).toEqual({
    node: 'lyon',
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    wireVersion: WIRE_VERSION,
    running: false,
    pid: null,
    uptimeSeconds: null,
    configFile: lyon.configFile,
    healthy: false,
    problems: [
      {
        code: 'daemon-down',
        severity: 'error',
        database: null,
        peer: null,
        message: expect.any(String),
        command: 'sqlsync start',
        since: null,
      },
    ],
    databases: [
      {
        ...DATABASE_FIELDS,
        path: lyon.path,
        session: null,
        pendingChanges: 0,
        peers: [
          {
            name: 'paris',
            state: 'offline',
            direction: 'both',
            lastContactAt: null,
            clockSkewSeconds: null,
            outbound: { changes: 0, oldestSeconds: 0 },
            inbound: UNKNOWN,
            rowsSent: null,
            rowsReceived: null,
            lastVerify: null,
            lastError: null,
          },
        ],
      },
    ],
  });

  await lyon.start();
  sell(lyon, 100);
  await until(
    () => (rowsOf(paris.path, 'SELECT 1 FROM sale WHERE id = 100').length > 0 ? true : null),
    10_000,
    () => 'not sold',
  );
  const running = await until(
    async () => {
      const status = await lyon.status();
      const [database] = status.databases;
      // What paris has beyond lyon is unknown until its clock's last entry has travelled too.
      return database?.pendingChanges === 0 && database.peers[0]?.inbound.changes === 0 ? status : null;
    },
    10_000,
    () => 'lyon is not told that paris has it, and nothing else',
  );
  expect(running).toMatchObject({
    running: true,
    pid: lyon.pid,
    uptimeSeconds: expect.any(Number),
    healthy: true,
    problems: [],
  });
  expect(running.databases[0]).toMatchObject({ ...DATABASE_FIELDS, session: expect.stringMatching(/^lyon\./) });
  expect(running.databases[0]?.peers).toEqual([
    {
      name: 'paris',
      state: 'online',
      direction: 'both',
      lastContactAt: expect.stringMatching(/^\d{4}-.*Z$/),
      clockSkewSeconds: expect.any(Number),
      outbound: { changes: 0, oldestSeconds: 0 },
      inbound: { changes: 0, oldestSeconds: 0 },
      // The sale, and that lyon has joined.
      rowsSent: 2,
      rowsReceived: 0,
      lastVerify: null,
      lastError: null,
    },
  ]);
  // A member that dials this node is among its peers too.
  expect((await paris.peer('lyon')).state).toBe('online');
});

test('--check says no without a daemon and yes with one, and what waits is counted in between', async () => {
  const { paris, lyon } = await makePair();
  expect((await lyon.run(['status', '--check'])).exitCode).toBe(1);
  sell(lyon, 100);
  sell(lyon, 101);
  const [database] = (await lyon.status()).databases;
  expect(database).toMatchObject({
    pendingChanges: 2,
    peers: [{ outbound: { changes: 2, oldestSeconds: expect.any(Number) } }],
  });
  await lyon.start();
  await until(
    async () => ((await lyon.run(['status', '--check'])).exitCode === 0 ? true : null),
    10_000,
    () => 'unhealthy',
  );
  await paris.end('SIGTERM');
  const text = await until(
    async () => {
      const { stdout } = await lyon.run(['status']);
      return stdout.includes('peer-unreachable') ? stdout : null;
    },
    10_000,
    () => 'paris is not missed',
  );
  expect(text).toMatch(
    /^lyon is healthy, 1 to look at {2}\(daemon \d+, up .*, .*sqlsync\.yml\)\n\nwarning peer-unreachable \[shop, paris\]: /,
  );
  expect(text).toMatch(/^shop +2 +complete +0 +0 +0 +\//m);
});

test('--watch tells again and again, a document a line, until it is interrupted', async () => {
  const folder = makeFolder();
  const paris = await ProcessNode.first(folder, 'paris', (path) => makeShop(path));
  const watch = spawn(process.execPath, [RUN_JS, 'status', '--watch', '--json'], {
    cwd: paris.folder,
    env: { PATH: process.env.PATH, HOME: paris.folder },
  });
  const lines: string[] = [];
  for await (const line of createInterface(watch.stdout)) {
    lines.push(line);
    if (lines.length === 2) break;
  }
  expect(lines.map((line) => JSON.parse(line).node)).toEqual(['paris', 'paris']);
  watch.kill('SIGINT');
  const [exitCode] = await once(watch, 'close');
  expect(exitCode).toBe(130);
});

test('without a configuration there is nothing to tell, and with several databases one can be named', async () => {
  const folder = makeFolder();
  const paris = await ProcessNode.first(folder, 'paris', (path) => makeShop(path));
  makeShop(`${paris.folder}/second.db`);
  await paris.succeed(['init', `${paris.folder}/second.db`]);
  const names = async (...args: string[]) =>
    JSON.parse((await paris.run(['status', '--json', ...args])).stdout).databases.map(
      ({ name }: { name: string }) => name,
    );
  expect(await names()).toEqual(['shop', 'second']);
  expect(await names('-d', 'second')).toEqual(['second']);
  expect((await paris.run(['status', '-d', 'third'])).exitCode).toBe(2);
  expect((await runCli(['status', '-c', 'nowhere.yml'], { cwd: folder })).exitCode).toBe(78);
});

test('a lock of the application is a state like others, not a failure', async () => {
  const folder = makeFolder();
  const paris = await ProcessNode.first(folder, 'paris', (path) => makeShop(path, 'PRAGMA journal_mode = delete;'));
  onTestFinished(() => paris.dispose());
  await paris.start();
  const check = async () => {
    const { exitCode, stdout } = await paris.run(['status', '--check', '--json']);
    return { exitCode, ...(JSON.parse(stdout) as NodeStatus) };
  };
  const locked = (running: boolean) => ({
    exitCode: 1,
    running,
    databases: [{ name: 'shop', pendingChanges: null, coverage: 'unknown' }],
    problems: expect.arrayContaining([expect.objectContaining({ code: 'database-locked', severity: 'error' })]),
  });
  const application = new Sqlite(paris.path);
  onTestFinished(() => void application.close());
  application.exec('BEGIN EXCLUSIVE');
  const served = await check();
  expect(served).toMatchObject(locked(true));
  expect(served.problems.filter(({ code }) => code === 'database-locked')).toHaveLength(1);
  await paris.end('SIGKILL');
  expect(await check()).toMatchObject(locked(false));
  application.exec('COMMIT');
});
