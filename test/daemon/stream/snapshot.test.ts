import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { receiveSnapshot } from '../../../src/daemon/stream/receive-snapshot.js';
import type { SnapshotRequest } from '../../../src/daemon/stream/snapshot-request.js';
import { WIRE_VERSION, WIRE_VERSION_MIN } from '../../../src/replication/wire-messages.js';
import { makeFolder } from '../../support/make-folder.js';
import { LIMITS, TestNode } from '../node.js';

const REQUEST: SnapshotRequest = {
  wireVersion: WIRE_VERSION,
  wireVersionMin: WIRE_VERSION_MIN,
  database: 'shop',
  node: 'lyon',
  nodeId: 'ab'.repeat(16),
  access: 'write',
  joins: true,
  rejoining: null,
};

/** An application in a process of its own that commits all the time, and waits its turn for locks. */
async function keepWriting(node: TestNode): Promise<{ stop: () => Promise<void> }> {
  const script = `
    const db = new (require('better-sqlite3'))(process.argv[1], { timeout: 20_000 });
    const insert = db.prepare("INSERT INTO item(name) VALUES('written meanwhile')");
    const write = () => { insert.run(); setTimeout(write, 1); };
    write();
    console.log('writing');`;
  const child = spawn(process.execPath, ['-e', script, node.path], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  const stop = async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { stop };
}

function fill(node: TestNode, rows: number): void {
  const insert = node.application.prepare('INSERT INTO item(id, name, data) VALUES(?, ?, randomblob(2000))');
  node.application.transaction(() => {
    for (let id = 1; id <= rows; id += 1) insert.run(BigInt(id), `row ${id}`);
  })();
}

describe.each(['wal', 'delete'])('a snapshot in journal mode %s', (journalMode) => {
  it('is a whole file taken under writers, from which a node goes on', async () => {
    const paris = await TestNode.first(makeFolder(), 'paris', { journalMode }).start();
    fill(paris, 5000);
    const writer = await keepWriting(paris);
    const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
    expect(lyon.application.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(lyon.names().length).toBeGreaterThanOrEqual(5000);
    await lyon.start({ peers: [paris.asPeer] });
    await writer.stop();
    expect(paris.names().length).toBeGreaterThan(5000);
    await vi.waitFor(() => expect(lyon.names()).toEqual(paris.names()), { timeout: 10_000 });
    expect(readdirSync(`${paris.path}.sqlsync`).filter((name) => name.startsWith('snapshot'))).toEqual([]);
  });
});

describe('a snapshot', () => {
  it('tells of its progress', async () => {
    const paris = await TestNode.first(makeFolder(), 'paris').start();
    fill(paris, 1000);
    const path = join(paris.folder, 'copy.db');
    const seen: { bytes: number; bytesTotal: number | null }[] = [];
    const sponsor = await receiveSnapshot({
      client: paris.client(),
      request: REQUEST,
      path,
      limits: LIMITS,
      onProgress: (p) => seen.push(p),
    });
    expect(sponsor.node).toBe('paris');
    expect(seen.at(-1)?.bytes).toBe(seen.at(-1)?.bytesTotal);
    expect(new Sqlite(path).prepare('SELECT count(*) FROM item').pluck().get()).toBe(1000);
  });

  it.each([
    ['a name that is taken', { node: 'paris' }, 'node-name-taken'],
    ['a database that is not served', { database: 'other' }, 'database-unknown'],
    ['another wire version', { wireVersion: 9, wireVersionMin: 9 }, 'wire-version'],
    ['a program that knows no file of this format', { wireVersion: 1, wireVersionMin: 1 }, 'wire-version'],
  ])('is refused for %s, and leaves no file', async (_what, change, code) => {
    const paris = await TestNode.first(makeFolder(), 'paris').start();
    const path = join(paris.folder, 'copy.db');
    const receiving = receiveSnapshot({
      client: paris.client(),
      request: { ...REQUEST, ...change },
      path,
      limits: LIMITS,
    });
    await expect(receiving).rejects.toThrow(expect.objectContaining({ code }));
    expect(existsSync(path)).toBe(false);
    expect((await paris.daemon?.status())?.databases[0]?.replica?.members).toEqual(['paris']);
  });

  it('that breaks off leaves no file, and nothing at the sponsor', async () => {
    const paris = await TestNode.first(makeFolder(), 'paris').start();
    fill(paris, 5000);
    const path = join(paris.folder, 'copy.db');
    const stop = new AbortController();
    const receiving = receiveSnapshot({
      client: paris.client(),
      request: REQUEST,
      path,
      limits: LIMITS,
      onProgress: ({ bytes }) => {
        if (bytes > 1_000_000) stop.abort(new Error('enough'));
      },
      signal: stop.signal,
    });
    await expect(receiving).rejects.toThrow('enough');
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(`${paris.path}.sqlsync`).filter((name) => name.startsWith('snapshot'))).toEqual([]);
  });

  it('of more than this node takes is refused while it comes', async () => {
    const paris = await TestNode.first(makeFolder(), 'paris').start();
    fill(paris, 1000);
    const path = join(paris.folder, 'copy.db');
    const limits = { ...LIMITS, streamBytesMax: 100_000 };
    const receiving = receiveSnapshot({ client: paris.client(), request: REQUEST, path, limits });
    await expect(receiving).rejects.toThrow(expect.objectContaining({ code: 'batch-oversized' }));
    expect(existsSync(path)).toBe(false);
  });
});
