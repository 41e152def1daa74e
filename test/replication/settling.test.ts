import type { Database } from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { readRetainedBytes } from '../../src/replication/retained-bytes.js';
import { allAtOnce } from '../../src/replication/slices.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA = `
  CREATE TABLE item(id TEXT PRIMARY KEY NOT NULL, a, b);
  CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT) STRICT;`;

function cluster(count: number): EngineCluster {
  const made = new EngineCluster(SCHEMA, count);
  onTestFinished(() => made.close());
  return made;
}

const retainedBytes = (db: Database) => allAtOnce(readRetainedBytes(db));

/** Exchanges until everybody knows that everybody has everything, and settles. */
function quieten({ nodes }: EngineCluster): void {
  for (let round = 0; round < 4; round += 1) {
    for (const to of nodes) for (const from of nodes) if (to !== from) expect(to.pull(from)).toBeTypeOf('number');
    for (const node of nodes) while (node.replica.settle().more);
  }
}

function restart(node: EngineNode): void {
  node.kill();
  node.open();
}

/** Rows of every metadata table, sqlsync's own tables among them. */
function metadataRows(db: Database): number {
  const tables = db
    .prepare(`SELECT name FROM sqlite_schema WHERE name GLOB '_sqlsync_meta_*' AND type = 'table'`)
    .pluck();
  const counts = (tables.all() as string[]).map((name) => db.prepare(`SELECT count(*) FROM ${name}`).pluck().get());
  return (counts as number[]).reduce((sum, count) => sum + count, 0);
}

const sessionsIn = (db: Database) =>
  db.prepare('SELECT name, hlc FROM _sqlsync_session ORDER BY name').all() as { name: string; hlc: number | null }[];

test('metadata returns to zero on a data set that is quiet and acknowledged', () => {
  const made = cluster(3);
  const [a, b, c] = made.nodes as [EngineNode, EngineNode, EngineNode];
  const atFirst = retainedBytes(a.app);
  for (const [i, node] of [a, b, c].entries()) {
    node.app.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
       INSERT INTO item SELECT '${node.name}-' || i, i, 'b' FROM n;
       INSERT INTO note VALUES(${i + 1}, 'from ${node.name}')`,
    );
  }
  made.settleDown();
  b.app.exec(`UPDATE item SET a = 1 WHERE id GLOB 'n0-1*'; DELETE FROM item WHERE id GLOB '*-2*'`);
  made.settleDown();
  expect(metadataRows(a.app)).toBeGreaterThan(5000);
  expect(retainedBytes(a.app)).toBeGreaterThan(atFirst + 400_000);

  quieten(made);
  for (const node of made.nodes) {
    while (node.replica.pruneLog(Number.MAX_SAFE_INTEGER).more);
    expect(metadataRows(node.app)).toBe(0);
    expect(node.app.prepare('SELECT count(*) FROM _sqlsync_log').pluck().get()).toBe(1);
    expect(retainedBytes(node.app)).toBeLessThanOrEqual(atFirst + 8192);
    // What is left of it is the file's own free space, which SQLite uses again.
    expect(node.app.pragma('freelist_count', { simple: true })).toBeGreaterThan(50);
    expect(node.data()).toEqual(a.data());
  }
});

test('ended sessions leave the vector and the file once every member has passed them, and nothing is shipped for it', () => {
  const made = cluster(3);
  for (let round = 0; round < 5; round += 1) {
    for (const node of made.nodes) {
      node.app.exec(`INSERT OR REPLACE INTO item VALUES('k', ${round}, '${node.name}'), ('${node.name}', ${round}, 0)`);
      restart(node);
      node.foldAll();
    }
    made.settleDown();
  }
  expect(sessionsIn(made.nodes[0]?.app as Database).length).toBeGreaterThanOrEqual(15);
  quieten(made);
  for (const node of made.nodes) {
    const hello = node.hello();
    expect(Object.keys(hello.vector).length).toBe(3);
    expect(hello.dropped).toBeGreaterThan(0);
    expect(sessionsIn(node.app).length).toBe(3);
    for (const told of Object.values(hello.acknowledged))
      expect(Object.keys(told.vector).length).toBeLessThanOrEqual(3);
    for (const other of made.nodes) expect(node.replica.surplusOver(other.hello())).toBe('nothing');
  }
  // Whoever has let go of a session and whoever has not yet hold the same.
  const [a, b] = made.nodes as [EngineNode, EngineNode];
  b.app.exec(`UPDATE item SET a = 'later' WHERE id = 'k'`);
  expect(a.pull(b)).toBe(1);
  expect(a.data()).toEqual(b.data());
});

test('a node whose horizon is below what others have dropped is stale, and is told so', () => {
  const made = cluster(2);
  const [a, b] = made.nodes as [EngineNode, EngineNode];
  quieten(made);
  b.backUp();
  for (let round = 0; round < 3; round += 1) {
    a.app.exec(`INSERT OR REPLACE INTO item VALUES('k', ${round}, 0)`);
    restart(a);
    a.foldAll();
    quieten(made);
  }
  expect(a.hello().dropped).toBeGreaterThan(0);
  b.restore();
  expect(b.hello().horizon).toBeLessThan(a.hello().dropped);
  expect(b.pull(a)).toBe('stale');
  expect(a.pull(b)).toBe('stale');
});

test('a row that is written again and again keeps no dots below the horizon', () => {
  const made = cluster(2);
  const [a, b] = made.nodes as [EngineNode, EngineNode];
  a.app.exec(`INSERT INTO item VALUES('hot', 0, 0)`);
  for (let round = 1; round < 8; round += 1) {
    const writer = round % 2 === 0 ? a : b;
    made.settleDown();
    quieten(made);
    restart(writer);
    writer.app.exec(`UPDATE item SET a = ${round}, b = ${round} WHERE id = 'hot'`);
    writer.foldAll();
  }
  made.settleDown();
  const vector = (node: EngineNode) =>
    node.app.prepare(`SELECT vector FROM _sqlsync_meta_10 WHERE k1 = 'hot'`).pluck().get();
  expect([vector(a), vector(b)]).toEqual([null, null]);
});

test('a member that has not been heard yet holds everything back', () => {
  const made = cluster(2);
  const [a, b] = made.nodes as [EngineNode, EngineNode];
  a.app.exec(`INSERT INTO item VALUES('k', 1, 1)`);
  a.foldAll();
  while (a.replica.settle().more);
  expect(metadataRows(a.app)).toBeGreaterThan(0);
  expect(b.pull(a)).toBeTypeOf('number');
  while (a.replica.settle().more);
  expect(metadataRows(a.app)).toBeGreaterThan(0);
  quieten(made);
  expect(metadataRows(a.app)).toBe(0);
});
