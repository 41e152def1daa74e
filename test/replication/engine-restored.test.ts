/** Files that come back from a backup: as the node that was backed up, and as the first of a new data set. */
import { writeFileSync } from 'node:fs';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, expect, test } from 'vitest';
import { hasUnfoldedEntries } from '../../src/replication/backup-facts.js';
import { beginNewDataset } from '../../src/replication/restored-file.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

let cluster: EngineCluster;
afterEach(() => cluster.close());

function start(nodes: number, options: ConstructorParameters<typeof EngineCluster>[2] = {}): EngineNode[] {
  cluster = new EngineCluster('CREATE TABLE item(id INTEGER PRIMARY KEY, name, price)', nodes, options);
  cluster.settleDown();
  return cluster.nodes;
}

/** What `restore` puts back: a copy of a moment in which all is folded. `meanwhile` runs once that is pinned. */
function backUpFolded(node: EngineNode, meanwhile: () => void): void {
  const db = new SqliteDatabase(node.path);
  node.replica.pinFolded(db);
  meanwhile();
  writeFileSync(`${node.path}.backup`, db.serialize());
  db.close();
}

const countOf = ({ app }: EngineNode, table: string) => app.prepare(`SELECT count(*) FROM ${table}`).pluck().get();

test('a copy is pinned where all is folded, and holds nothing that came later', () => {
  const [node] = start(1) as [EngineNode];
  node.app.exec(`INSERT INTO item(name) VALUES('tea'), ('coffee')`);
  backUpFolded(node, () => node.app.exec(`INSERT INTO item(name) VALUES('late')`));
  const copy = new SqliteDatabase(`${node.path}.backup`);
  expect(copy.prepare('SELECT name FROM item').pluck().all()).toEqual(['tea', 'coffee']);
  expect(hasUnfoldedEntries(copy)).toBe(false);
  copy.close();
  expect(hasUnfoldedEntries(node.app)).toBe(true);
  node.foldAll();
  expect(hasUnfoldedEntries(node.app)).toBe(false);
});

test('writes that were under way when the backup was taken are one write each, also with rekey', () => {
  const [n0, n1] = start(2, { rules: { item: { key_collision: 'rekey' } } }) as [EngineNode, EngineNode];
  // Captured and not folded, as an application's last commits are at any moment.
  n0.app.exec(`INSERT INTO item VALUES(1, 'tea', 4), (2, 'coffee', 9)`);
  backUpFolded(n0, () => {});
  n0.app.exec(
    `UPDATE item SET price = 5 WHERE id = 1; DELETE FROM item WHERE id = 2; INSERT INTO item VALUES(3, 'cocoa', 3)`,
  );
  n0.foldAll();
  cluster.settleDown();
  n0.restore();
  n0.app.exec(`UPDATE item SET name = 'Assam' WHERE id = 1; INSERT INTO item VALUES(4, 'milk', 1)`);
  cluster.settleDown();
  const rows = n1.app.prepare('SELECT id, name, price FROM item ORDER BY id').raw().all();
  expect(rows).toEqual([
    [1, 'Assam', 5],
    [3, 'cocoa', 3],
    [4, 'milk', 1],
  ]);
  expect(n0.data()).toEqual(n1.data());
  expect([n0, n1].map((node) => countOf(node, '_sqlsync_conflict'))).toEqual([0, 0]);
});

test('what the lost file and the restored one wrote to one column is told apart, and kept', () => {
  const [n0, n1] = start(2) as [EngineNode, EngineNode];
  n0.app.exec(`INSERT INTO item VALUES(1, 'tea', 4)`);
  backUpFolded(n0, () => {});
  n0.app.exec('UPDATE item SET price = 5');
  cluster.settleDown();
  n0.restore();
  n0.app.exec('UPDATE item SET price = 6');
  cluster.settleDown();
  expect(n0.data()).toEqual(n1.data());
  expect(n1.app.prepare('SELECT price FROM item').pluck().get()).toBe(6);
  expect([n0, n1].map((node) => countOf(node, '_sqlsync_conflict'))).toEqual([1, 1]);
});

test('a new data set has one member, which waits for nobody and speaks to nobody of the old one', () => {
  const [n0, n1] = start(3) as [EngineNode, EngineNode, EngineNode];
  n1.app.exec(`INSERT INTO item VALUES(1, 'tea', 4), (2, 'coffee', 9); DELETE FROM item WHERE id = 2`);
  cluster.settleDown();
  n0.app.exec('UPDATE item SET price = 5');
  n0.foldAll();
  const clock = () => n0.app.prepare('SELECT max(hlc) FROM _sqlsync_log').pluck().get() as number;
  const last = clock();
  n0.kill();
  const place = { path: n0.path, file: '1:2' };
  const renewed = { dataset: 'd'.repeat(32), nodeId: 'e'.repeat(32), place, nowMs: Date.now() };
  const others = n0.app.transaction(() => beginNewDataset(n0.app, renewed)).immediate();
  expect(others).toEqual(['n1', 'n2']);
  n0.open();
  n0.foldAll();
  expect(n0.hello()).toMatchObject({ dataset: renewed.dataset, nodeId: renewed.nodeId, acknowledged: {} });
  expect([n0.pull(n1), n1.pull(n0)]).toEqual(['dataset-mismatch', 'dataset-mismatch']);
  expect(n0.replica.status()).toMatchObject({ members: ['n0'], pendingChanges: 0 });
  while (n0.replica.settle().more);
  expect(n0.replica.status().unsettledRows).toBe(0);
  expect(clock()).toBeGreaterThan(last);
  expect(n0.app.prepare('SELECT name FROM item').pluck().all()).toEqual(['tea']);
  n0.replica.admitMember({ name: 'n1', nodeId: 'f'.repeat(32), access: 'write' });
  expect(n0.replica.status().members).toEqual(['n0', 'n1']);
});
