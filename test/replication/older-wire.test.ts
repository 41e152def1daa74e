/** Nodes that are upgraded one by one: what one says in the newest wire version, another knows in the one before only. */
import { afterEach, expect, test } from 'vitest';
import { WIRE_VERSION, WIRE_VERSION_MIN } from '../../src/replication/wire-messages.js';
import { EngineCluster, type EngineNode, stageOf } from '../support/engine-node.js';

const SCHEMA = 'CREATE TABLE item(k TEXT PRIMARY KEY, a, b TEXT)';
const ONLY_OLD = { wireVersion: WIRE_VERSION_MIN, wireVersionMin: WIRE_VERSION_MIN };

let cluster: EngineCluster;
afterEach(() => cluster.close());

type Nodes = [fresh: EngineNode, old: EngineNode, relayed: EngineNode];

/** Three nodes, of which the second speaks no later version than the one before this. */
function makeNodes(strategy: string): Nodes {
  cluster = new EngineCluster(SCHEMA, 3, { strategies: { '*': strategy } });
  const nodes = cluster.nodes as Nodes;
  reopen(nodes[1], ONLY_OLD);
  return nodes;
}

function reopen(node: EngineNode, wire: EngineNode['wire']): void {
  node.kill();
  node.wire = wire;
  node.open();
}

function expectEqual(nodes: readonly EngineNode[]): void {
  for (const node of nodes) expect(node.data()).toEqual(nodes[0]?.data());
}

/** A chain, so that what the first and the last have of each other has gone through the one between them. */
const inChain = (i: number, j: number) => Math.abs(i - j) === 1;

test.each(['merge', 'lww', 'version'])('what is written on any of them reaches all: strategy %s', (strategy) => {
  const [fresh, old, relayed] = makeNodes(strategy);
  expect(stageOf(old, fresh.hello()).sender.wireVersion).toBe(WIRE_VERSION_MIN);
  expect(stageOf(fresh, old.hello()).sender.wireVersion).toBe(WIRE_VERSION_MIN);
  expect(stageOf(fresh, relayed.hello()).sender.wireVersion).toBe(WIRE_VERSION);
  fresh.app.exec(`INSERT INTO item VALUES('x', 1, 'one'), ('y', 2, 'two'), ('z', 3, 'three')`);
  cluster.settleDown(inChain);
  for (const [i, { app }] of cluster.nodes.entries()) {
    app.exec(`UPDATE item SET a = ${i}, b = 'by ${i}' WHERE k = 'x'; INSERT INTO item VALUES('own ${i}', ${i}, NULL)`);
  }
  // A row that comes after a deletion keeps that one's rank for columns which others may have: here nobody has any.
  for (const { app } of [fresh, old])
    app.exec(`DELETE FROM item WHERE k = 'y'; INSERT INTO item VALUES('y', 9, 'anew')`);
  relayed.app.exec(`DELETE FROM item WHERE k = 'z'`);
  cluster.settleDown(inChain);
  expectEqual(cluster.nodes);
  expect(fresh.data().item).toHaveLength(5);

  reopen(old, undefined);
  expect(stageOf(old, fresh.hello()).sender.wireVersion).toBe(WIRE_VERSION);
  fresh.app.exec(`UPDATE item SET b = 'after the upgrade'`);
  cluster.settleDown(inChain);
  expectEqual(cluster.nodes);
});

test('rows that the older version cannot tell without loss wait until the peer has been upgraded', () => {
  const [fresh, old, relayed] = makeNodes('lww');
  fresh.app.exec(`INSERT INTO item VALUES('x', 1, 'one')`);
  cluster.settleDown();
  for (const { app } of [fresh, old]) app.exec('ALTER TABLE item ADD COLUMN c');
  fresh.app.exec(`UPDATE item SET c = 'kept' WHERE k = 'x'`);
  relayed.app.exec(`UPDATE item SET b = 'without c' WHERE k = 'x'`);
  for (const node of cluster.nodes) node.foldAll();
  relayed.app.exec('ALTER TABLE item ADD COLUMN c');
  relayed.foldAll();
  const refused = expect.objectContaining({
    code: 'wire-version',
    message: expect.stringContaining('item has rows that leave columns unsaid'),
    hint: expect.stringContaining('upgrade sqlsync on the peer'),
  });
  expect(() => old.pull(relayed)).toThrow(refused);
  expect(() => old.pull(relayed)).toThrow(refused);

  reopen(old, undefined);
  cluster.settleDown();
  expectEqual(cluster.nodes);
  expect(old.app.prepare('SELECT c FROM item').pluck().all()).toEqual(['kept']);
});

test('one that speaks later versions only is refused by name', () => {
  const [fresh, old] = makeNodes('merge');
  reopen(old, { wireVersion: WIRE_VERSION + 1, wireVersionMin: WIRE_VERSION + 1 });
  expect(fresh.refusalBetween(old)).toEqual({
    code: 'wire-version',
    message: 'n1 speaks wire versions 3 to 3, n0 1 to 2',
    hint: 'upgrade the older of the two',
  });
});
