/** A file of ten thousand tables: installed in linear time, its writes recorded as in any other. */
import Database from 'better-sqlite3';
import { afterEach, expect, test } from 'vitest';
import { initialiseNode } from '../../src/replication/initialise.js';
import { inspectCapture } from '../../src/replication/inspect-capture.js';
import { planCapture } from '../../src/replication/plan-capture.js';
import { createTables } from '../../src/replication/write-tables.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

let cluster: EngineCluster | null = null;
afterEach(() => cluster?.close());

function makeTables(db: Database.Database, count: number): void {
  const statements = Array.from({ length: count }, (_, i) => `CREATE TABLE t${i}(id INTEGER PRIMARY KEY, v)`);
  db.transaction(() => createTables(db, statements))();
}

test('ten thousand tables are captured', { timeout: 240_000 }, () => {
  const db = new Database(':memory:');
  makeTables(db, 10_000);
  const identity = { dataset: '0'.repeat(32), node: 'a', nodeId: '1'.repeat(32), nowMs: Date.now() };
  const { added } = initialiseNode(db, identity, planCapture(db, { include: [], exclude: [] }));
  expect([added.length, inspectCapture(db).complete]).toEqual([10_000, true]);
  db.exec('INSERT INTO t9999 VALUES(7, 1)');
  expect(db.prepare('SELECT op, k1 FROM _sqlsync_log ORDER BY hlc DESC LIMIT 1').raw().get()).toEqual([1, 7]);
});

test('hundreds of them replicate', () => {
  cluster = new EngineCluster((db) => makeTables(db, 600), 2);
  const [a, b] = cluster.nodes as [EngineNode, EngineNode];
  for (let i = 0; i < 600; i += 1) a.app.exec(`INSERT INTO t${i} VALUES(1, ${i})`);
  cluster.settleDown();
  expect(b.data()).toEqual(a.data());
  expect(b.app.prepare('SELECT v FROM t599').pluck().get()).toBe(599);
});
