import { expect, onTestFinished, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA = 'CREATE TABLE item(id TEXT PRIMARY KEY NOT NULL, n INTEGER)';

function threeNodes(): readonly [EngineNode, EngineNode, EngineNode] {
  const cluster = new EngineCluster(SCHEMA, 3);
  onTestFinished(() => cluster.close());
  cluster.settleDown();
  return cluster.nodes as unknown as readonly [EngineNode, EngineNode, EngineNode];
}

const backlogOf = (node: EngineNode) => {
  const { pendingChanges, backlogs } = node.replica.status();
  return {
    pendingChanges,
    ...Object.fromEntries(Object.entries(backlogs).map(([name, { changes }]) => [name, changes])),
  };
};

test('a write waits for each member by itself until that one has acknowledged it, folded or not', () => {
  const [here, east] = threeNodes();
  expect(backlogOf(here)).toEqual({ pendingChanges: 0, n1: 0, n2: 0 });
  here.app.exec(`INSERT INTO item VALUES('a', 1), ('b', 2)`);
  expect(backlogOf(here)).toEqual({ pendingChanges: 2, n1: 2, n2: 2 });
  here.foldAll();
  expect(backlogOf(here)).toEqual({ pendingChanges: 2, n1: 2, n2: 2 });

  const { backlogs } = here.replica.status();
  const oldest = here.app.prepare(`SELECT min(hlc) FROM _sqlsync_log WHERE k1 IN ('a', 'b')`).pluck().get();
  expect(backlogs.n1?.oldestHlc).toBe(oldest);

  east.pull(here);
  expect(backlogOf(here)).toEqual({ pendingChanges: 2, n1: 2, n2: 2 });
  here.replica.acknowledge(east.hello());
  expect(backlogOf(here)).toEqual({ pendingChanges: 2, n1: 0, n2: 2 });
  here.app.exec(`UPDATE item SET n = 3 WHERE id = 'a'`);
  expect(backlogOf(here)).toEqual({ pendingChanges: 3, n1: 1, n2: 3 });
  here.foldAll();
  expect(backlogOf(here)).toEqual({ pendingChanges: 2, n1: 1, n2: 2 });
});

test('a large backlog is read in slices, and as a whole when somebody wants it at once', () => {
  const [here] = threeNodes();
  here.app.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000) INSERT INTO item SELECT i, i FROM n`,
  );
  here.foldAll();
  const slices = here.replica.statusInSlices();
  let count = 1;
  let last = slices.next();
  for (; !last.done; last = slices.next()) count += 1;
  expect(count).toBeGreaterThanOrEqual(3);
  expect(last.value).toMatchObject({
    pendingChanges: 25_000,
    unsettledRows: 25_000,
    backlogs: { n1: { changes: 25_000 } },
  });
  expect(here.replica.status()).toEqual(last.value);
});

test('a member is ahead while it has told of something that is not here', () => {
  const [here, east] = threeNodes();
  east.app.exec(`INSERT INTO item VALUES('c', 1)`);
  east.foldAll();
  here.replica.acknowledge(east.hello());
  expect(here.replica.status().backlogs).toMatchObject({ n1: { changes: 0, oldestHlc: null, isAhead: true } });
  here.pull(east);
  expect(here.replica.status().backlogs).toMatchObject({ n1: { isAhead: false } });
});
