/** Versions that a constraint keeps out of their table: nothing of them is settled, and they come in as soon as they can. */
import { afterEach, expect, test } from 'vitest';
import { installCapture } from '../../src/replication/install-capture.js';
import { planCapture } from '../../src/replication/plan-capture.js';
import { EngineCluster, type EngineNode, stageOf } from '../support/engine-node.js';

const SCHEMA =
  'CREATE TABLE span(k TEXT PRIMARY KEY, lo, hi, note, CHECK(lo <= hi)); CREATE TABLE other(k PRIMARY KEY)';

let cluster: EngineCluster;
afterEach(() => cluster.close());

/** Both ends of one span move towards each other, each on a node that does not know: each change is fine, the merge is not. */
function crossEnds(nodes: number, linked: (i: number, j: number) => boolean = () => true): EngineNode[] {
  cluster = new EngineCluster(SCHEMA, nodes);
  const [first, last] = [cluster.nodes[0], cluster.nodes.at(-1)] as [EngineNode, EngineNode];
  first.app.exec(`INSERT INTO span VALUES('k', 0, 10, '')`);
  cluster.settleDown(linked);
  for (let round = 0; round < 3; round += 1) settleAll(linked);
  last.app.exec('UPDATE span SET lo = 8');
  last.foldAll();
  first.app.exec('UPDATE span SET hi = 5');
  first.foldAll();
  settleAll(linked);
  return cluster.nodes;
}

function settleAll(linked: (i: number, j: number) => boolean = () => true): void {
  cluster.settleDown(linked);
  for (const node of cluster.nodes) while (node.replica.settle().more);
}

function spans({ app }: EngineNode): unknown[] {
  return app.prepare('SELECT lo, hi FROM span').raw().all();
}

function keptCount({ app }: EngineNode): unknown {
  return app.prepare('SELECT count(*) FROM _sqlsync_quarantine').pluck().get();
}

test('a write that is only in the merge is not settled, and not lost to a newer version', () => {
  const [a, b] = crossEnds(2) as [EngineNode, EngineNode];
  a.app.exec('UPDATE span SET hi = 6');
  for (let round = 0; round < 3; round += 1) settleAll();
  expect(keptCount(b)).toBe(1);
  a.app.exec('UPDATE span SET hi = 9');
  settleAll();
  for (const node of [a, b]) expect([spans(node), keptCount(node)]).toEqual([[[8, 9]], 0]);
});

test('a local write to the row behind is joined with the version that waits', () => {
  const [a, b] = crossEnds(2) as [EngineNode, EngineNode];
  b.app.exec('UPDATE span SET lo = 4');
  settleAll();
  for (const node of [a, b]) expect([spans(node), keptCount(node)]).toEqual([[[4, 5]], 0]);
});

test('a version is joined with all that its row has had, not with part of it', () => {
  cluster = new EngineCluster(SCHEMA, 2, { limits: { foldEntriesMax: 1 } });
  const [a, b] = cluster.nodes as [EngineNode, EngineNode];
  a.app.exec(`INSERT INTO span VALUES('k', 0, 10, '')`);
  cluster.settleDown();
  b.app.exec(`UPDATE span SET lo = 8, note = 'theirs'`);
  b.foldAll();
  a.app.exec('UPDATE span SET hi = 5');
  cluster.settleDown();
  expect(keptCount(a)).toBe(1);
  a.app.exec(`BEGIN; UPDATE span SET hi = 9; UPDATE span SET note = 'mine'; COMMIT`);
  cluster.settleDown();
  for (const { app } of [a, b])
    expect(app.prepare('SELECT lo, hi, note FROM span').raw().all()).toEqual([[8, 9, 'mine']]);
});

test('in a chain, members that never meet learn that nothing is held back any more', () => {
  const chain = (i: number, j: number) => Math.abs(i - j) === 1;
  const nodes = crossEnds(4, chain);
  (nodes[0] as EngineNode).app.exec('UPDATE span SET hi = 9');
  for (let round = 0; round < 4; round += 1) settleAll(chain);
  for (const node of nodes) {
    expect(spans(node)).toEqual([[8, 9]]);
    expect(Object.values(node.hello().acknowledged).map(({ hold }) => hold)).toEqual([null, null, null]);
  }
});

test('what was told earlier and heard later does not end a hold', () => {
  cluster = new EngineCluster(SCHEMA, 3);
  const [a, b, c] = cluster.nodes as [EngineNode, EngineNode, EngineNode];
  a.app.exec(`INSERT INTO span VALUES('k', 0, 10, '')`);
  cluster.settleDown();
  b.app.exec('UPDATE span SET lo = 8');
  a.app.exec(`UPDATE span SET hi = 5; INSERT INTO other VALUES(1)`);
  const early = stageOf(a, c.hello());
  a.pull(b);
  c.pull(b);
  b.pull(c);
  c.replica.acknowledge(a.hello());
  const application = c.replica.beginApply(early);
  while (!application.step().done);
  expect(c.hello().acknowledged.n0?.hold).not.toBeNull();
});

test.each([
  ['ADD COLUMN extra DEFAULT 3', [['k', 8, 9, '', 3]]],
  ['DROP COLUMN note', [['k', 8, 9]]],
])('a version outlives a migration: ALTER TABLE … %s', (change, rows) => {
  const [a, b] = crossEnds(2) as [EngineNode, EngineNode];
  for (const { app } of cluster.nodes) {
    app.exec(`ALTER TABLE span ${change}`);
    installCapture(app, planCapture(app, { include: [], exclude: [] }), { nowMs: Date.now(), facts: {} });
  }
  for (const node of cluster.nodes) {
    node.kill();
    node.open();
  }
  a.app.exec('INSERT INTO other VALUES(1)');
  cluster.settleDown();
  a.app.exec('UPDATE span SET hi = 9');
  cluster.settleDown();
  for (const { app } of [a, b]) expect(app.prepare('SELECT * FROM span').raw().all()).toEqual(rows);
});
