/** What nobody should do to a node: an application behind its triggers' back, and a peer that sends what it likes. */
import { afterEach, expect, test } from 'vitest';
import type { Stage } from '../../src/replication/stage.js';
import type { IncomingRow } from '../../src/replication/wire-rows.js';
import { EngineCluster, type EngineNode, stageOf } from '../support/engine-node.js';

let cluster: EngineCluster;
afterEach(() => cluster.close());

function start(schema: string, nodes: number): EngineNode[] {
  cluster = new EngineCluster(schema, nodes);
  return cluster.nodes;
}

/** As a connection does that has switched its triggers off. */
function withoutTriggers({ app }: EngineNode, sql: string): void {
  const triggers = app.prepare(`SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'`).all() as {
    name: string;
    sql: string;
  }[];
  app.exec(`BEGIN; ${triggers.map(({ name }) => `DROP TRIGGER "${name}"`).join(';')}; ${sql}`);
  for (const trigger of triggers) app.exec(trigger.sql);
  app.exec('COMMIT');
}

test('a row deleted unseen, whose version others have, does not make nodes differ for good', () => {
  const [a, b, c] = start('CREATE TABLE t(k TEXT PRIMARY KEY, x, y)', 3) as [EngineNode, EngineNode, EngineNode];
  a.app.exec(`INSERT INTO t VALUES('k', 0, 0)`);
  cluster.settleDown();
  a.app.exec('UPDATE t SET x = 1');
  a.foldAll();
  b.pull(a);
  c.app.exec('UPDATE t SET y = 2');
  withoutTriggers(a, 'DELETE FROM t');
  a.pull(c);
  b.pull(a);
  cluster.settleDown();
  expect(b.data()).toEqual(a.data());
  expect(c.data()).toEqual(a.data());
});

test('a log that the application has emptied goes on above what is folded, and the gap is told', () => {
  const [a, b] = start('CREATE TABLE t(k TEXT PRIMARY KEY, v)', 2) as [EngineNode, EngineNode];
  a.app.exec('INSERT INTO _sqlsync_log(hlc, tbl, op) SELECT max(hlc) + 60000 * 2048, 0, 5 FROM _sqlsync_log');
  a.foldAll();
  a.app.exec(`DELETE FROM _sqlsync_log; INSERT INTO t VALUES('unseen', 1)`);
  a.foldAll();
  a.app.exec(`INSERT INTO t VALUES('seen', 1)`);
  cluster.settleDown();
  expect(b.app.prepare('SELECT k FROM t').pluck().all()).toEqual(['seen']);
  expect(
    JSON.parse(a.app.prepare(`SELECT value FROM _sqlsync_state WHERE name = 'gap'`).pluck().get() as string),
  ).toMatchObject({ since: expect.any(Number), tables: ['t'] });
});

/** The stage with its rows of the application's tables changed on the way. */
function forged(stage: Stage, change: (row: IncomingRow) => IncomingRow): Stage {
  function* batches() {
    for (const { tables, rows } of stage.batches()) {
      const isOurs = (row: IncomingRow) => tables[row.tableIndex]?.name.startsWith('_sqlsync_');
      yield { tables, rows: [...rows].map((row) => (isOurs(row) ? row : change(row))) };
    }
  }
  return { ...stage, batches };
}

test.each<[string, string, (row: IncomingRow) => IncomingRow]>([
  ['a key that is NULL', 'batch-refused', (row) => ({ ...row, key: [null], image: [null, 1n] })],
  [
    'a stamp at the end of time',
    'clock-ahead',
    (row) => {
      const stamp = { ...row.version.stamp, hlc: Number.MAX_SAFE_INTEGER };
      return { ...row, version: { ...row.version, stamp, life: stamp } };
    },
  ],
])('a peer that sends %s is refused, and nothing has changed', (_, code, change) => {
  const [a, b] = start('CREATE TABLE t(id INTEGER PRIMARY KEY, v)', 2) as [EngineNode, EngineNode];
  b.app.exec('INSERT INTO t VALUES(1, 2)');
  b.foldAll();
  const application = a.replica.beginApply(forged(stageOf(b, a.hello()), change));
  expect(() => application.step()).toThrow(expect.objectContaining({ code }));
  cluster.settleDown();
  expect(a.data()).toEqual(b.data());
  expect(a.data().t).toHaveLength(1);
});

test('rows of a peer that names another key than the table has wait until the tables are alike', () => {
  const [a, b] = start('CREATE TABLE t(id INTEGER PRIMARY KEY, v)', 2) as [EngineNode, EngineNode];
  b.app.exec('INSERT INTO t VALUES(1, 2)');
  b.foldAll();
  const stage = stageOf(b, a.hello());
  function* batches() {
    for (const { tables, rows } of stage.batches()) {
      yield { tables: tables.map((table) => (table.name === 't' ? { ...table, key: ['v'] } : table)), rows };
    }
  }
  const application = a.replica.beginApply({ ...stage, batches });
  while (!application.step().done);
  expect(a.replica.status().held).toMatchObject({
    rows: 1,
    tables: [{ name: 't', why: 'the key is another one here' }],
  });
  expect(a.data().t).toEqual([]);
});

test('a key that is no integer where SQLite wants one is kept aside', () => {
  const [a, b] = start('CREATE TABLE t(id INTEGER PRIMARY KEY, v)', 2) as [EngineNode, EngineNode];
  b.app.exec('INSERT INTO t VALUES(1, 2)');
  b.foldAll();
  const stage = forged(stageOf(b, a.hello()), (row) => ({ ...row, key: ['abc'], image: ['abc', 1n] }));
  const application = a.replica.beginApply(stage);
  while (!application.step().done);
  expect(a.app.prepare('SELECT reason FROM _sqlsync_quarantine').pluck().all()).toEqual(['datatype']);
});
