import { expect, onTestFinished, test } from 'vitest';
import { closeGap, useHere, useThere } from '../../../src/daemon/compare/treatment.js';
import { answersOf, compareEngines, writeUnseen } from '../../support/compare-engines.js';
import { EngineCluster, type EngineNode } from '../../support/engine-node.js';

const SCHEMA = 'CREATE TABLE t(k INTEGER PRIMARY KEY, x, y, u UNIQUE)';

function trio(options: ConstructorParameters<typeof EngineCluster>[2] = {}): {
  cluster: EngineCluster;
  nodes: [EngineNode, EngineNode, EngineNode];
} {
  const cluster = new EngineCluster(SCHEMA, 3, options);
  onTestFinished(() => cluster.close());
  const nodes = cluster.nodes as [EngineNode, EngineNode, EngineNode];
  nodes[0].app.exec(
    "INSERT INTO t VALUES(1, 'a', 'a', 1), (2, 'b', 'b', 2), (3, 'c', 'c', 3), (4, 'd', 'd', 4), (5, 'e', 'e', 5)",
  );
  cluster.settleDown();
  return { cluster, nodes };
}

/** One node loses a row, changes two, gains one and swaps what is unique, all unseen. */
function goAstray(node: EngineNode): void {
  writeUnseen(node, () =>
    node.app.exec(`DELETE FROM t WHERE k = 1; UPDATE t SET x = 'astray' WHERE k = 2; UPDATE t SET y = -0.0 WHERE k = 3;
      INSERT INTO t VALUES(6, 'new', 'new', 6); UPDATE t SET u = NULL WHERE k = 4; UPDATE t SET u = 4 WHERE k = 5;
      UPDATE t SET u = 5 WHERE k = 4`),
  );
}

function records(
  node: EngineNode,
): { key: unknown; kind: string; strategy: string; winner: unknown; loser: unknown }[] {
  const rows = node.app.prepare('SELECT key, kind, strategy, winner, loser FROM _sqlsync_conflict ORDER BY key').all();
  return (rows as Record<string, string>[]).map(({ key, kind, strategy, winner, loser }) => ({
    key: JSON.parse(key ?? ''),
    kind: kind ?? '',
    strategy: strategy ?? '',
    winner: JSON.parse(winner ?? '').row,
    loser: JSON.parse(loser ?? '').row,
  }));
}

const isRow = (k: number, row: object) => expect.objectContaining({ k, ...row });

for (const settled of [false, true]) {
  const how = settled ? 'settled' : 'fresh';

  test(`there, of ${how} rows: this node takes the other's rows, all three agree, and what it had is kept`, async () => {
    const { cluster, nodes } = trio();
    const [here, there, third] = nodes;
    if (settled) settle(cluster);
    const right = there.data();
    goAstray(here);
    const repaired = await compareEngines(here, there, { treat: useThere });
    expect(repaired).toMatchObject({ equal: true, tables: [{ written: 6, differing: 0 }] });
    cluster.settleDown();
    expect([here.data(), third.data()]).toEqual([right, right]);
    expect(records(third)).toEqual(records(here));
    expect(records(here)).toEqual([
      { key: { k: 1 }, kind: 'update-delete', strategy: 'repair', winner: isRow(1, { x: 'a' }), loser: null },
      {
        key: { k: 2 },
        kind: 'update-update',
        strategy: 'repair',
        winner: isRow(2, { x: 'b' }),
        loser: isRow(2, { x: 'astray' }),
      },
      {
        key: { k: 3 },
        kind: 'update-update',
        strategy: 'repair',
        winner: isRow(3, { y: 'c' }),
        loser: isRow(3, { y: { $real: '-0.0' } }),
      },
      {
        key: { k: 4 },
        kind: 'update-update',
        strategy: 'repair',
        winner: isRow(4, { u: 4 }),
        loser: isRow(4, { u: 5 }),
      },
      {
        key: { k: 5 },
        kind: 'update-update',
        strategy: 'repair',
        winner: isRow(5, { u: 5 }),
        loser: isRow(5, { u: 4 }),
      },
      { key: { k: 6 }, kind: 'update-delete', strategy: 'repair', winner: null, loser: isRow(6, { x: 'new' }) },
    ]);
  });

  test(`here, of ${how} rows: the other takes this node's rows, all three agree, and what it had is kept`, async () => {
    const { cluster, nodes } = trio();
    const [here, there, third] = nodes;
    if (settled) settle(cluster);
    goAstray(here);
    const right = here.data();
    const repaired = await compareEngines(here, there, { treat: useHere });
    expect(repaired).toMatchObject({ equal: true, tables: [{ written: 6, differing: 0 }] });
    cluster.settleDown();
    expect([there.data(), third.data(), here.data()]).toEqual([right, right, right]);
    const lost = records(third).map(({ key, loser }) => [key, (loser as { x?: unknown } | null)?.x ?? null]);
    expect(lost).toEqual([
      [{ k: 1 }, 'a'],
      [{ k: 2 }, 'b'],
      [{ k: 3 }, 'c'],
      [{ k: 4 }, 'd'],
      [{ k: 5 }, 'e'],
      [{ k: 6 }, null],
    ]);
    expect(await compareEngines(third, there)).toMatchObject({ equal: true });
  });
}

/** Has every node settle what all have. */
function settle(cluster: EngineCluster): void {
  for (let round = 0; round < 3; round += 1) {
    cluster.settleDown();
    for (const node of cluster.nodes) while (node.replica.settle().more);
  }
  const count = cluster.nodes[0]?.app.prepare('SELECT count(*) FROM _sqlsync_meta_10').pluck().get();
  expect(count).toBe(0);
}

test('a write of the application to another column of the row merges with the repair', async () => {
  const { cluster, nodes } = trio();
  const [here, there, third] = nodes;
  goAstray(here);
  third.app.exec("UPDATE t SET y = 'meanwhile' WHERE k = 2");
  await compareEngines(here, there, { treat: useThere });
  cluster.settleDown();
  for (const node of nodes) {
    expect(node.app.prepare('SELECT x, y FROM t WHERE k = 2').raw().get()).toEqual(['b', 'meanwhile']);
  }
  expect(records(here).filter(({ strategy }) => strategy !== 'repair')).toEqual([]);
});

test('a row that came back unseen over its tombstone is deleted again', async () => {
  const { cluster, nodes } = trio();
  const [here, there] = nodes;
  there.app.exec('DELETE FROM t WHERE k = 5');
  cluster.settleDown();
  writeUnseen(here, () => here.app.exec("INSERT INTO t VALUES(5, 'back', 'back', 5)"));
  expect(await compareEngines(here, there, { treat: useThere })).toMatchObject({ equal: true });
  cluster.settleDown();
  for (const node of nodes) expect(node.app.prepare('SELECT 1 FROM t WHERE k = 5').get()).toBe(undefined);
});

test('repairing the same row twice keeps what was replaced both times', async () => {
  const { cluster, nodes } = trio();
  const [here, there] = nodes;
  settle(cluster);
  for (const value of ['first', 'second']) {
    writeUnseen(here, () => here.app.prepare('UPDATE t SET x = ? WHERE k = 1').run(value));
    expect(await compareEngines(here, there, { treat: useThere })).toMatchObject({ equal: true });
    settle(cluster);
  }
  expect(
    records(here)
      .map(({ loser }) => (loser as { x: string }).x)
      .sort(),
  ).toEqual(['first', 'second']);
});

test('a large value of the other side cannot be kept: such a row is not overruled', async () => {
  const { nodes } = trio();
  const [here, there] = nodes;
  writeUnseen(there, () => there.app.exec('UPDATE t SET x = zeroblob(2000000) WHERE k = 1'));
  const left = await compareEngines(here, there, { treat: useHere });
  expect(left).toMatchObject({ equal: false, tables: [{ written: 0, differing: 1 }] });
  // From the other side it can: that node has the value whole.
  expect(await compareEngines(there, here, { treat: useThere })).toMatchObject({ equal: true });
});

test('the gap of one node: what differs are its own writes', async () => {
  const { cluster, nodes } = trio();
  const [here, there, third] = nodes;
  settle(cluster);
  goAstray(here);
  const right = here.data();
  const treat = (sides: Parameters<typeof useHere>[0]) => closeGap(sides, { here: ['t'], there: [] });
  expect(await compareEngines(here, there, { treat })).toMatchObject({ equal: true, tables: [{ written: 6 }] });
  cluster.settleDown();
  expect([there.data(), third.data()]).toEqual([right, right]);
  expect(records(here)).toEqual([]);
});

test('the gaps of both nodes: what is present beats what is absent, and of two rows one is kept in a record', async () => {
  const { cluster, nodes } = trio();
  const [here, there] = nodes;
  settle(cluster);
  writeUnseen(here, () =>
    here.app.exec(
      "DELETE FROM t WHERE k = 1; UPDATE t SET x = 'here' WHERE k = 2; INSERT INTO t VALUES(6, 'here', 0, 6)",
    ),
  );
  writeUnseen(there, () => there.app.exec("UPDATE t SET x = 'there' WHERE k = 2; DELETE FROM t WHERE k = 3"));
  const treat = (sides: Parameters<typeof useHere>[0]) => closeGap(sides, { here: ['t'], there: ['t'] });
  expect(await compareEngines(here, there, { treat })).toMatchObject({ equal: true });
  cluster.settleDown();
  for (const node of nodes) {
    expect(node.app.prepare('SELECT k, x FROM t ORDER BY k').raw().all()).toEqual(
      [[1, 'a'], [2, 'here'], [3, 'c'], [4, 'd'], [5, 'e'], [6, 'here']], // biome-ignore format: one line
    );
  }
  expect(records(there).filter(({ key }) => (key as { k: number }).k === 2)).toMatchObject([
    { kind: 'update-update', strategy: 'merge', winner: { x: 'here' }, loser: { x: 'there' } },
  ]);
});

test('a gap that is found while the nodes are compared is not closed by it', async () => {
  const { nodes } = trio();
  const [here] = nodes;
  const answers = answersOf(here);
  // What is logged has the engine look at the schema.
  here.app.exec('DROP TRIGGER _sqlsync_10_update; INSERT INTO t(k) VALUES(9)');
  here.foldAll();
  const { tables, mark } = answers.gap;
  expect(tables).toEqual(['t']);
  here.app.exec('DROP TRIGGER _sqlsync_10_update');
  const found = { peer: 'n1', rowsWritten: 0 };
  const peer = { nodeId: nodes[1].replica.nodeId, hasMissed: false, covered: [] };
  expect(await answers.closeGap(mark, found, peer)).toBe(false);
  expect(await answers.closeGap(answers.gap.mark, found, peer)).toBe(true);
  expect(answers.gap.isOpen).toBe(false);
  expect(here.replica.status().gap).toBe(null);
});
