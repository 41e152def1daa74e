/** Gaps among more than two members: what one peer can tell of what another has. */
import { afterEach, expect, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';
import { closeGapWith, writeWithoutTriggers } from '../support/gap.js';

let cluster: EngineCluster;
afterEach(() => cluster.close());

function trio(): [EngineNode, EngineNode, EngineNode] {
  cluster = new EngineCluster('CREATE TABLE item(k TEXT PRIMARY KEY, a, b)', 3);
  return cluster.nodes as [EngineNode, EngineNode, EngineNode];
}

const rows = ({ app }: EngineNode) => app.prepare('SELECT * FROM item ORDER BY k').raw().all();

test('a row that was written unseen before one member had it, and after another had, is the same on all in the end', async () => {
  const [here, early, late] = trio();
  here.app.exec("INSERT INTO item VALUES('x', 0, 0)");
  early.pull(here);
  writeWithoutTriggers(here, 'UPDATE item SET a = 1');
  late.pull(here);
  expect(rows(late)).toEqual([['x', 1, 0]]);
  expect(await closeGapWith(here, late)).toBe(true);
  cluster.settleDown();
  expect([rows(here), rows(early), rows(late)]).toEqual(Array(3).fill([['x', 1, 0]]));
});

test('a row that the peer has had from elsewhere is not claimed', async () => {
  const [here, early, late] = trio();
  here.app.exec("INSERT INTO item VALUES('x', 0, 0)");
  cluster.settleDown();
  writeWithoutTriggers(here, '');
  here.foldAll();
  const entries = () => here.app.prepare('SELECT count(*) FROM _sqlsync_log WHERE tbl >= 10').pluck().get();
  const before = entries();
  expect(await closeGapWith(here, late)).toBe(true);
  expect(entries()).toBe(before);
  expect(rows(early)).toEqual([['x', 0, 0]]);
});

test('two that have missed the same writes close nothing by each other, but with all members, or with one that has not', async () => {
  const [here, there, third] = trio();
  here.app.exec("INSERT INTO item VALUES('x', 0, 0)");
  cluster.settleDown();
  for (const node of [here, there]) writeWithoutTriggers(node, 'DELETE FROM item');
  there.foldAll();
  expect(await closeGapWith(here, there)).toBe(false);
  expect(here.replica.status().gap?.tables).toEqual(['item']);
  expect(await closeGapWith(here, third)).toBe(true);
  cluster.settleDown();
  expect(await closeGapWith(there, here)).toBe(true);
  cluster.settleDown();
  expect([rows(here), rows(there), rows(third)]).toEqual([[], [], []]);
});

test('where all have missed writes, each closes its gap with all others', async () => {
  const nodes = trio();
  const [here, there, third] = nodes;
  for (const node of nodes) writeWithoutTriggers(node, `INSERT INTO item VALUES('${node.name}', 1, 1)`);
  for (const node of nodes) node.foldAll();
  expect(await closeGapWith(here, there)).toBe(false);
  expect(await closeGapWith(here, third)).toBe(true);
  for (const node of [there, third]) expect(await closeGapWith(node, here)).toBe(true);
  cluster.settleDown();
  expect(rows(here)).toHaveLength(3);
  expect([rows(there), rows(third)]).toEqual([rows(here), rows(here)]);
});

test('nodes in a chain that have all missed writes come to an end by what their neighbours have compared', async () => {
  const [left, middle, right] = trio();
  const isLinked = (i: number, j: number) => Math.abs(i - j) === 1;
  for (const node of cluster.nodes) writeWithoutTriggers(node, `INSERT INTO item VALUES('${node.name}', 1, 1)`);
  for (const node of cluster.nodes) node.foldAll();
  expect(await closeGapWith(left, middle)).toBe(false);
  cluster.settleDown(isLinked);
  expect(await closeGapWith(middle, left)).toBe(false);
  cluster.settleDown(isLinked);
  expect(await closeGapWith(right, middle)).toBe(true);
  cluster.settleDown(isLinked);
  for (const [node, peer] of [[middle, right], [left, middle]] as const) expect(await closeGapWith(node, peer)).toBe(true); // biome-ignore format: one line
  cluster.settleDown(isLinked);
  expect(rows(left)).toHaveLength(3);
  expect([rows(middle), rows(right)]).toEqual([rows(left), rows(left)]);
});
