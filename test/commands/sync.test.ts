import { writeFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { freePort } from '../support/process-node.js';
import { rowsOf } from '../support/shop-database.js';
import { makeShopPair, sell } from '../support/shop-pair.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const SALES = 'SELECT id FROM sale ORDER BY id';

test('without a daemon it exchanges by itself, both ways, and lets go of the file', async () => {
  const { paris, lyon } = await makeShopPair();
  sell(paris, 100);
  sell(lyon, 200);
  const run = await lyon.run(['sync', '--json']);
  expect(run).toMatchObject({ exitCode: 0, stderr: '' });
  expect(JSON.parse(run.stdout)).toEqual({
    items: [
      {
        database: 'shop',
        peer: 'paris',
        // The sale, and that lyon has joined.
        rowsSent: 2,
        rowsReceived: 1,
        bytesSent: expect.any(Number),
        bytesReceived: expect.any(Number),
        error: null,
      },
    ],
    total: 1,
    nextCursor: null,
  });
  expect(rowsOf(lyon.path, SALES)).toEqual([[1], [2], [100], [200]]);
  expect(rowsOf(paris.path, SALES)).toEqual([[1], [2], [100], [200]]);
  expect((await lyon.status()).databases[0]?.pendingChanges).toBe(0);
  await lyon.start();
});

test('with a daemon that one does it', async () => {
  const { paris, lyon } = await makeShopPair();
  await lyon.start();
  sell(lyon, 300);
  const run = await lyon.run(['sync', 'paris', '--json']);
  expect(JSON.parse(run.stdout).items).toMatchObject([{ peer: 'paris', rowsSent: 2, error: null }]);
  expect(rowsOf(paris.path, SALES)).toContainEqual([300]);
  expect((await lyon.peer('paris')).rowsSent).toBe(2);
});

test('several peers, one down: 69, and how it went with each', async () => {
  const { lyon } = await makeShopPair();
  await lyon.succeed(['peers', 'add', `nice=http://127.0.0.1:${await freePort()}`]);
  const run = await lyon.run(['sync', '--json']);
  expect(run.exitCode).toBe(69);
  expect(JSON.parse(run.stdout).items).toMatchObject([
    { peer: 'paris', error: null },
    { peer: 'nice', error: { code: 'peer-unreachable' } },
  ]);
  const text = await lyon.run(['sync']);
  expect(text.stdout).toMatch(/^shop +paris +0 +0 +.*done$/m);
  expect(text.stderr).toContain('1 of 2 exchanges failed: nice (shop)');
  expect((await lyon.run(['sync', 'paris'])).exitCode).toBe(0);
});

test('a single peer that fails gives its own exit code', async () => {
  const { paris, lyon } = await makeShopPair();
  writeFileSync(`${lyon.folder}/secret`, 'a secret that nobody shares\n');
  const stranger = await lyon.run(['sync', '--json']);
  expect(stranger.exitCode).toBe(77);
  expect(JSON.parse(stranger.stdout).items[0].error.code).toBe('peer-wrong-secret');
  await paris.end('SIGTERM');
  expect((await lyon.run(['sync'])).exitCode).toBe(69);
  const unknown = await lyon.run(['sync', 'nobody', '--json']);
  expect(unknown.exitCode).toBe(2);
  expect(JSON.parse(unknown.stdout).error.code).toBe('peer-unknown');
});

test('a node that only listens says who could not be reached, and why', async () => {
  const { paris, lyon } = await makeShopPair();
  const failure = (text: string) => ({
    peer: 'lyon',
    error: { code: 'peer-unreachable', message: expect.stringContaining(text) },
  });
  const away = await paris.run(['sync', '--json']);
  expect(away.exitCode).toBe(69);
  expect(JSON.parse(away.stdout).items).toMatchObject([failure('lyon dials this node, and is not connected')]);
  lyon.configure({ peer: { live: true } });
  await lyon.start();
  await vi.waitFor(async () => expect((await paris.peer('lyon')).state).toBe('online'), 20_000);
  expect(JSON.parse((await paris.run(['sync', '--json'])).stdout).items).toMatchObject([{ peer: 'lyon', error: null }]);
  await lyon.end('SIGTERM');
  expect((await paris.run(['sync', 'lyon'])).exitCode).toBe(69);
  await paris.end('SIGTERM');
  const down = await paris.run(['sync', '--json']);
  expect(down.exitCode).toBe(69);
  expect(JSON.parse(down.stdout).items).toMatchObject([failure('only lyon can begin')]);
  expect((await paris.run(['sync', 'nobody'])).exitCode).toBe(2);
});
