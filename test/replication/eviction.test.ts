/** Who is counted out for having been silent, and by whom. */
import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const DAY_MS = 86_400_000;
const START_MS = 1_790_000_000_000;

/** Nodes with one clock, which goes on when the test says so. */
function cluster(count: number): { nodes: readonly EngineNode[]; pass: (days: number) => void } {
  let nowMs = START_MS;
  const made = new EngineCluster('CREATE TABLE item(id TEXT PRIMARY KEY NOT NULL, a)', count, {
    clockOf: () => ({ nowMs: () => nowMs }),
  });
  onTestFinished(() => made.close());
  exchange(made.nodes);
  return {
    nodes: made.nodes,
    pass: (days) => {
      nowMs += days * DAY_MS;
    },
  };
}

/** Until everybody has heard that everybody has heard. */
function exchange(nodes: readonly EngineNode[]): void {
  for (let round = 0; round < 3; round += 1) {
    for (const to of nodes) for (const from of nodes) if (to !== from) expect(to.pull(from)).toBeTypeOf('number');
  }
}

function evictSilent(node: EngineNode, listeningSinceMs = START_MS) {
  const request = { silentMsMax: 30 * DAY_MS, listeningSinceMs, operationId: () => randomBytes(16).toString('hex') };
  const { members, undecided } = node.replica.evictSilent(request);
  return { evicted: members.map(({ name }) => name), undecided: undecided.map(({ name }) => name) };
}

const NOBODY = { evicted: [], undecided: [] };

test('most of the members count out one that has been silent for too long; then history goes', () => {
  const { nodes, pass } = cluster(3);
  const [a, b, c] = nodes as [EngineNode, EngineNode, EngineNode];
  a.app.exec(`INSERT INTO item VALUES('held for c', 1)`);
  pass(29);
  exchange([a, b]);
  expect(evictSilent(a)).toEqual(NOBODY);
  pass(2);
  exchange([a, b]);
  // It has heard of nobody, and must not take that for their silence.
  expect(evictSilent(c)).toEqual({ evicted: [], undecided: ['n0', 'n1'] });
  expect(evictSilent(a)).toEqual({ evicted: ['n2'], undecided: [] });
  expect(evictSilent(a)).toEqual(NOBODY);
  for (let round = 0; round < 3; round += 1) {
    exchange([a, b]);
    for (const node of [a, b]) while (node.replica.settle().more);
  }
  expect(a.app.prepare('SELECT count(*) FROM _sqlsync_meta_10').pluck().get()).toBe(0);
  expect([c.pull(a), a.pull(c)]).toEqual(['stale', 'member-removed']);
  expect(b.app.prepare('SELECT operator, command FROM _sqlsync_operation').raw().all()).toEqual([
    ['sqlsync', 'members remove n2: silent for longer than prune.peerTimeout'],
  ]);
});

test('one that has not been listening all that time evicts nobody', () => {
  const { nodes, pass } = cluster(3);
  const [a, b] = nodes as [EngineNode, EngineNode];
  pass(31);
  exchange([a, b]);
  expect(evictSilent(a, START_MS + 30 * DAY_MS)).toEqual(NOBODY);
});

test('of two halves that have lost each other the one with the first member decides', () => {
  const { nodes, pass } = cluster(4);
  const [a, b, c, d] = nodes as [EngineNode, EngineNode, EngineNode, EngineNode];
  // Who joined first is told by the clock.
  pass(31);
  exchange([a, b]);
  exchange([c, d]);
  const [first, second] = [a, c].map((node) => evictSilent(node)) as [typeof NOBODY, typeof NOBODY];
  const decided = [first, second].filter(({ evicted }) => evicted.length === 2);
  const undecided = [first, second].filter((found) => found.undecided.length === 2 && found.evicted.length === 0);
  expect([decided.length, undecided.length]).toEqual([1, 1]);
});
