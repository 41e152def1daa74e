import { readFileSync, rmSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { parse } from 'yaml';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
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

const configured = (node: ProcessNode) => parse(readFileSync(node.configFile, 'utf8')).peers as { name: string }[];

test('a peer that is added or removed is taken over by the daemon that runs', async () => {
  const { paris, lyon } = await makePair();
  await lyon.start();
  const changed = { peer: 'paris', changed: true, pid: lyon.pid, unrecorded: [] };
  expect(await lyon.succeed(['peers', 'remove', 'paris'])).toEqual(changed);
  expect(configured(lyon)).toEqual([]);
  const state = async () => (await lyon.peer('paris')).state;
  await until(
    async () => ((await state()) === 'offline' ? true : null),
    10_000,
    () => 'still dialed',
  );

  expect(await lyon.succeed(['peers', 'add', `paris=${paris.url}/`])).toEqual(changed);
  expect(configured(lyon)).toEqual([{ name: 'paris', url: paris.url }]);
  await until(
    async () => ((await state()) === 'online' ? true : null),
    10_000,
    () => 'not dialed',
  );
  expect(await lyon.succeed(['peers', 'add', `paris=${paris.url}`])).toEqual({ ...changed, changed: false, pid: null });
  expect(await lyon.succeed(['peers'])).toMatchObject({
    items: [{ name: 'paris', database: 'shop', url: paris.url, live: true, state: 'online' }],
    total: 1,
    nextCursor: null,
  });
});

test('a pause holds changes back until the peer is resumed, with a daemon and without', async () => {
  const { paris, lyon } = await makePair();
  expect(await lyon.succeed(['peers', 'pause', 'paris'])).toMatchObject({ peer: 'paris', changed: true, pid: null });
  expect((await lyon.run(['peers'])).stdout).toMatch(/^paris +shop +paused/m);
  onDatabase(lyon.path, (db) => db.exec(`INSERT INTO sale VALUES(500, 'tea', 1)`));
  const refused = await lyon.run(['sync', '--json']);
  expect(refused.exitCode).toBe(1);
  expect(JSON.parse(refused.stdout).items[0].error).toMatchObject({
    code: 'peer-paused',
    hint: 'sqlsync peers resume paris',
  });

  await lyon.start();
  expect((await lyon.peer('paris')).state).toBe('paused');
  const status = await lyon.status();
  expect(status).toMatchObject({
    healthy: true,
    problems: [{ code: 'peer-paused', severity: 'warning', command: 'sqlsync peers resume paris' }],
  });
  expect(await lyon.succeed(['peers', 'resume', 'paris'])).toMatchObject({
    peer: 'paris',
    changed: true,
    pid: lyon.pid,
  });
  const sold = () => (rowsOf(paris.path, 'SELECT 1 FROM sale WHERE id = 500').length > 0 ? true : null);
  await until(sold, 10_000, () => 'what waited has not crossed');
  expect(await lyon.succeed(['peers', 'resume', 'paris'])).toMatchObject({ changed: false });
});

test('what cannot be is refused: names nobody has, and peers that cannot be dialed', async () => {
  const folder = makeFolder();
  const paris = await ProcessNode.first(folder, 'paris', (path) => makeShop(path));
  const before = readFileSync(paris.configFile, 'utf8');
  const cases: readonly [args: string[], exitCode: number, code: string][] = [
    [['peers', 'remove', 'nobody'], 2, 'peer-unknown'],
    [['peers', 'pause', 'nobody'], 2, 'peer-unknown'],
    [['peers', 'resume', 'nobody'], 2, 'peer-unknown'],
    [['peers', 'add', 'lyon'], 2, 'usage'],
    [['peers', 'add', 'ly on=https://lyon:1'], 2, 'usage'],
    [['peers', 'add', 'lyon=http://lyon:7420'], 2, 'usage'],
    [['peers', 'add', 'lyon=https://me:secret@lyon:7420'], 2, 'usage'],
    [['peers', 'add', 'paris=https://lyon:7420'], 2, 'usage'],
  ];
  for (const [args, exitCode, code] of cases) {
    const run = await paris.run([...args, '--json']);
    expect({ args, exitCode: run.exitCode, code: JSON.parse(run.stdout).error.code }).toEqual({ args, exitCode, code });
  }
  expect(readFileSync(paris.configFile, 'utf8')).toBe(before);
  rmSync(paris.path);
  expect(await paris.succeed(['peers', 'add', 'lyon=https://lyon:7420'])).toEqual({
    peer: 'lyon',
    changed: true,
    pid: null,
    unrecorded: ['shop'],
  });
  expect(await paris.succeed(['peers', 'remove', 'lyon'])).toMatchObject({ changed: true });
  expect(await paris.succeed(['peers'])).toEqual({ items: [], total: 0, nextCursor: null });
  expect((await paris.run(['peers'])).stdout).toBe('no peers\n');
});
