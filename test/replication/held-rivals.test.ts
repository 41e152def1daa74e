/** A row waits for the schema, and another version of the same row, of which its author did not know, is in the table. */
import { afterEach, expect, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

let cluster: EngineCluster;
let nowMs = Date.UTC(2026, 0);
afterEach(() => cluster.close());

const MIGRATION = 'ALTER TABLE item ADD COLUMN late';
const rows = ({ app }: EngineNode) => app.prepare('SELECT k, a FROM item').all();

/** By the life that began later, whatever was written later to the one before it. */
const OUTCOME = [{ k: 'k', a: 'new life' }];

function settleAll(): void {
  const { nodes } = cluster;
  for (let round = 0; round < 3; round += 1) {
    for (const to of nodes) for (const from of nodes) if (to !== from) to.replica.acknowledge(from.hello());
    for (const node of nodes) while (node.replica.settle().more);
  }
}

/**
 * The author has migrated and writes to the new column; the rival has put another row in the old one's place before that.
 * Neither knows of the other.
 */
function makeRivals(count: number): { author: EngineNode; rival: EngineNode; others: EngineNode[] } {
  cluster = new EngineCluster(
    'CREATE TABLE item(k TEXT PRIMARY KEY, a); CREATE TABLE other(k TEXT PRIMARY KEY)',
    count,
    {
      clockOf: () => ({ nowMs: () => nowMs }),
    },
  );
  const [author, rival, ...others] = cluster.nodes as [EngineNode, EngineNode, ...EngineNode[]];
  author.app.exec(`INSERT INTO item VALUES('k', 'old life')`);
  cluster.settleDown();
  settleAll();
  author.app.exec(MIGRATION);
  write(rival, `DELETE FROM item; INSERT INTO item VALUES('k', 'new life')`);
  return { author, rival, others };
}

function write(node: EngineNode, sql: string): void {
  nowMs += 1000;
  node.app.exec(sql);
  node.foldAll();
}

/** In the old row, of whose end the author does not know. */
const UNSEEN = `UPDATE item SET late = 'unseen' WHERE k = 'k'`;

/** What the rival wrote came to others before it migrated. Then the two meet, and all but one hear what each has. */
function meet(author: EngineNode, rival: EngineNode, deaf?: EngineNode): void {
  rival.app.exec(MIGRATION);
  author.pull(rival);
  rival.pull(author);
  const { nodes } = cluster;
  for (let round = 0; round < 3; round += 1) {
    for (const to of nodes) for (const from of nodes) if (to !== from && to !== deaf) to.pull(from);
    for (const node of nodes) if (node !== deaf) while (node.replica.settle().more);
  }
}

test('what a row that waits will be joined with is not let go of, though all have it', () => {
  const { author, rival, others } = makeRivals(3);
  const [late] = others as [EngineNode];
  write(author, UNSEEN);
  late.pull(author);
  late.pull(rival);
  meet(author, rival);
  late.app.exec(MIGRATION);
  late.foldAll();
  expect(rows(late)).toEqual(OUTCOME);
  cluster.settleDown();
  for (const node of cluster.nodes) expect(rows(node)).toEqual(OUTCOME);
});

test('whoever gets it by way of a node where it waits does not take it for one that knows what is in the table', () => {
  const { author, rival, others } = makeRivals(4);
  const [relay, last] = others as [EngineNode, EngineNode];
  const written = rival.hello().folded;
  write(author, `INSERT INTO other VALUES('later')`);
  for (const from of [author, rival]) relay.pull(from);
  last.app.exec(MIGRATION);
  for (const from of [author, rival, relay]) last.pull(from);
  write(author, UNSEEN);
  relay.pull(author);
  meet(author, rival, last);
  // All have acknowledged what the rival wrote, as the relay has heard; the last one has not.
  expect(relay.hello().horizon).toBeGreaterThanOrEqual(written);
  expect(last.hello().horizon).toBeLessThan(written);
  last.pull(relay);
  expect(rows(last)).toEqual(OUTCOME);
  relay.app.exec(MIGRATION);
  relay.foldAll();
  cluster.settleDown();
  for (const node of cluster.nodes) expect(rows(node)).toEqual(OUTCOME);
});
