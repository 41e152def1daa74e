/** A node whose disk is full: it says so, whoever sends to it says so, and both say when it is over. */
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { mountSmallDisk, smallDiskRefused, unmount } from '../support/small-disk.js';
import { makeItems, names, soon, write } from './start-nodes.js';

// Only who may mount has a disk that is small enough to fill.
it.skipIf(smallDiskRefused !== null)('tells both sides, and goes on when there is room (needs mount)', async () => {
  const folder = makeFolder();
  const hub = await ProcessNode.first(folder, 'hub', makeItems);
  onTestFinished(() => hub.dispose());
  await hub.start();
  const disk = join(folder, 'east');
  mountSmallDisk(disk);
  onTestFinished(() => unmount(disk));
  const east = await ProcessNode.joining(hub, 'east');
  onTestFinished(() => east.dispose());
  await east.start();
  await vi.waitFor(async () => expect((await hub.peer('east')).state).toBe('online'), soon);
  const ballast = join(disk, 'ballast');
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(ballast, Buffer.alloc(bavail * bsize - 256 * 1024));
  write(hub, `INSERT INTO item VALUES(1, 'too much', randomblob(2000000))`);

  const codesOf = async (node: ProcessNode) => (await node.status()).problems;
  const full = { code: 'disk-full', severity: 'error', database: 'shop', since: expect.any(String) };
  await vi.waitFor(async () => expect(await codesOf(east)).toContainEqual(expect.objectContaining(full)), soon);
  const [problem] = (await codesOf(east)).filter(({ code }) => code === 'disk-full');
  expect(problem?.message).toContain('nothing that peers send is applied here');
  const refusal = {
    code: 'peer-failed',
    severity: 'error',
    peer: 'east',
    message: expect.stringContaining('disk is full'),
  };
  // It stays so, however often the connection is made anew.
  for (let look = 0; look < 2; look += 1) {
    expect(await hub.peer('east')).toMatchObject({ lastError: { code: 'peer-failed' } });
    expect(await codesOf(hub)).toContainEqual(expect.objectContaining(refusal));
  }

  rmSync(ballast);
  await vi.waitFor(() => expect(names(east)).toEqual(['too much']), soon);
  await vi.waitFor(
    async () => expect(await hub.peer('east')).toMatchObject({ state: 'online', lastError: null }),
    soon,
  );
  expect((await codesOf(east)).filter(({ code }) => code !== 'disk-low')).toEqual([]);
});
