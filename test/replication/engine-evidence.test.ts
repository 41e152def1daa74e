/** What happens to a file while a process serves it: seen, put right, or a reason to stop; never passed over. */
import { copyFileSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { afterEach, describe, expect, test } from 'vitest';
import { initialiseNode } from '../../src/replication/initialise.js';
import { planCapture } from '../../src/replication/plan-capture.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA = 'CREATE TABLE item(k TEXT PRIMARY KEY, a); CREATE TABLE other(k TEXT PRIMARY KEY, v)';

let cluster: EngineCluster;
afterEach(() => cluster.close());

function pair(schema = SCHEMA): [EngineNode, EngineNode] {
  cluster = new EngineCluster(schema, 2);
  return cluster.nodes as [EngineNode, EngineNode];
}

const gap = (node: EngineNode) => node.replica.status().gap?.tables ?? null;

/** `sqlsync init` on a file that is served. */
function initAgain({ app, name }: EngineNode): void {
  const identity = { dataset: '0'.repeat(32), node: name, nodeId: '0'.repeat(32), nowMs: Date.now() };
  initialiseNode(app, identity, planCapture(app, { include: [], exclude: [] }));
}

describe('a table that is renamed goes on replicating under its new name', () => {
  test.each([
    ['while it is served', false],
    ['while nobody serves it', true],
  ])('%s', (_, isDown) => {
    const [a, b] = pair();
    if (isDown) for (const node of [a, b]) node.kill();
    for (const { app } of [a, b]) app.exec('ALTER TABLE item RENAME TO thing');
    a.app.exec(`INSERT INTO thing VALUES('x', 1)`);
    if (isDown) for (const node of [a, b]) node.open();
    cluster.settleDown();
    initAgain(a);
    initAgain(b);
    a.app.exec(`INSERT INTO thing VALUES('y', 2)`);
    cluster.settleDown();
    expect(b.app.prepare('SELECT * FROM thing').raw().all()).toEqual([
      ['x', 1],
      ['y', 2],
    ]);
    expect([gap(a), gap(b)]).toEqual([null, null]);
  });
});

test('a migration is noticed though nothing has been logged since, and what was missed is told', () => {
  const [a] = pair();
  a.app.exec(`BEGIN; CREATE TABLE item_new(k TEXT PRIMARY KEY, a, b); INSERT INTO item_new SELECT *, 1 FROM item;
    DROP TABLE item; ALTER TABLE item_new RENAME TO item; COMMIT; INSERT INTO item VALUES('unseen', 1, 2)`);
  expect(a.replica.hasUnfolded()).toBe(true);
  a.foldAll();
  expect(gap(a)).toEqual(['item']);
  a.app.exec(`INSERT INTO item VALUES('seen', 1, 2)`);
  expect(a.app.prepare('SELECT k1 FROM _sqlsync_log WHERE op = 1 AND tbl >= 10').pluck().all()).toEqual(['seen']);
});

test('a gap that init has found beside the process that serves the file stays known', () => {
  const [a] = pair();
  a.app.exec('DROP TRIGGER _sqlsync_10_update');
  initAgain(a);
  a.foldAll();
  expect(gap(a)).toEqual(['item']);
  a.app.exec('DROP TRIGGER _sqlsync_11_update');
  a.foldAll();
  expect(gap(a)).toEqual(['item', 'other']);
});

test('a log that is dropped is made anew, and the gap told', () => {
  const [a, b] = pair();
  a.app.exec('DROP TABLE _sqlsync_log');
  a.foldAll();
  expect(gap(a)).toEqual(['item', 'other']);
  // Whoever has dropped it reads the schema anew with the next SELECT.
  a.app.prepare('SELECT 1 FROM item').get();
  a.app.exec(`INSERT INTO item VALUES('after', 1)`);
  cluster.settleDown();
  expect(b.app.prepare('SELECT k FROM item').pluck().all()).toEqual(['after']);
});

test('metadata that is dropped is a gap, and no reason to fail', () => {
  const [a] = pair();
  a.app.exec(`INSERT INTO item VALUES('x', 1)`);
  a.foldAll();
  a.app.exec('DROP TABLE _sqlsync_meta_10');
  a.foldAll();
  expect(gap(a)).toEqual(['item']);
  a.kill();
  a.app.exec('DROP TABLE _sqlsync_meta_11');
  a.open();
  a.foldAll();
  expect(gap(a)).toEqual(['item', 'other']);
});

test('a file that is put back under the process that serves it is not written to any more', async () => {
  const [a, b] = pair();
  a.app.exec(`INSERT INTO item VALUES('old', 1)`);
  cluster.settleDown();
  const copy = `${a.path}.copy`;
  a.app.pragma('wal_checkpoint(TRUNCATE)');
  copyFileSync(a.path, copy);
  a.app.exec(`INSERT INTO item VALUES('new', 1)`);
  cluster.settleDown();
  // What the shell's .restore does: the copy's pages, through SQLite, into the same file.
  const old = new Sqlite(copy);
  await old.backup(a.path);
  old.close();
  a.app.exec(`INSERT INTO item VALUES('after the restore', 1)`);
  expect(() => a.foldAll()).toThrow(expect.objectContaining({ code: 'database-replaced' }));
  a.kill();
  a.open();
  cluster.settleDown();
  expect(a.data()).toEqual(b.data());
  expect(a.app.prepare('SELECT k FROM item ORDER BY k').pluck().all()).toEqual(['after the restore', 'new', 'old']);
});

test('rows whose key is NULL are told as long as they are there, over restarts too', () => {
  const [a] = pair('CREATE TABLE loose(k TEXT PRIMARY KEY, v)');
  a.app.exec('INSERT INTO loose VALUES(NULL, 1)');
  a.foldAll();
  expect(a.replica.status().withoutIdentity).toEqual(['loose']);
  a.kill();
  a.open();
  expect(a.replica.status().withoutIdentity).toEqual(['loose']);
  a.app.exec(`UPDATE loose SET k = 'found'`);
  a.foldAll();
  expect(a.replica.status().withoutIdentity).toEqual([]);
});
