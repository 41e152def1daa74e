/** Nodes of which one has been migrated and the other not yet: rows wait where they cannot be held, and the rest goes on. */
import { afterEach, describe, expect, test } from 'vitest';
import { installCapture } from '../../src/replication/install-capture.js';
import { planCapture } from '../../src/replication/plan-capture.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA = `CREATE TABLE item(k TEXT PRIMARY KEY, a, b TEXT); CREATE TABLE other(k TEXT PRIMARY KEY, v)`;

let cluster: EngineCluster;
afterEach(() => cluster.close());

function makeNodes(count: number, strategy = 'merge'): EngineNode[] {
  cluster = new EngineCluster(SCHEMA, count, { strategies: { '*': strategy } });
  return cluster.nodes;
}

const rows = ({ app }: EngineNode, sql = 'SELECT * FROM item ORDER BY k') => app.prepare(sql).all();
const held = (node: EngineNode) => node.replica.status().held;

function settleAll(linked?: (i: number, j: number) => boolean): void {
  cluster.settleDown(linked);
  for (const node of cluster.nodes) while (node.replica.settle().more);
}

/** What `init` does when it is typed again: tables that have come are taken in. */
function takeIn({ app }: EngineNode): void {
  installCapture(app, planCapture(app, { include: [], exclude: [] }), { nowMs: Date.now(), facts: {} });
}

/** The daemon notices by itself that the schema has changed. */
function migrate(node: EngineNode, sql: string): void {
  node.app.exec(sql);
  node.foldAll();
  node.replica
    .openCut({
      ...node.hello(),
      vector: {},
      horizon: 0,
      dropped: 0,
      cursors: {},
      nodeId: '',
      behind: [],
      schemaHash: '',
    })
    .next();
}

describe('a column that one node has and the other not yet', () => {
  test('its rows wait where it is missing, the rest goes on, and they come in with the migration', () => {
    const [a, b] = makeNodes(2) as [EngineNode, EngineNode];
    a.app.exec(`INSERT INTO item VALUES('x', 1, 'one'), ('y', 2, 'two')`);
    settleAll();
    migrate(a, 'ALTER TABLE item ADD COLUMN c DEFAULT 7');
    a.app.exec(`UPDATE item SET c = 8 WHERE k = 'x'; INSERT INTO item VALUES('z', 3, 'three', 9);
      INSERT INTO other VALUES('o', 1)`);
    settleAll();
    expect(rows(b, 'SELECT * FROM other')).toEqual([{ k: 'o', v: 1 }]);
    expect(rows(b).map((row) => (row as { k: string }).k)).toEqual(['x', 'y']);
    expect(held(b)).toMatchObject({ rows: 2, tables: [{ name: 'item', rows: 2, why: 'missing here: c' }] });
    expect(b.hello().behind).toEqual(['item']);
    expect(held(a).rows).toBe(0);

    migrate(b, 'ALTER TABLE item ADD COLUMN c DEFAULT 7');
    settleAll();
    expect(held(b).rows).toBe(0);
    expect(rows(b)).toEqual(rows(a));
    expect(rows(b)).toContainEqual({ k: 'x', a: 1, b: 'one', c: 8 });
  });

  test('rows that lack it keep the value that is here, and a new life begins with the default', () => {
    const [a, b] = makeNodes(2) as [EngineNode, EngineNode];
    a.app.exec(`INSERT INTO item VALUES('x', 1, 'one'), ('y', 2, 'two')`);
    settleAll();
    migrate(b, 'ALTER TABLE item ADD COLUMN c DEFAULT 7');
    b.app.exec(`UPDATE item SET c = 'known'`);
    b.foldAll();
    a.app.exec(
      `UPDATE item SET a = 5 WHERE k = 'x'; DELETE FROM item WHERE k = 'y'; INSERT INTO item VALUES('y', 6, 'new'), ('z', 7, 'z')`,
    );
    settleAll();
    expect(rows(b)).toEqual([
      { k: 'x', a: 5, b: 'one', c: 'known' },
      { k: 'y', a: 6, b: 'new', c: 7 },
      { k: 'z', a: 7, b: 'z', c: 7 },
    ]);
    expect(held(a).rows).toBe(2);
    migrate(a, 'ALTER TABLE item ADD COLUMN c DEFAULT 7');
    settleAll();
    expect(rows(a)).toEqual(rows(b));
    expect(held(a).rows).toBe(0);
  });

  test.each(['lww', 'version', 'manual'])(
    'a whole row without it wins, and what was written to it stays (%s)',
    (strategy) => {
      const [a, b, c] = makeNodes(3, strategy) as [EngineNode, EngineNode, EngineNode];
      a.app.exec(`INSERT INTO item VALUES('x', 1, 'one'), ('y', 2, 'two')`);
      settleAll();
      for (const node of [a, c]) migrate(node, 'ALTER TABLE item ADD COLUMN c DEFAULT 7');
      a.app.exec(`UPDATE item SET c = 'written'`);
      a.foldAll();
      b.app.exec(
        `UPDATE item SET a = 5; UPDATE item SET a = 6; DELETE FROM item WHERE k = 'y'; INSERT INTO item VALUES('y', 8, 'new')`,
      );
      b.foldAll();
      // One has the column's write before the row that wins, the other after it.
      a.pull(b);
      c.pull(b);
      c.pull(a);
      expect(rows(c)).toEqual(rows(a));
      expect(rows(a)).toEqual([
        { k: 'x', a: 6, b: 'one', c: 'written' },
        { k: 'y', a: 8, b: 'new', c: 7 },
      ]);
      migrate(b, 'ALTER TABLE item ADD COLUMN c DEFAULT 7');
      settleAll();
      expect(rows(b)).toEqual(rows(a));
      expect(cluster.nodes.map((node) => held(node).rows)).toEqual([0, 0, 0]);
      const lost = a.app.prepare("SELECT count(*) FROM _sqlsync_conflict WHERE loser LIKE '%written%'").pluck().get();
      expect(lost).toBe(2);
    },
  );

  test.each(['lww', 'version'])(
    'who migrates before a row comes by way of one that has not says no more of it (%s)',
    (strategy) => {
      const [a, b, c] = makeNodes(3, strategy) as [EngineNode, EngineNode, EngineNode];
      a.app.exec(`INSERT INTO item VALUES('x', 1, 'one')`);
      settleAll();
      migrate(a, 'ALTER TABLE item ADD COLUMN c');
      a.app.exec(`UPDATE item SET c = 'written'`);
      a.foldAll();
      c.app.exec('UPDATE item SET a = 5; UPDATE item SET a = 6');
      c.foldAll();
      b.pull(c);
      migrate(c, 'ALTER TABLE item ADD COLUMN c');
      a.pull(b);
      c.pull(a);
      expect(rows(c)).toEqual([{ k: 'x', a: 6, b: 'one', c: 'written' }]);
      migrate(b, 'ALTER TABLE item ADD COLUMN c');
      settleAll();
      for (const node of [a, b]) expect(rows(node)).toEqual(rows(c));
    },
  );

  test('nothing that waits is settled: what all acknowledge lies below it', () => {
    const [a, b] = makeNodes(2) as [EngineNode, EngineNode];
    migrate(a, 'ALTER TABLE item ADD COLUMN c');
    a.app.exec(`INSERT INTO item VALUES('x', 1, 'one', 2)`);
    for (let round = 0; round < 3; round += 1) settleAll();
    const waiting = b.app.prepare('SELECT min(hlc) FROM _sqlsync_held').pluck().get() as number;
    for (const node of [a, b]) expect(node.hello().horizon).toBeLessThan(waiting);
    b.kill();
    b.open();
    expect(held(b).rows).toBe(1);
    migrate(b, 'ALTER TABLE item ADD COLUMN c');
    for (let round = 0; round < 3; round += 1) settleAll();
    expect(rows(b)).toEqual(rows(a));
    expect(a.hello().horizon).toBeGreaterThanOrEqual(waiting);
  });

  test('of several versions of a row only what is not known by a later one is kept', () => {
    const [a, b] = makeNodes(2) as [EngineNode, EngineNode];
    migrate(a, 'ALTER TABLE item ADD COLUMN c');
    for (const value of [1, 2, 3]) {
      a.app.exec(`INSERT OR REPLACE INTO item VALUES('x', ${value}, 'v', ${value})`);
      settleAll();
    }
    expect(held(b).rows).toBe(1);
    b.app.exec(`INSERT INTO item VALUES('x', 'mine', 'mine')`);
    settleAll();
    migrate(b, 'ALTER TABLE item ADD COLUMN c');
    settleAll();
    expect(rows(a)).toEqual(rows(b));
    expect(rows(a, 'SELECT kind FROM _sqlsync_conflict')).toEqual([{ kind: 'insert-insert' }]);
  });

  test('a node that cannot hold them hands them on to one that can', () => {
    const [a, , c] = makeNodes(3) as [EngineNode, EngineNode, EngineNode];
    const chain = (i: number, j: number) => Math.abs(i - j) === 1;
    for (const node of [a, c]) migrate(node, 'ALTER TABLE item ADD COLUMN c');
    a.app.exec(`INSERT INTO item VALUES('x', 1, 'one', 2)`);
    c.app.exec(`INSERT INTO item VALUES('y', 3, 'two', 4)`);
    settleAll(chain);
    expect(rows(a)).toEqual(rows(c));
    expect(rows(a)).toHaveLength(2);
    expect(held(cluster.nodes[1] as EngineNode).rows).toBe(2);
  });
});

describe('a table that one node has and the other not yet', () => {
  test('its rows wait until it is made and taken in', () => {
    const [a, b] = makeNodes(2) as [EngineNode, EngineNode];
    migrate(a, 'CREATE TABLE added(id TEXT PRIMARY KEY, v)');
    takeIn(a);
    a.app.exec(`INSERT INTO added VALUES('p', 1), ('q', 2)`);
    settleAll();
    expect(held(b).tables).toMatchObject([
      { name: 'added', rows: 2, why: 'the table is missing here, or does not replicate' },
    ]);
    migrate(b, 'CREATE TABLE added(v, id TEXT PRIMARY KEY)');
    takeIn(b);
    settleAll();
    expect(held(b).rows).toBe(0);
    expect(rows(b, 'SELECT id, v FROM added ORDER BY id')).toEqual(rows(a, 'SELECT id, v FROM added ORDER BY id'));
  });

  test('a table of ours is no such table', () => {
    const [a, b] = makeNodes(2) as [EngineNode, EngineNode];
    a.app.exec(`INSERT INTO other VALUES('o', 1)`);
    b.app.exec(
      `UPDATE _sqlsync_table SET name = '_sqlsync_other' WHERE name = 'other'; ALTER TABLE other RENAME TO _sqlsync_other`,
    );
    expect(() => b.pull(a)).not.toThrow();
  });
});

describe('another shape', () => {
  test.each([
    ['another type', 'CREATE TABLE item(k TEXT PRIMARY KEY, a INTEGER, b TEXT)', /of another type here: a/],
    ['another key', 'CREATE TABLE item(k TEXT, a, b TEXT PRIMARY KEY)', /the key is another one/],
    [
      'another collation of the key',
      'CREATE TABLE item(k TEXT COLLATE NOCASE PRIMARY KEY, a, b TEXT)',
      /the key is another/,
    ],
  ])('%s keeps rows waiting', (_, sql, why) => {
    const [a, b] = makeNodes(2) as [EngineNode, EngineNode];
    migrate(b, `DROP TABLE item; ${sql}`);
    a.app.exec(`INSERT INTO item VALUES('x', 1, 'one')`);
    settleAll();
    expect(held(b).tables[0]?.why).toMatch(why);
    expect(rows(b)).toEqual([]);
  });

  test.each([
    ['another order of columns', 'CREATE TABLE item(b TEXT, k TEXT PRIMARY KEY, a)'],
    ['another declared type of one affinity', 'CREATE TABLE item(k VARCHAR PRIMARY KEY, a BLOB, b CLOB)'],
    ['a constraint more', 'CREATE TABLE item(k TEXT PRIMARY KEY, a, b TEXT NOT NULL)'],
  ])('%s does not', (_, sql) => {
    const [a, b] = makeNodes(2) as [EngineNode, EngineNode];
    migrate(b, `DROP TABLE item; ${sql}`);
    a.app.exec(`INSERT INTO item VALUES('x', 1, 'one')`);
    settleAll();
    expect(rows(b)).toEqual([{ k: 'x', a: 1, b: 'one' }]);
  });
});
