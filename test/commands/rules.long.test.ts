import Sqlite from 'better-sqlite3';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { RuleReport } from '../../src/operations/change-rules.js';
import type { RulesReport } from '../../src/operations/list-rules.js';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { runCli } from '../support/run-cli.js';
import { TcpProxy } from '../support/tcp-proxy.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const soon = { interval: 50, timeout: 50_000 };
const SCHEMA = `CREATE TABLE product(sku TEXT PRIMARY KEY, name, price);
  CREATE TABLE sale(id INTEGER PRIMARY KEY, sku REFERENCES product(sku));`;

function makeShop(path: string): void {
  const db = new Sqlite(path);
  db.pragma('journal_mode = wal');
  db.exec(SCHEMA);
  db.close();
}

function write(node: ProcessNode, sql: string): void {
  const db = new Sqlite(node.path, { timeout: 30_000 });
  db.exec(sql);
  db.close();
}

function productsOf({ path }: ProcessNode): unknown[] {
  const db = new Sqlite(path, { readonly: true });
  const rows = db.prepare('SELECT * FROM product').raw().all();
  db.close();
  return rows;
}

/** The hub dials east, over a network that can be spoiled; west only dials the hub. All daemons run. */
async function startThree() {
  const folder = makeFolder();
  const hub = await ProcessNode.first(folder, 'hub', makeShop);
  await hub.start();
  const east = await ProcessNode.joining(hub, 'east', { listens: true });
  const west = await ProcessNode.joining(hub, 'west');
  const nodes = [hub, east, west];
  onTestFinished(async () => {
    for (const node of nodes) await node.dispose();
  });
  await east.succeed(['peers', 'remove', 'hub']);
  await east.start();
  await west.start();
  const proxy = await TcpProxy.to(east.port ?? 0);
  onTestFinished(() => proxy.close());
  await hub.succeed(['peers', 'add', `east=${proxy.url}`]);
  await vi.waitFor(async () => {
    for (const peer of ['east', 'west']) expect((await hub.peer(peer)).state).toBe('online');
  }, soon);
  return { hub, east, west, nodes, proxy };
}

const rulesOf = async (node: ProcessNode) => (await node.succeed(['rules'])) as RulesReport;
const productOf = async (node: ProcessNode) => (await rulesOf(node)).items.find(({ table }) => table === 'product');
/** What the daemon itself says: a process for the question takes its time. */
const waitsFor = async (node: ProcessNode) =>
  (await (await node.control()).status()).databases[0]?.replica?.rules.underWay?.coordinator ?? null;
const asJson = (run: { stdout: string }) => JSON.parse(run.stdout);

test('a rule is set on every member, and every member shows who has adopted it', async () => {
  const { hub, west, nodes } = await startThree();
  const report = (await hub.succeed(['rules', 'set', 'product', 'version', '--order', 'west,hub'])) as RuleReport;
  const rule = { table: 'product', strategy: 'version', order: ['west', 'hub'], keyCollision: 'keep', orphan: 'keep' };
  expect(report).toEqual({
    database: 'shop',
    dryRun: false,
    changed: true,
    inEffect: true,
    rule: { ...rule, own: true },
    members: ['east', 'hub', 'west'].map((name) => ({ name, adopted: true })),
  });
  for (const node of nodes) {
    await vi.waitFor(async () => {
      const { items, total, nextCursor, members, change } = await rulesOf(node);
      expect({ total, nextCursor, change }).toEqual({ total: 2, nextCursor: null, change: null });
      expect(items).toEqual([
        { ...rule, own: true },
        { table: 'sale', strategy: 'merge', order: [], keyCollision: 'keep', orphan: 'keep', own: false },
      ]);
      expect(members).toContainEqual({ name: 'hub', adopted: true });
      expect(members.every(({ adopted }) => adopted !== false)).toBe(true);
    }, soon);
  }
  const again = await hub.run(['rules', 'set', 'product', 'version', '--order', 'west,hub']);
  expect(again).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('nothing to change: product goes by') });
  const text = await hub.run(['rules']);
  expect(text.stdout).toMatch(/^product +version +west, hub +keep +keep +own$/m);
  expect(text.stdout).toMatch(/^west +yes$/m);

  await hub.succeed(['rules', 'set', 'product', 'lww']);
  write(hub, "INSERT INTO product VALUES('tea', 'Assam', 1)");
  await vi.waitFor(() => expect(productsOf(west)).toEqual([['tea', 'Assam', 1]]), soon);
  // By merge both columns would stay.
  await west.end('SIGTERM');
  write(hub, "UPDATE product SET name = 'Darjeeling'");
  write(west, 'UPDATE product SET price = 2');
  await west.start();
  await vi.waitFor(() => {
    for (const node of nodes) expect(productsOf(node)).toEqual([['tea', 'Assam', 2]]);
  }, soon);
  const operations = (await west.succeed(['operations'])) as { items: { command: string; node: string }[] };
  expect(operations.items).toContainEqual(
    expect.objectContaining({ node: 'hub', command: expect.stringContaining('rules set product version') }),
  );
});

test('with a member down nothing is changed, and it is named', async () => {
  const { hub, east, west, nodes } = await startThree();
  await west.end('SIGTERM');
  const run = await hub.run(['rules', 'set', 'product', 'lww', '--json']);
  expect(run.exitCode).toBe(69);
  expect(asJson(run).error).toMatchObject({ code: 'peer-unreachable', message: expect.stringContaining('west (') });
  expect(asJson(run).error.message).not.toContain('east (');
  await east.end('SIGTERM');
  const both = await hub.run(['rules', 'set', 'product', 'lww']);
  expect(both).toMatchObject({ exitCode: 69, stderr: expect.stringMatching(/east \(.*west \(/) });
  for (const node of nodes) expect((await productOf(node))?.strategy).toBe('merge');
});

test('a coordinator that is killed before it has decided leaves nobody waiting once it is back', async () => {
  const { hub, east, west, nodes, proxy } = await startThree();
  proxy.fault = { keepBackAfter: 'POST /v1/rules' };
  const setting = hub.run(['rules', 'set', 'product', 'lww']);
  await vi.waitFor(async () => {
    for (const node of [east, west]) expect(await waitsFor(node)).toBe('hub');
  }, soon);
  await hub.end('SIGKILL');
  expect((await setting).exitCode).not.toBe(0);
  proxy.fault = {};
  proxy.cutAll();
  // Meanwhile they wait, over a restart too, and what is written waits with them.
  await west.end('SIGKILL');
  await west.start();
  expect((await west.run(['rules'])).stdout).toContain('a change of the rules of product by hub is under way since');
  write(west, "INSERT INTO product VALUES('tea', 'Assam', 1)");
  await hub.start();
  await vi.waitFor(async () => {
    for (const node of nodes) expect(await waitsFor(node)).toBeNull();
  }, soon);
  await vi.waitFor(async () => {
    const run = await hub.run(['rules', 'set', 'product', 'lww', '--json']);
    expect(asJson(run)).toMatchObject({ changed: true });
  }, soon);
  await vi.waitFor(() => expect(productsOf(east)).toEqual([['tea', 'Assam', 1]]), soon);
  for (const node of nodes) expect((await productOf(node))?.strategy).toBe('lww');
});

describe('alone, and without a daemon', () => {
  async function alone() {
    return ProcessNode.first(makeFolder(), 'paris', makeShop);
  }

  test('a rule is set at once; a rehearsal sets none', async () => {
    const paris = await alone();
    const planned = await paris.run(['rules', 'set', '*', '--key-collision', 'rekey', '--dry-run', '--json']);
    expect(asJson(planned)).toMatchObject({ dryRun: true, changed: false, inEffect: false });
    expect(asJson(planned).rule).toMatchObject({ table: '*', keyCollision: 'rekey' });
    expect((await rulesOf(paris)).items.map(({ table }) => table)).toEqual(['product', 'sale']);
    await paris.succeed(['rules', 'set', '*', '--key-collision', 'rekey']);
    await paris.succeed(['rules', 'set', 'sale', '--orphan', 'restore-parent']);
    const { items, members } = await rulesOf(paris);
    expect(items.map(({ table, keyCollision, orphan, own }) => [table, keyCollision, orphan, own])).toEqual([
      ['*', 'rekey', 'keep', true],
      ['product', 'rekey', 'keep', false],
      ['sale', 'rekey', 'restore-parent', true],
    ]);
    expect(members).toEqual([{ name: 'paris', adopted: true }]);
    expect(await paris.run(['rules', 'recover'])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('no change of the rules waits here'),
    });
  });

  test.each([
    [['set', 'product'], 'nothing to set'],
    [['set', 'nowhere', 'lww'], 'no table "nowhere" replicates here'],
    [['set', 'product', 'newest'], 'newest'],
    [['set', 'product', 'version', '--order', 'rome'], '"rome" is no member'],
    [['set', 'product', '--key-collision', 'rekey'], 'gives out no keys in product'],
    [['set', 'product', '--orphan', 'delete'], 'has no foreign keys'],
  ])('rules %j is a mistake', async (args, message) => {
    const paris = await alone();
    const run = await paris.run(['rules', ...args, '--json']);
    expect(run.exitCode).toBe(2);
    expect(asJson(run).error).toMatchObject({ code: 'usage', message: expect.stringContaining(message) });
  });

  test('init begins a data set with the rule that it is given', async () => {
    const cwd = makeFolder();
    makeShop(`${cwd}/shop.db`);
    const run = await runCli(['init', 'shop.db', '--node', 'paris', '--key-collision', 'rekey'], { cwd });
    expect(run).toMatchObject({ exitCode: 0, stderr: expect.not.stringContaining('warning') });
    const rules = asJson(await runCli(['rules', '--json'], { cwd })) as RulesReport;
    expect(rules.items[0]).toMatchObject({ table: '*', keyCollision: 'rekey', own: true });
    const other = await runCli(['init', 'shop.db', '--key-collision', 'keep'], { cwd });
    expect(other).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("sqlsync rules set '*' --key-collision keep"),
    });
    expect((await runCli(['init', 'shop.db', '--key-collision', 'rekey'], { cwd })).exitCode).toBe(0);
  });
});
