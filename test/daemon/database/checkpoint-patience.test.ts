/** Folds that wait for a checkpoint, and look at a file that others have to themselves. */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Sqlite, { type Database } from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { CheckpointPatience } from '../../../src/daemon/database/checkpoint-patience.js';
import { LockedFile } from '../../../src/daemon/file/locked-file.js';
import { makeFolder } from '../../support/make-folder.js';

const FRAMES = 3_000;

function open(path: string): Database {
  const db = new Sqlite(path, { timeout: 1 });
  onTestFinished(() => {
    db.close();
  });
  return db;
}

/** `app` has left that many frames in the log. */
function makeFile(lockWaitMsMax = 10_000) {
  const path = join(makeFolder(), 'x.db');
  const app = open(path);
  app.pragma('journal_mode = wal');
  app.pragma('wal_autocheckpoint = 0');
  app.exec(`CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(${FRAMES} * 4096))`);
  const file = new LockedFile(path, { lockWaitMsMax, lockGapMs: 1 });
  return { path, app, patience: new CheckpointPatience(open(path), file) };
}

test('a fold waits until what is in the log is in the file', async () => {
  const { app, patience } = makeFile();
  let isOver = false;
  const waiting = patience.wait().then(() => {
    isOver = true;
  });
  for (let turn = 0; turn < 5; turn += 1) await nextTurn();
  expect(isOver).toBe(false);
  app.pragma('wal_checkpoint(PASSIVE)');
  await waiting;
  expect(isOver).toBe(true);
});

test('where nobody checkpoints it waits in vain once, and not again', async () => {
  const { patience } = makeFile();
  await patience.wait();
  const startedMs = performance.now();
  for (let n = 0; n < 20; n += 1) await patience.wait();
  expect(performance.now() - startedMs).toBeLessThan(500);
});

test('a file that another has to itself is told as locked, and is no bug', async () => {
  const { path, app, patience } = makeFile(20);
  app.pragma('journal_mode = delete');
  app.close();
  const other = open(path);
  other.exec('BEGIN EXCLUSIVE');
  await expect(patience.wait()).rejects.toThrow(expect.objectContaining({ code: 'database-locked' }));
});
