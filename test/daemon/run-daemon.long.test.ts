import { once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { launch, spawnDaemon } from './launch-daemon.js';
import { TestNode } from './node.js';

const soon = { interval: 5, timeout: 20_000 };

function fill(node: TestNode, rows: number): void {
  const insert = node.application.prepare('INSERT INTO item(id, name) VALUES(?, ?)');
  node.application.transaction(() => {
    for (let id = 1; id <= rows; id += 1) insert.run(BigInt(id), `row ${id}`);
  })();
}

describe('a daemon’s process', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('drains and exits 0 on %s, with a peer connected', async (signal) => {
    const paris = await TestNode.first(makeFolder(), 'paris').start();
    const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
    const { child } = await spawnDaemon(lyon, { peers: [paris.asPeer] });
    await vi.waitFor(async () => expect((await paris.peer('lyon'))?.state).toBe('online'), soon);
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([0, null]);
    await vi.waitFor(async () => expect((await paris.peer('lyon'))?.state).toBe('offline'), soon);
  });

  it('keeps what it has when SIGHUP finds a bad file', async () => {
    const paris = await TestNode.first(makeFolder(), 'paris').start();
    const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
    const { child, log } = await spawnDaemon(lyon, { peers: [paris.asPeer] });
    child.kill('SIGHUP');
    await vi.waitFor(() => expect(log()).toContain('kept the old configuration'), soon);
    paris.insert(1, 'still served');
    await vi.waitFor(() => expect(lyon.names()).toEqual(['still served']), soon);
  });

  it('keeps a second daemon from the file, and leaves nothing that keeps one out when it is killed', async () => {
    const paris = TestNode.first(makeFolder(), 'paris');
    const { child } = await spawnDaemon(paris);
    await expect(paris.start()).rejects.toThrow(expect.objectContaining({ code: 'database-in-use' }));
    child.kill('SIGKILL');
    await once(child, 'exit');
    await paris.start();
    expect((await paris.control()).pid).toBe(process.pid);
  });

  it('waits at its start for an application that has the file locked, and stops at once when told to', async () => {
    const paris = TestNode.first(makeFolder(), 'paris', { journalMode: 'delete' });
    paris.application.exec('BEGIN EXCLUSIVE');
    const { child, log } = launch(paris);
    await vi.waitFor(() => expect(log()).toContain('which another program has locked'), soon);
    paris.application.exec('COMMIT');
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);

    paris.application.exec('BEGIN EXCLUSIVE');
    const second = launch(paris);
    await vi.waitFor(() => expect(second.log()).toContain('which another program has locked'), soon);
    second.child.kill('SIGTERM');
    expect(await once(second.child, 'exit')).toEqual([0, null]);
    expect(second.log()).toContain('stopped before it served');
    paris.application.exec('COMMIT');
  });

  it('gives up at its start after limits.lockWaitMsMax', async () => {
    const paris = TestNode.first(makeFolder(), 'paris', { journalMode: 'delete' });
    paris.application.exec('BEGIN EXCLUSIVE');
    await expect(paris.start({ limits: { lockWaitMsMax: 200 } })).rejects.toThrow(
      expect.objectContaining({ code: 'database-locked' }),
    );
    paris.application.exec('COMMIT');
    await paris.start();
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)('goes on with a catch-up in which it was ended by %s', async (signal) => {
    const rows = 20_000;
    const paris = await TestNode.first(makeFolder(), 'paris').start();
    const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
    fill(paris, rows);
    // Small parts and long gaps between them: time enough to be killed.
    const limits = { applyTransactionRowsMax: 100, lockHoldMsMax: 5, lockGapMs: 50 };
    const count = () => lyon.application.prepare('SELECT count(*) FROM item').pluck().get() as number;
    const first = await spawnDaemon(lyon, { peers: [paris.asPeer], limits });
    await vi.waitFor(() => expect(count()).toBeGreaterThan(0), soon);
    first.child.kill(signal);
    await once(first.child, 'exit');
    const applied = count();
    expect(applied).toBeLessThan(rows);
    // Nobody to pull from: what is missing can only come from the stage.
    await paris.stop();
    await spawnDaemon(lyon, { limits: { lockGapMs: 0 } });
    await vi.waitFor(() => expect(count()).toBe(rows), soon);
    await vi.waitFor(async () => {
      const status = await (await lyon.control()).status();
      expect(status.databases[0]?.replica?.catchUp).toBeNull();
    }, soon);
  });

  it('is shipped to again when a catch-up it was killed in is over', async () => {
    const paris = await TestNode.first(makeFolder(), 'paris').start();
    const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
    fill(paris, 20_000);
    const options = {
      peers: [paris.asPeer],
      limits: { applyTransactionRowsMax: 100, lockHoldMsMax: 5, lockGapMs: 30 },
    };
    const first = await spawnDaemon(lyon, options);
    await vi.waitFor(() => expect(lyon.names().length).toBeGreaterThan(0), soon);
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    await spawnDaemon(lyon, options);
    await vi.waitFor(async () => expect((await paris.peer('lyon'))?.state).toBe('online'), soon);
    expect((await (await lyon.control()).status()).databases[0]?.replica?.catchUp).not.toBeNull();
    paris.insert(1_000_000, 'meanwhile');
    await vi.waitFor(() => expect(lyon.names()).toEqual(paris.names()), soon);
  });
});
