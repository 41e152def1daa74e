import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { DatabaseLock, readLockHolder } from '../../../src/daemon/file/database-lock.js';
import { SideDirectory } from '../../../src/daemon/file/side-directory.js';
import { scratchDirectory } from '../scratch-directory.js';

const scratch = scratchDirectory();
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** Another process that takes the lock, says so, and stays. */
async function holdInChild(databasePath: string): Promise<ChildProcess> {
  const source = join(import.meta.dirname, '../../../src/daemon/file');
  const script = `
    const { SideDirectory } = await import(${JSON.stringify(join(source, 'side-directory.ts'))});
    const { DatabaseLock } = await import(${JSON.stringify(join(source, 'database-lock.ts'))});
    globalThis.lock = DatabaseLock.take(SideDirectory.open(${JSON.stringify(databasePath)}), new Date());
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

describe('DatabaseLock', () => {
  it('is held by one process at a time, named in the error, and dies with it', async () => {
    const path = join(scratch, 'one.db');
    const side = SideDirectory.open(path);
    const child = await holdInChild(path);
    expect(() => DatabaseLock.take(side, new Date())).toThrow(
      expect.objectContaining({ code: 'database-in-use', message: expect.stringContaining(`process ${child.pid}`) }),
    );
    child.kill('SIGKILL');
    await vi.waitFor(() => DatabaseLock.take(side, new Date()).release(), { timeout: 5000 });
  });

  it('keeps out a second taker in the same process', () => {
    const side = SideDirectory.open(join(scratch, 'same.db'));
    const lock = DatabaseLock.take(side, new Date());
    expect(() => DatabaseLock.take(side, new Date())).toThrow(expect.objectContaining({ code: 'database-in-use' }));
    lock.release();
    DatabaseLock.take(side, new Date()).release();
  });

  it('can be waited for while a command holds it, not while a daemon does, and not for ever', async () => {
    const side = SideDirectory.open(join(scratch, 'wait.db'));
    const { signal } = new AbortController();
    let waits = 0;
    const take = (waitMsMax: number) =>
      DatabaseLock.takeAfterCommands(side, new Date(), {
        waitMsMax,
        signal,
        onWait: () => {
          waits += 1;
        },
      });
    const held = DatabaseLock.take(side, new Date());
    await expect(take(20)).rejects.toThrow(expect.objectContaining({ code: 'database-in-use' }));
    const waiting = take(60_000);
    await vi.waitFor(() => expect(waits).toBe(2));
    held.release();
    const mine = await waiting;
    mine.announce('/run/control.sock');
    await expect(take(60_000)).rejects.toThrow(expect.objectContaining({ code: 'database-in-use' }));
    expect(waits).toBe(2);
    mine.release();
  });

  it('says who holds it, and no more once released', () => {
    const side = SideDirectory.open(join(scratch, 'who.db'));
    const lock = DatabaseLock.take(side, new Date('2026-01-02T03:04:05Z'));
    lock.announce('/run/control.sock');
    expect(readLockHolder(side)).toEqual({
      pid: process.pid,
      since: '2026-01-02T03:04:05.000Z',
      controlSocket: '/run/control.sock',
    });
    lock.release();
    expect(readLockHolder(side)).toBeNull();
  });
});

describe('SideDirectory', () => {
  it('is its owner’s alone', () => {
    expect(statSync(SideDirectory.open(join(scratch, 'mode.db')).path).mode & 0o777).toBe(0o700);
  });

  it('removes what a dead process left, but not the stage that is half applied', () => {
    const side = SideDirectory.open(join(scratch, 'leftovers.db'));
    for (const path of [side.stagePath('old'), side.stagePath('half'), side.snapshotPath('s')])
      writeFileSync(path, 'x');
    side.removeLeftovers('half');
    expect(
      [side.stagePath('old'), side.stagePath('half'), side.snapshotPath('s')].map((path) => existsSync(path)),
    ).toEqual([false, true, false]);
  });
});
