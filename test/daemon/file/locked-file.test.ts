import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { LockedFile } from '../../../src/daemon/file/locked-file.js';
import { makeFolder } from '../../support/make-folder.js';

function makeFile(lockWaitMsMax = 10_000): { file: LockedFile; db: Database; other: Database; path: string } {
  const path = join(makeFolder(), 'x.db');
  const [db, other] = [new Sqlite(path, { timeout: 1 }), new Sqlite(path, { timeout: 1 })];
  onTestFinished(() => {
    db.close();
    other.close();
  });
  db.exec('CREATE TABLE t(x)');
  return { file: new LockedFile(path, { lockWaitMsMax, lockGapMs: 1 }), db, other, path };
}

const write = (db: Database) => () => db.exec('INSERT INTO t VALUES(randomblob(1000))');

describe('LockedFile', () => {
  it('waits for a lock with the event loop free, and then does the work', async () => {
    const { file, db, other } = makeFile();
    other.exec('BEGIN IMMEDIATE');
    const writing = file.run(write(db));
    await new Promise((resolve) => setImmediate(resolve));
    other.exec('COMMIT');
    await writing;
    expect(db.prepare('SELECT count(*) FROM t').pluck().get()).toBe(1);
  });

  it('gives up after its time', async () => {
    const { file, db, other } = makeFile(20);
    other.exec('BEGIN IMMEDIATE');
    await expect(file.run(write(db))).rejects.toThrow(expect.objectContaining({ code: 'database-locked' }));
  });

  it('gives up when the daemon stops', async () => {
    const { file, db, other } = makeFile();
    other.exec('BEGIN IMMEDIATE');
    const writing = file.run(write(db));
    file.stop();
    await expect(writing).rejects.toThrow(expect.objectContaining({ code: 'interrupted' }));
  });

  it('writes nothing to a file that has been replaced or removed', async () => {
    const { file, db, other, path } = makeFile();
    renameSync(path, `${path}.aside`);
    await vi.waitFor(() => expect(file.run(() => null)).rejects.toThrow(), { interval: 1 });
    await expect(file.run(write(db))).rejects.toThrow(expect.objectContaining({ code: 'database-replaced' }));
    new Sqlite(path).close();
    await expect(file.run(write(db))).rejects.toThrow(expect.objectContaining({ code: 'database-replaced' }));
    expect(other.prepare('SELECT count(*) FROM t').pluck().get()).toBe(0);
    rmSync(path);
  });

  it('tells a full disk in the registry’s words', async () => {
    const { file, db } = makeFile();
    db.pragma('max_page_count = 2');
    const fill = async () => {
      for (let i = 0; i < 10; i += 1) await file.run(write(db));
    };
    await expect(fill()).rejects.toThrow(expect.objectContaining({ code: 'disk-full' }));
  });

  it('does step after step', async () => {
    const { file } = makeFile();
    let left = 5;
    await file.runSteps(() => {
      left -= 1;
      return { more: left > 0 };
    });
    expect(left).toBe(0);
  });
});
