import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ChangeWatcher } from '../../../src/daemon/file/change-watcher.js';
import { scratchDirectory } from '../scratch-directory.js';

const scratch = scratchDirectory();
let watcher: ChangeWatcher | undefined;
afterEach(() => watcher?.close());

function makeDatabase(name: string, journalMode: string): { path: string; application: Database } {
  const path = join(scratch, name);
  const application = new Sqlite(path);
  application.pragma(`journal_mode = ${journalMode}`);
  application.exec('CREATE TABLE t(x)');
  return { path, application };
}

/** A watcher whose poll is so slow that what is seen within a test was seen by events, unless `pollMs` says otherwise. */
function watch(path: string, pollMs = 3_600_000) {
  const seen = { committed: 0, replaced: 0, eventsLost: 0 };
  watcher = new ChangeWatcher({
    path,
    db: new Sqlite(path, { timeout: 0 }),
    pollMs,
    onCommitted: () => (seen.committed += 1),
    onReplaced: () => (seen.replaced += 1),
    onEventsLost: () => (seen.eventsLost += 1),
  });
  return seen;
}

/** An application in a process of its own, which commits whenever it is told to. */
function spawnWriter(path: string): { commit: () => Promise<void> } {
  const script = `
    const db = new (require('better-sqlite3'))(process.argv[1], { timeout: 5000 });
    process.stdin.on('data', () => {
      db.exec('INSERT INTO t VALUES(1)');
      console.log('committed');
    });`;
  const child = spawn(process.execPath, ['-e', script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const commit = async () => {
    child.stdin.write('commit');
    await once(child.stdout, 'data');
  };
  return { commit };
}

/** Inotify watches are set asynchronously: commits until the first one is seen. */
async function commitUntilSeen(application: Database, seen: { committed: number }): Promise<void> {
  await vi.waitFor(
    () => {
      application.exec('INSERT INTO t VALUES(0)');
      expect(seen.committed).toBeGreaterThan(0);
    },
    { interval: 20, timeout: 5000 },
  );
}

describe.each(['wal', 'delete', 'truncate', 'persist'])('ChangeWatcher in journal mode %s', (mode) => {
  it('sees a commit by file events', async () => {
    const { path, application } = makeDatabase(`${mode}.db`, mode);
    const seen = watch(path);
    await commitUntilSeen(application, seen);
    for (let i = 0; i < 20; i += 1) {
      const before = seen.committed;
      application.exec('INSERT INTO t VALUES(1)');
      await vi.waitFor(() => expect(seen.committed).toBeGreaterThan(before), { interval: 1, timeout: 500 });
    }
    expect(seen.eventsLost).toBe(0);
  });

  it('sees every commit of another process by file events, which come before the commit', async () => {
    const { path } = makeDatabase(`${mode}-process.db`, mode);
    const seen = watch(path);
    const { commit } = spawnWriter(path);
    await vi.waitFor(
      async () => {
        await commit();
        expect(seen.committed).toBeGreaterThan(0);
      },
      { interval: 20, timeout: 5000 },
    );
    for (let i = 0; i < 50; i += 1) {
      const before = seen.committed;
      await commit();
      await vi.waitFor(() => expect(seen.committed).toBeGreaterThan(before), { interval: 1, timeout: 1000 });
    }
  });

  it('sees a commit by polling alone', async () => {
    const { path, application } = makeDatabase(`${mode}-poll.db`, mode);
    const seen = watch(path, 10);
    application.exec('INSERT INTO t VALUES(1)');
    await vi.waitFor(() => expect(seen.committed).toBe(1), { interval: 1 });
  });

  it('says nothing of a write that is rolled back', async () => {
    const { path, application } = makeDatabase(`${mode}-rollback.db`, mode);
    const seen = watch(path, 5);
    await commitUntilSeen(application, seen);
    const before = seen.committed;
    application.exec('BEGIN; INSERT INTO t VALUES(1); ROLLBACK');
    application.exec('INSERT INTO t VALUES(2)');
    await vi.waitFor(() => expect(seen.committed).toBe(before + 1), { interval: 1 });
  });
});

describe('ChangeWatcher', () => {
  it('notices that the file has been replaced, and stops', async () => {
    const { path } = makeDatabase('replaced.db', 'wal');
    const { path: other } = makeDatabase('other.db', 'wal');
    const seen = watch(path, 5);
    renameSync(other, path);
    await vi.waitFor(() => expect(seen.replaced).toBe(1), { interval: 1 });
  });

  it('sees a commit after the application has switched to WAL', async () => {
    const { path, application } = makeDatabase('switch.db', 'delete');
    const seen = watch(path, 20);
    application.pragma('journal_mode = wal');
    const before = seen.committed;
    application.exec('INSERT INTO t VALUES(1)');
    await vi.waitFor(() => expect(seen.committed).toBeGreaterThan(before), { interval: 1 });
  });
});
