/** A node that was away for too long, or is an older copy, comes back with what only it has. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readdirSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { RejoinPlan, RejoinReport } from '../../src/operations/rejoin-database.js';
import { makeFolder } from '../support/make-folder.js';
import { type ConfigChange, ProcessNode } from '../support/process-node.js';
import { RUN_JS } from '../support/run-cli.js';
import { makeShop, onDatabase, rowsOf } from '../support/shop-database.js';
import { until } from '../support/until.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 240_000 });

const STEP_MS_MAX = 90_000;
/** Only when a command says so. */
const UNASKED: ConfigChange = { peer: { live: false, schedule: null }, prune: { schedule: null } };
const EVERY_SECOND: ConfigChange = { peer: { live: true, schedule: '* * * * * *' }, prune: { schedule: null } };

function kept(node: ProcessNode): ProcessNode {
  onTestFinished(() => node.dispose());
  return node;
}

async function first(folder: string, change: ConfigChange): Promise<ProcessNode> {
  return kept(await ProcessNode.first(folder, 'paris', (path) => makeShop(path), change)).start();
}

const joining = async (sponsor: ProcessNode, name: string, change: ConfigChange) =>
  kept(await ProcessNode.joining(sponsor, name, { change }));

const write = (node: ProcessNode, sql: string) => onDatabase(node.path, (db) => db.exec(sql));
const products = (node: ProcessNode) => rowsOf(node.path, 'SELECT sku, name, price FROM product ORDER BY sku');
const sales = (node: ProcessNode) => rowsOf(node.path, 'SELECT id, sku, quantity FROM sale ORDER BY id');
const unsettled = ({ path }: ProcessNode) =>
  onDatabase(path, (db) => {
    const tables = db.prepare(`SELECT name FROM sqlite_schema WHERE name GLOB '_sqlsync_meta_*' AND type = 'table'`);
    const counts = (tables.pluck().all() as string[]).map((name) =>
      db.prepare(`SELECT count(*) FROM "${name}"`).pluck().get(),
    );
    return counts.reduce((sum: number, count) => sum + (count as number), 0);
  });

async function expectSame(nodes: readonly ProcessNode[]): Promise<void> {
  const contents = () => nodes.map((node) => JSON.stringify([products(node), sales(node)]));
  await until(
    () => (new Set(contents()).size === 1 ? true : null),
    STEP_MS_MAX,
    () => contents().join('\n'),
  );
}

/** Runs a command, and kills it at a moment, unless it has ended before. */
async function runAndKill(node: ProcessNode, args: readonly string[], hasCome: () => boolean): Promise<void> {
  const options = { cwd: node.folder, env: { PATH: process.env.PATH, HOME: node.folder }, stdio: 'ignore' } as const;
  const child = spawn(process.execPath, [RUN_JS, ...args, '-c', node.configFile, '--no-input'], options);
  const ended = once(child, 'close');
  while (child.exitCode === null && !hasCome()) await turn();
  child.kill('SIGKILL');
  await ended;
}

test('away for longer than history is kept, with writes that nobody has: told so, and after a rejoin all is everywhere', async () => {
  const folder = makeFolder();
  const prune = { schedule: '* * * * * *', keepLog: '0s', peerTimeout: '8s' };
  const paris = await first(folder, { prune });
  const nice = await (await joining(paris, 'nice', EVERY_SECOND)).start();
  const lyon = await joining(paris, 'lyon', UNASKED);
  await lyon.succeed(['sync']);

  write(lyon, `UPDATE product SET price = 5 WHERE sku = 'tea'; INSERT INTO sale VALUES(30, 'tea', 3)`);
  write(lyon, `DELETE FROM sale WHERE id = 2; INSERT INTO product VALUES('mate', 'Cruz', 7)`);
  write(paris, `UPDATE product SET name = 'Darjeeling' WHERE sku = 'tea'; INSERT INTO sale VALUES(10, 'coffee', 1)`);
  write(nice, `INSERT INTO sale VALUES(20, 'coffee', 2)`);
  const removal = `SELECT removed FROM _sqlsync_member WHERE name = 'lyon' AND removed IS NOT NULL`;
  await until(
    () => rowsOf(paris.path, removal)[0] ?? null,
    STEP_MS_MAX,
    () => JSON.stringify(paris.log.slice(-20)),
  );
  await until(
    () => (unsettled(paris) === 0 ? true : null),
    STEP_MS_MAX,
    () => `${unsettled(paris)} rows of history`,
  );

  const refused = await lyon.run(['sync', '--json']);
  expect(refused.exitCode).toBe(65);
  expect(JSON.parse(refused.stdout).items[0].error).toMatchObject({ hint: 'on lyon: sqlsync rejoin' });
  await lyon.start();
  await lyon.run(['sync']);
  const { problems, databases } = await lyon.status();
  expect(databases[0]?.peers).toContainEqual(expect.objectContaining({ name: 'paris', state: 'stale' }));
  const told = problems.find(({ peer }) => peer === 'paris');
  expect(told).toMatchObject({ severity: 'error', command: expect.stringMatching(/^sqlsync rejoin/) });
  const served = await lyon.run(['rejoin', '--json']);
  expect(served.exitCode).toBe(75);
  expect(JSON.parse(served.stdout).error.code).toBe('database-in-use');
  await lyon.end('SIGTERM');

  const plan = (await lyon.succeed(['rejoin', '--dry-run'])) as RejoinPlan;
  expect(plan).toMatchObject({ database: 'shop', node: 'lyon', peers: ['paris'], unsent: { product: 2, sale: 2 } });
  const report = (await lyon.succeed(['rejoin'])) as RejoinReport;
  expect(report).toMatchObject({
    ...{ database: 'shop', node: 'lyon', peer: 'paris' },
    kept: { rows: { product: 2, sale: 2 }, conflicts: 2, refused: 0, compared: false },
  });
  // Paris keeps nothing that tells whether others had written the same since: what was there before is in a record.
  expect(rowsOf(lyon.path, `SELECT tbl, kind, loser ->> '$.row' FROM _sqlsync_conflict ORDER BY tbl`)).toEqual([
    ['product', 'update-update', JSON.stringify({ sku: 'tea', name: 'Darjeeling', price: 4.2 })],
    ['sale', 'update-delete', JSON.stringify({ id: 2, sku: 'coffee', quantity: 1 })],
  ]);
  expect(rowsOf(report.setAside, "SELECT price FROM product WHERE sku = 'tea'")).toEqual([[5]]);
  lyon.configure(EVERY_SECOND);
  await lyon.start();
  await expectSame([paris, nice, lyon]);
  expect(products(nice)).toEqual([
    ['coffee', 'Yirgacheffe', 9.5],
    ['mate', 'Cruz', 7],
    ['tea', 'Darjeeling', 5],
  ]);
  expect(sales(nice)).toEqual([[1, 'tea', 2], [10, 'coffee', 1], [20, 'coffee', 2], [30, 'tea', 3]]); // biome-ignore format: one line
  expect((await lyon.status()).databases[0]?.peers).toContainEqual(
    expect.objectContaining({ name: 'paris', state: expect.stringMatching(/^(online|syncing)$/) }),
  );
});

test('a rejoin that is killed at any moment has changed nothing, or is done; done again it loses nothing', async () => {
  const paris = await first(makeFolder(), { prune: { schedule: null } });
  write(
    paris,
    `WITH n(i) AS (VALUES(100) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO sale SELECT i, 'tea', 1 FROM n`,
  );
  const lyon = await joining(paris, 'lyon', UNASKED);
  await lyon.succeed(['sync']);
  await paris.succeed(['members', 'remove', 'lyon', '--yes']);
  write(lyon, `UPDATE sale SET quantity = 2 WHERE id BETWEEN 100 AND 3000; INSERT INTO sale VALUES(30000, 'tea', 1)`);
  write(paris, `UPDATE sale SET sku = 'coffee' WHERE id BETWEEN 100 AND 200`);
  const mine = sales(lyon);
  const asideFiles = () => readdirSync(lyon.folder).filter((name) => name.startsWith('shop.db.before-rejoin'));
  const drafts = () => readdirSync(`${lyon.path}.sqlsync`).filter((name) => name.includes('draft'));
  const moments: Readonly<Record<string, () => boolean>> = {
    'a peer has made it a member anew': () =>
      rowsOf(paris.path, `SELECT 1 FROM _sqlsync_member WHERE name = 'lyon' AND removed IS NULL`).length > 0,
    'the snapshot comes': () => drafts().length > 0,
    'rows are written again': () => drafts().some((name) => name.endsWith('-wal') || name.endsWith('-journal')),
    'the file is about to take its place': () => asideFiles().length > 0,
  };
  for (const [moment, hasCome] of Object.entries(moments)) {
    const before = asideFiles().length;
    await runAndKill(lyon, ['rejoin'], hasCome);
    const hasBegunToPlace = asideFiles().length > before;
    // Until then the file is as it was.
    if (!hasBegunToPlace) expect({ moment, sales: sales(lyon) }).toEqual({ moment, sales: mine });
  }
  await lyon.succeed(['rejoin']);
  await lyon.succeed(['sync']);
  await expectSame([paris, lyon]);
  const expected = (mine as [number, string, number][]).map(([id, sku, quantity]) =>
    id >= 100 && id <= 200 ? [id, 'coffee', quantity] : [id, sku, quantity],
  );
  expect(sales(paris)).toEqual(expected);
  // Whether paris can still tell that nobody else had written them depends on what it has settled by then.
  const others = `SELECT key FROM _sqlsync_conflict WHERE key ->> '$.id' NOT BETWEEN 100 AND 3000`;
  expect(rowsOf(paris.path, others)).toEqual([]);
});

test('an older copy in the place of the file is stale, and is told apart from what the others have', async () => {
  const paris = await first(makeFolder(), UNASKED);
  const lyon = await joining(paris, 'lyon', UNASKED);
  await lyon.succeed(['sync']);
  copyFileSync(lyon.path, `${lyon.path}.backup`);
  // Sessions of lyon's end, and when all have what they wrote they are let go of.
  for (let day = 1; day <= 2; day += 1) {
    write(
      lyon,
      `INSERT INTO sale VALUES(${100 + day}, 'tea', ${day}); UPDATE product SET price = ${day} WHERE sku = 'tea'`,
    );
    for (let round = 0; round < 2; round += 1) await lyon.succeed(['sync']);
    for (const node of [lyon, paris]) await node.succeed(['prune']);
  }
  copyFileSync(`${lyon.path}.backup`, lyon.path);
  write(lyon, `INSERT INTO sale VALUES(200, 'coffee', 9)`);
  await lyon.succeed(['identity', lyon.path, '--restored']);
  const refused = await lyon.run(['sync', '--json']);
  expect(JSON.parse(refused.stdout).items[0].error).toMatchObject({ code: 'stale', hint: 'on lyon: sqlsync rejoin' });
  expect(await lyon.succeed(['rejoin'])).toMatchObject({ kept: { rows: { sale: 1 }, conflicts: 0 } });
  await lyon.succeed(['sync']);
  await expectSame([paris, lyon]);
  expect(sales(paris).map((row) => (row as unknown[])[0])).toEqual([1, 2, 101, 102, 200]);
  expect(rowsOf(paris.path, `SELECT price FROM product WHERE sku = 'tea'`)).toEqual([[2]]);
});

test('what only it has is discarded when asked, and is in the file that was put aside', async () => {
  const paris = await first(makeFolder(), UNASKED);
  const lyon = await joining(paris, 'lyon', UNASKED);
  await lyon.succeed(['sync']);
  write(lyon, `INSERT INTO sale VALUES(30, 'tea', 3)`);
  expect(await lyon.run(['rejoin', '--discard-local'])).toMatchObject({
    ...{ exitCode: 2, stderr: expect.stringContaining('--yes') },
  });
  const report = (await lyon.succeed(['rejoin', 'paris', '--discard-local', '--yes'])) as RejoinReport;
  expect(report.kept).toBeNull();
  expect(sales(lyon)).toEqual(sales(paris));
  expect(rowsOf(report.setAside, 'SELECT quantity FROM sale WHERE id = 30')).toEqual([[3]]);
  expect(await lyon.run(['rejoin', 'nobody'])).toMatchObject({ exitCode: 2 });
});
