/** Stages applied in parts: what other exchanges, applications and crashes do in between. */
import { afterEach, expect, test } from 'vitest';
import type { Application } from '../../src/replication/application.js';
import { EngineCluster, type EngineNode, stageOf } from '../support/engine-node.js';

const ROWS = 300;
const NUMBERS = `WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < ${ROWS})`;

let cluster: EngineCluster;
afterEach(() => cluster.close());

/** A transaction of `sender` that moves every row's UNIQUE value to the next row. */
function rotate(sender: EngineNode): void {
  sender.app.exec(
    `BEGIN; UPDATE seat SET place = -place; UPDATE seat SET place = -place % ${ROWS} + 1, v = 'moved'; COMMIT`,
  );
  sender.foldAll();
}

function start(nodes: number): EngineNode[] {
  cluster = new EngineCluster(
    'CREATE TABLE seat(id INTEGER PRIMARY KEY, place UNIQUE, v); CREATE TABLE other(k PRIMARY KEY)',
    nodes,
    {
      limits: { applyTransactionRowsMax: 1, lockHoldMsMax: 0 },
    },
  );
  const [first] = cluster.nodes as [EngineNode];
  first.app.exec(`${NUMBERS} INSERT INTO seat SELECT n, n, 'v' FROM x`);
  cluster.settleDown();
  return cluster.nodes;
}

/** Applies the stage until some of it is in, and not all. */
function applyHalf(to: EngineNode, from: EngineNode): Application {
  const application = to.replica.beginApply(stageOf(from, to.hello()));
  while (application.step().rows < ROWS / 3);
  expect(to.hello().catchingUp).toBe('applying');
  return application;
}

/** The same, and the rest of the stage is lost. */
function loseHalf(to: EngineNode, from: EngineNode): void {
  to.replica.endApply(applyHalf(to, from));
  to.replica.abandonStage(to.replica.catchUp?.stageId as string);
}

function expectAllMoved(): void {
  const [first, ...others] = cluster.nodes.map((node) => node.data());
  for (const data of others) expect(data).toEqual(first);
  for (const { app } of cluster.nodes) {
    expect(app.prepare('SELECT count(*) FROM seat').pluck().get()).toBe(ROWS);
    expect(app.prepare('SELECT count(*) FROM _sqlsync_conflict').pluck().get()).toBe(0);
  }
}

test('another peer’s stage that comes between does not judge rows which wait for the rest of theirs', () => {
  const [a, b, c] = start(3) as [EngineNode, EngineNode, EngineNode];
  rotate(a);
  c.app.exec('INSERT INTO other VALUES(1)');
  c.foldAll();
  applyHalf(b, a);
  b.pull(c);
  b.pull(a);
  cluster.settleDown();
  expectAllMoved();
});

test('two stages half applied: only when both are in is the node whole', () => {
  const [a, b, c] = start(3) as [EngineNode, EngineNode, EngineNode];
  rotate(a);
  c.app.exec(`${NUMBERS} INSERT INTO other SELECT n FROM x`);
  c.foldAll();
  applyHalf(b, a);
  const second = applyHalf(b, c);
  while (!second.step().done);
  // Nothing is being applied any more: whoever dials must bring the rest of the first.
  expect(b.hello().catchingUp).toBe('waiting');
  b.pull(a);
  expect(b.hello().catchingUp).toBeNull();
  cluster.settleDown();
  expectAllMoved();
});

test('what only a removed node could bring is waited for no more: it brings it when it rejoins', () => {
  const [a, b] = start(2) as [EngineNode, EngineNode];
  rotate(a);
  loseHalf(b, a);
  b.removeMember(a);
  b.foldAll();
  expect(() => a.rejoin(b)).toThrow(expect.objectContaining({ code: 'catching-up' }));
  b.replica.settle();
  expect(b.hello().catchingUp).toBeNull();
  a.rejoin(b);
  cluster.settleDown();
  for (const { app } of cluster.nodes) {
    expect(app.prepare("SELECT count(*), count(*) FILTER (WHERE v = 'moved') FROM seat").raw().get()).toEqual([
      ROWS,
      ROWS,
    ]);
  }
  expect(a.data()).toEqual(b.data());
});

test('what another member has is waited for, whoever was removed', () => {
  const [a, b, c] = start(3) as [EngineNode, EngineNode, EngineNode];
  rotate(a);
  c.pull(a);
  loseHalf(b, a);
  b.removeMember(a);
  b.foldAll();
  b.replica.acknowledge(c.hello());
  b.replica.settle();
  expect(b.hello().catchingUp).toBe('waiting');
  b.pull(c);
  expect(b.hello().catchingUp).toBeNull();
  expect(b.data()).toEqual(c.data());
});

test('a key that an application gives to a new row while the old one waits is a conflict, not a loss', () => {
  const [a, b] = start(2) as [EngineNode, EngineNode];
  rotate(a);
  applyHalf(b, a);
  b.kill();
  b.open();
  const waiting = b.app.prepare(`${NUMBERS} SELECT n FROM x WHERE n NOT IN (SELECT id FROM seat)`).pluck().get();
  b.app.prepare(`INSERT INTO seat VALUES(?, 100000, 'mine')`).run(waiting);
  b.pull(a);
  cluster.settleDown();
  expect(a.data()).toEqual(b.data());
  const known = [a.data(), a.app.prepare('SELECT winner, loser FROM _sqlsync_conflict').raw().all()];
  expect(JSON.stringify(known)).toContain('mine');
});

test('what an application writes over a row from a clock ahead, between two parts, is later than that row', () => {
  const [a, b] = start(2) as [EngineNode, EngineNode];
  a.app.exec('INSERT INTO _sqlsync_log(hlc, tbl, op) SELECT max(hlc) + 60000 * 2048, 0, 5 FROM _sqlsync_log');
  a.app.exec(`${NUMBERS} INSERT INTO seat SELECT n + 1000, n + 1000, 'ahead' FROM x`);
  a.foldAll();
  const application = applyHalf(b, a);
  const { changes } = b.app.prepare(`UPDATE seat SET v = 'mine' WHERE v = 'ahead'`).run();
  while (!application.step().done);
  cluster.settleDown();
  expect(a.app.prepare(`SELECT count(*) FROM seat WHERE v = 'mine'`).pluck().get()).toBe(changes);
  expect(a.data()).toEqual(b.data());
});
