import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { parse } from 'yaml';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { type CliResult, RUN_JS, runCli } from '../support/run-cli.js';
import { filesIn, makeShop, onDatabase, rowsOf } from '../support/shop-database.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** Enough for a join to be cut short in the middle. */
const BULK = `CREATE TABLE picture(id TEXT PRIMARY KEY NOT NULL, data BLOB);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
  INSERT INTO picture SELECT 'p' || i, randomblob(10000) FROM n;`;

let sponsorFolder: string;
let paris: ProcessNode;
let newcomers = 0;

beforeAll(async () => {
  sponsorFolder = mkdtempSync(join(tmpdir(), 'sqlsync-'));
  paris = await ProcessNode.first(sponsorFolder, 'paris', (path) => makeShop(path, BULK));
  await paris.start();
});

afterAll(async () => {
  await paris.dispose();
  rmSync(sponsorFolder, { recursive: true, force: true });
});

/** A folder with the shared secret, in which nobody has joined anything yet. */
function newcomerFolder(): string {
  const cwd = makeFolder();
  copyFileSync(join(paris.folder, 'secret'), join(cwd, 'sqlsync.secret'));
  return cwd;
}

/** A name that no other test has joined under. */
function newName(): string {
  newcomers += 1;
  return `node${newcomers}`;
}

function joinIn(cwd: string, ...args: string[]): Promise<CliResult> {
  return runCli(['join', paris.url, 'shop.db', '--node', newName(), '--json', ...args], { cwd });
}

const PRODUCTS = 'SELECT * FROM product ORDER BY sku';

test('a node joins: the file is the peer’s, the identity its own, and the configuration dials the peer', async () => {
  const cwd = newcomerFolder();
  const run = await joinIn(cwd, '--listen', '127.0.0.1:0');
  expect(run).toMatchObject({ exitCode: 0, stderr: 'next: sqlsync start\n' });
  const report = JSON.parse(run.stdout);
  const path = join(cwd, 'shop.db');
  const { size } = statSync(path);
  expect(report).toEqual({
    database: 'shop',
    path,
    node: `node${newcomers}`,
    peer: 'paris',
    bytes: size,
    setAside: null,
    merge: null,
    configFile: join(cwd, 'sqlsync.yml'),
  });
  expect(rowsOf(path, PRODUCTS)).toEqual(rowsOf(paris.path, PRODUCTS));
  expect(parse(readFileSync(join(cwd, 'sqlsync.yml'), 'utf8'))).toEqual({
    node: report.node,
    listen: '127.0.0.1:0',
    secretFile: './sqlsync.secret',
    databases: [{ name: 'shop', path: './shop.db' }],
    peers: [{ name: 'paris', url: paris.url }],
  });
  const status = JSON.parse((await runCli(['status', '--json'], { cwd })).stdout);
  const [there] = (await paris.status()).databases;
  expect(status.databases[0]).toMatchObject({ dataset: there?.dataset, coverage: 'complete', pendingChanges: 0 });
  expect(status.databases[0].nodeId).not.toBe(there?.nodeId);
  expect(readdirSync(`${path}.sqlsync`)).toEqual(['lock.db']);
  expect(readdirSync(cwd).sort()).toEqual(['shop.db', 'shop.db.sqlsync', 'sqlsync.secret', 'sqlsync.yml']);
});

test('a file with rows is not touched without --replace, and an empty one is no obstacle', async () => {
  const cwd = newcomerFolder();
  makeShop(join(cwd, 'shop.db'));
  const before = filesIn(cwd);
  const refused = await joinIn(cwd);
  expect(refused.exitCode).toBe(2);
  expect(JSON.parse(refused.stdout).error).toMatchObject({
    code: 'database-has-rows',
    message: expect.stringContaining('table product'),
    hint: expect.stringContaining('--replace'),
  });
  expect(filesIn(cwd)).toEqual(before);

  onDatabase(join(cwd, 'shop.db'), (db) => db.exec('DELETE FROM sale; DELETE FROM product;'));
  const joined = JSON.parse((await joinIn(cwd)).stdout);
  expect(rowsOf(join(cwd, 'shop.db'), PRODUCTS)).toHaveLength(2);
  expect(existsSync(joined.setAside)).toBe(true);
});

test('a file with nothing in it makes way, and hands on its mode', async () => {
  const cwd = newcomerFolder();
  const path = join(cwd, 'shop.db');
  writeFileSync(path, '', { mode: 0o600 });
  const run = await joinIn(cwd);
  expect(JSON.parse(run.stdout).setAside).toBeNull();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(rowsOf(path, PRODUCTS)).toHaveLength(2);
});

test('--replace keeps the old file whole beside the new one, what was in its log included', async () => {
  const cwd = newcomerFolder();
  const path = join(cwd, 'shop.db');
  makeShop(path, 'PRAGMA journal_mode = WAL;');
  chmodSync(path, 0o640);
  // An application that is killed leaves its last commits in the log.
  const crash = `const db = new (require('better-sqlite3'))(process.argv[1]);
    db.exec("INSERT INTO product VALUES('mate', 'Mate', 3)"); process.kill(process.pid, 'SIGKILL');`;
  const script = spawn(process.execPath, ['-e', crash, path], { cwd: join(RUN_JS, '..', '..') });
  await once(script, 'close');
  expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);

  const run = await joinIn(cwd, '--replace');
  expect(run.exitCode).toBe(0);
  const { setAside } = JSON.parse(run.stdout);
  expect(setAside).toMatch(/shop\.db\.before-join-\d{8}T\d{6}Z$/);
  expect(rowsOf(setAside, 'SELECT sku FROM product ORDER BY sku')).toEqual([['coffee'], ['mate'], ['tea']]);
  expect(rowsOf(path, PRODUCTS)).toEqual(rowsOf(paris.path, PRODUCTS));
  expect(statSync(path).mode & 0o777).toBe(0o640);
});

test.each(['wal', 'delete'])('--replace takes no file away from who has it open, in journal mode %s', async (mode) => {
  const cwd = newcomerFolder();
  const path = join(cwd, 'shop.db');
  makeShop(path, `PRAGMA journal_mode = ${mode};`);
  const application = new Sqlite(path);
  onTestFinished(() => void application.close());
  application.prepare('SELECT * FROM product').all();
  const run = await joinIn(cwd, '--replace');
  expect(run.exitCode).toBe(75);
  expect(JSON.parse(run.stdout).error).toMatchObject({
    code: 'database-locked',
    message: expect.stringContaining(String(process.pid)),
  });
  expect(application.prepare('SELECT count(*) FROM product').pluck().get()).toBe(2);
  expect(readdirSync(cwd).filter((name) => name.includes('before-join') || name.endsWith('.sqlsync'))).toEqual([]);
});

test('a member does not join again by mistake, and can be seeded afresh', async () => {
  const cwd = newcomerFolder();
  const name = newName();
  const again = (...args: string[]) =>
    runCli(['join', paris.url, 'shop.db', '--node', name, '--json', ...args], { cwd });
  expect((await again()).exitCode).toBe(0);
  const refused = await again();
  expect(refused.exitCode).toBe(2);
  expect(JSON.parse(refused.stdout).error.message).toContain(`belongs to node ${name} already`);
  const other = newName();
  const renamed = await runCli(['join', paris.url, 'shop.db', '--node', other, '--replace', '--json'], { cwd });
  expect(JSON.parse(renamed.stdout)).toMatchObject({ node: other, setAside: expect.any(String) });
  expect(parse(readFileSync(join(cwd, 'sqlsync.yml'), 'utf8'))).toMatchObject({
    node: other,
    databases: [{ name: 'shop' }],
  });
});

test('a join that is cut short leaves nothing, and is simply done again', async () => {
  const cwd = newcomerFolder();
  const before = filesIn(cwd);
  const proxy = await TcpProxy.to(paris.port ?? 0);
  onTestFinished(() => proxy.close());
  const name = newName();
  const through = () => runCli(['join', proxy.url, 'shop.db', '--node', name, '--json'], { cwd });
  proxy.fault = { cutAfterBytes: 1_000_000 };
  const cut = await through();
  expect(cut.exitCode).toBe(69);
  expect(JSON.parse(cut.stdout).error.code).toMatch(/^peer-(unreachable|failed)$/);
  expect(filesIn(cwd)).toEqual(before);
  expect(readdirSync(cwd)).toEqual(['sqlsync.secret']);
  proxy.fault = {};
  expect((await through()).exitCode).toBe(0);
  expect(rowsOf(join(cwd, 'shop.db'), PRODUCTS)).toHaveLength(2);
});

test('Ctrl-C in the middle of a join exits 130 and leaves nothing', async () => {
  const cwd = newcomerFolder();
  const proxy = await TcpProxy.to(paris.port ?? 0);
  onTestFinished(() => proxy.close());
  proxy.fault = { trickleAfterBytes: 1_500_000 };
  const child = spawn(process.execPath, [RUN_JS, 'join', proxy.url, 'shop.db', '--node', newName()], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd },
  });
  const draft = join(cwd, 'shop.db.sqlsync', 'snapshot-draft');
  await until(
    () => (existsSync(draft) && statSync(draft).size > 0 ? true : null),
    15_000,
    () => 'nothing has come',
  );
  child.kill('SIGINT');
  const [exitCode] = await once(child, 'close');
  expect(exitCode).toBe(130);
  expect(readdirSync(cwd)).toEqual(['sqlsync.secret']);
});

test('a peer that cannot sponsor is refused by its reason, and nothing is left here', async () => {
  const stranger = createServer((_, response) => response.end('<html>hello</html>'));
  stranger.listen(0, '127.0.0.1');
  await once(stranger, 'listening');
  onTestFinished(() => void stranger.close());
  const strangerUrl = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
  const cases: readonly [args: string[], exitCode: number, code: string][] = [
    [['http://127.0.0.1:1', 'shop.db'], 69, 'peer-unreachable'],
    [[strangerUrl, 'shop.db'], 65, 'batch-oversized'],
    [[paris.url, 'shop.db', '--name', 'store'], 65, 'database-unknown'],
    [[paris.url, 'shop.db', '--node', 'paris'], 77, 'node-name-taken'],
    [[paris.url, 'shop.db', '--secret-file', 'other'], 77, 'peer-wrong-secret'],
    [[paris.url, 'shop.db', '--secret-file', 'nowhere'], 78, 'secret-missing'],
    [[paris.url, 'no/such/folder/shop.db'], 74, 'database-missing'],
    [['http://example.com', 'shop.db'], 2, 'usage'],
    [['nonsense', 'shop.db'], 2, 'usage'],
  ];
  const cwd = newcomerFolder();
  writeFileSync(join(cwd, 'other'), 'a secret that nobody shares\n', { mode: 0o600 });
  for (const [args, exitCode, code] of cases) {
    const run = await runCli(['join', ...args, '--json'], { cwd, env: { SQLSYNC_NODE: 'newcomer' } });
    expect({ args, exitCode: run.exitCode, code: JSON.parse(run.stdout).error.code }).toEqual({ args, exitCode, code });
  }
  expect(readdirSync(cwd).sort()).toEqual(['other', 'sqlsync.secret']);
});
