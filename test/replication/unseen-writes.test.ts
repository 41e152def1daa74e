/** What is written unseen in a gap of capture and met by a change of another node, before anybody has compared the two. */
import { afterEach, describe, expect, test } from 'vitest';
import { writeUnseen } from '../support/compare-engines.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';
import { closeGapWith, toldConflicts, writeWithoutTriggers } from '../support/gap.js';

let cluster: EngineCluster;
afterEach(() => cluster.close());

type Options = ConstructorParameters<typeof EngineCluster>[2];

/** Two nodes that both have the row x, of which the metadata is still there, or settled. */
function pair(isSettled: boolean, options: Options = {}): [EngineNode, EngineNode] {
  cluster = new EngineCluster('CREATE TABLE item(k TEXT PRIMARY KEY, a, b)', 2, options);
  const [here, there] = cluster.nodes as [EngineNode, EngineNode];
  here.app.exec("INSERT INTO item VALUES('x', 0, 0)");
  cluster.settleDown();
  if (isSettled) settle();
  return [here, there];
}

function settle(): void {
  for (let i = 0; i < 6; i += 1) {
    cluster.settleDown();
    for (const { replica } of cluster.nodes) while (replica.settle().more);
  }
}

const rows = ({ app }: EngineNode) => app.prepare('SELECT * FROM item ORDER BY k').raw().all();

async function close(here: EngineNode, there: EngineNode): Promise<void> {
  expect(await closeGapWith(here, there)).toBe(true);
  cluster.settleDown();
  expect(here.replica.status().gap).toBe(null);
  expect(rows(here)).toEqual(rows(there));
  expect(toldConflicts(here)).toEqual(toldConflicts(there));
}

describe.each([
  ['unsettled', false],
  ['settled', true],
])('a row that is %s', (_, isSettled) => {
  test('an update of a column that the peer has written as well', async () => {
    const [here, there] = pair(isSettled);
    writeWithoutTriggers(here, 'UPDATE item SET a = 1');
    there.app.exec('UPDATE item SET a = 2');
    cluster.settleDown();
    expect(toldConflicts(here)).toEqual([]);
    await close(here, there);
    expect(rows(here)).toEqual([['x', 2, 0]]);
    expect(toldConflicts(here)).toEqual([
      { key: 'x', kind: 'update-update', strategy: 'gap', columns: ['a'], winner: ['x', 2, 0], loser: ['x', 1, 0], certain: false },
    ]); // biome-ignore format: one line
  });

  test('an update of a row that the peer has deleted', async () => {
    const [here, there] = pair(isSettled);
    writeWithoutTriggers(here, 'UPDATE item SET a = 1');
    there.app.exec('DELETE FROM item');
    cluster.settleDown();
    await close(here, there);
    expect(rows(here)).toEqual([]);
    expect(toldConflicts(here)).toEqual([
      { key: 'x', kind: 'update-delete', strategy: 'gap', columns: [], winner: null, loser: ['x', 1, 0], certain: false },
    ]); // biome-ignore format: one line
  });

  test('a row that the peer has begun anew', async () => {
    const [here, there] = pair(isSettled);
    writeWithoutTriggers(here, 'UPDATE item SET a = 1');
    there.app.exec("DELETE FROM item; INSERT INTO item VALUES('x', 2, 2)");
    cluster.settleDown();
    await close(here, there);
    const kind = isSettled ? 'insert-insert' : 'update-delete';
    expect(toldConflicts(here)).toEqual([
      { key: 'x', kind, strategy: 'gap', columns: ['a', 'b'], winner: ['x', 2, 2], loser: ['x', 1, 0], certain: false },
    ]); // biome-ignore format: one line
  });

  test('a deletion of a row that the peer has written to', async () => {
    const [here, there] = pair(isSettled);
    writeWithoutTriggers(here, 'DELETE FROM item');
    there.app.exec('UPDATE item SET a = 2');
    cluster.settleDown();
    const expected = { key: 'x', kind: 'update-delete', strategy: 'gap', columns: [], winner: ['x', 2, 0], loser: null, certain: true }; // biome-ignore format: one line
    expect(toldConflicts(here)).toEqual([expected]);
    await close(here, there);
    expect(rows(here)).toEqual([['x', 2, 0]]);
    expect(toldConflicts(here)).toEqual([expected]);
  });

  test('an update of one column beside a recorded one of another, which the peer knew nothing of', async () => {
    const [here, there] = pair(isSettled);
    writeWithoutTriggers(here, 'UPDATE item SET a = 1');
    here.foldAll();
    here.app.exec('UPDATE item SET b = 1');
    there.app.exec('UPDATE item SET a = 2');
    cluster.settleDown();
    await close(here, there);
    expect(rows(here)).toEqual([['x', 2, 1]]);
    expect(toldConflicts(there)).toMatchObject([{ columns: ['a'], winner: ['x', 2, 1], loser: ['x', 1, 1] }]);
  });
});

test('an insert under a key that the peer has given to another row', async () => {
  const [here, there] = pair(false);
  writeWithoutTriggers(here, "INSERT INTO item VALUES('y', 1, 1)");
  there.app.exec("INSERT INTO item VALUES('y', 1, 2)");
  cluster.settleDown();
  await close(here, there);
  expect(toldConflicts(here)).toEqual([
    { key: 'y', kind: 'insert-insert', strategy: 'gap', columns: ['b'], winner: ['y', 1, 2], loser: ['y', 1, 1], certain: false },
  ]); // biome-ignore format: one line
});

test('an insert of a row that is known to be dead is told at once when the peer inserts it too', () => {
  const [here, there] = pair(false);
  here.app.exec("DELETE FROM item WHERE k = 'x'");
  cluster.settleDown();
  writeWithoutTriggers(here, "INSERT INTO item VALUES('x', 1, 1)");
  there.app.exec("INSERT INTO item VALUES('x', 2, 2)");
  cluster.settleDown();
  expect(toldConflicts(here)).toMatchObject([{ kind: 'insert-insert', loser: ['x', 1, 1], certain: true }]);
});

test('what is written over again is told at once: how the row was left is known', async () => {
  const [here, there] = pair(false, { strategies: { item: 'manual' } });
  writeWithoutTriggers(here, '');
  there.app.exec('UPDATE item SET a = 2');
  cluster.settleDown();
  writeUnseen(here, () => here.app.exec('UPDATE item SET a = 3'));
  there.app.exec('UPDATE item SET a = 4');
  cluster.settleDown();
  expect(rows(here)).toEqual([['x', 4, 0]]);
  expect(toldConflicts(here)).toMatchObject([
    { strategy: 'manual', winner: ['x', 4, 0], loser: ['x', 3, 0], certain: true },
  ]);
});

test('recorded writes and those of the peer that follow each other leave nothing, but for what was there before', async () => {
  const [here, there] = pair(true);
  writeWithoutTriggers(here, '');
  here.foldAll();
  for (let i = 1; i <= 5; i += 1) {
    there.app.exec(`UPDATE item SET a = ${i}; INSERT INTO item VALUES('y${i}', 0, 0)`);
    cluster.settleDown();
    here.app.exec(`UPDATE item SET a = -${i}; UPDATE item SET b = ${i} WHERE k = 'y${i}'`);
    cluster.settleDown();
    there.app.exec(`UPDATE item SET b = -${i} WHERE k = 'y${i}'`);
  }
  cluster.settleDown();
  await close(here, there);
  expect(toldConflicts(here)).toMatchObject([{ key: 'x', columns: ['a'], winner: ['x', 1, 0], loser: ['x', 0, 0] }]);
});

test('what the row holds again when the gap is closed is not told', async () => {
  const [here, there] = pair(true);
  writeWithoutTriggers(here, 'UPDATE item SET a = 1');
  there.app.exec('UPDATE item SET a = 2');
  cluster.settleDown();
  there.app.exec('UPDATE item SET a = 1');
  cluster.settleDown();
  await close(here, there);
  expect(toldConflicts(here)).toEqual([]);
});

test('without a gap nothing is kept', () => {
  const [here, there] = pair(true);
  there.app.exec('UPDATE item SET a = 2');
  cluster.settleDown();
  expect(here.app.prepare('SELECT count(*) FROM _sqlsync_gap_row').pluck().get()).toBe(0);
});

test('what has no room is told at once, and so does the status', async () => {
  const [here, there] = pair(true, { limits: { gapRowsBytesMax: 500 } });
  for (const k of ['a', 'b', 'c', 'd']) here.app.exec(`INSERT INTO item VALUES('${k}', 0, 0)`);
  settle();
  writeWithoutTriggers(here, 'UPDATE item SET a = 1');
  there.app.exec('UPDATE item SET a = 2');
  cluster.settleDown();
  expect(toldConflicts(here).length).toBeGreaterThan(2);
  expect(here.replica.status().gap).toMatchObject({ isFull: true });
  await close(here, there);
  expect(toldConflicts(here)).toHaveLength(5);
});

test('what was replaced is told after a restart too', async () => {
  const [here, there] = pair(true);
  writeWithoutTriggers(here, 'UPDATE item SET a = 1');
  there.app.exec('UPDATE item SET a = 2');
  cluster.settleDown();
  here.kill();
  here.open();
  await close(here, there);
  expect(toldConflicts(there)).toMatchObject([{ loser: ['x', 1, 0] }]);
});

test('what was replaced goes along when the node seeds itself afresh, and not into the files of others', async () => {
  const [here, there] = pair(true);
  writeWithoutTriggers(here, 'UPDATE item SET a = 1');
  there.app.exec('UPDATE item SET a = 2');
  cluster.settleDown();
  const third = cluster.join(here);
  expect(third.app.prepare('SELECT count(*) FROM _sqlsync_gap_row').pluck().get()).toBe(0);
  there.foldAll();
  here.rejoin(there);
  cluster.settleDown();
  expect(toldConflicts(there)).toMatchObject([{ strategy: 'gap', winner: ['x', 2, 0], loser: ['x', 1, 0] }]);
});
