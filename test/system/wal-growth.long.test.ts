/** An application that writes without a pause: its write-ahead log stays as long as one transaction or two. */
import { statSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';

const ROWS = 200;
const ROW_BYTES = 64 * 1024;
const TRANSACTIONS = 14;

test('the log of a file that is written without a pause does not grow with every transaction', async () => {
  const node = await ProcessNode.first(makeFolder(), 'busy', (path) => {
    const db = new Sqlite(path);
    db.pragma('journal_mode = wal');
    db.exec('CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, bytes)');
    db.close();
  });
  onTestFinished(() => node.dispose());
  await node.start();
  const app = new Sqlite(node.path, { timeout: 10_000 });
  onTestFinished(() => {
    app.close();
  });
  const insert = app.prepare('INSERT INTO t VALUES(hex(randomblob(16)), randomblob(?))');
  const write = app.transaction(() => {
    for (let n = 0; n < ROWS; n += 1) insert.run(ROW_BYTES);
  });
  let longest = 0;
  for (let n = 0; n < TRANSACTIONS; n += 1) {
    write();
    longest = Math.max(longest, statSync(`${node.path}-wal`).size);
  }
  expect(longest).toBeLessThan(5 * ROWS * ROW_BYTES);
});
