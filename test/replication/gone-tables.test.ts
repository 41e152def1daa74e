/** Rows that are held for tables which nobody has any more: they go when all have said so, and not before. */
import { afterEach, describe, expect, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA = `CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE TABLE other(k TEXT PRIMARY KEY, v)`;

let cluster: EngineCluster;
afterEach(() => cluster.close());

function makeNodes<Count extends 2 | 3>(count: Count): Count extends 2 ? [A, A] : [A, A, A] {
  cluster = new EngineCluster(SCHEMA, count);
  return cluster.nodes as unknown as Count extends 2 ? [A, A] : [A, A, A];
}
type A = EngineNode;

const held = (node: EngineNode) => node.replica.status().held.rows;
const heldAll = () => cluster.nodes.map(held);
const rows = ({ app }: EngineNode, table: string) => app.prepare(`SELECT * FROM ${table} ORDER BY k`).all();
const star = (i: number, j: number) => i === 0 || j === 0;
const chain = (i: number, j: number) => Math.abs(i - j) === 1;

/** Exchanges and upkeep until nothing changes any more. */
function settle(linked: (i: number, j: number) => boolean = () => true, nodes = cluster.nodes): void {
  for (let round = 0; round < 6; round += 1) {
    cluster.settleDown((i, j) => linked(i, j) && [i, j].every((n) => nodes.includes(cluster.nodes[n] as EngineNode)));
    for (const node of nodes) while (node.replica.settle().more);
  }
}

const given = ({ app }: EngineNode) =>
  (
    app.prepare("SELECT node, detail FROM _sqlsync_operation WHERE command LIKE 'give up%' ORDER BY node").all() as {
      node: string;
      detail: string;
    }[]
  ).map(({ node, detail }) => ({ node, detail: JSON.parse(detail) }));

/** Their metadata is let go of by then: nothing holds the horizon back. */
function expectSettled(): void {
  for (const node of cluster.nodes) {
    node.app.exec("REPLACE INTO other VALUES('last', 1)");
    settle();
    expect(node.hello().hold).toBeNull();
    expect(node.replica.status()).toMatchObject({ gap: null, held: { rows: 0 } });
  }
  expect(new Set(cluster.nodes.map((node) => JSON.stringify(node.data()))).size).toBe(1);
}

describe('a table that all drop, one after the other', () => {
  test('rows of the last one who had it go when it has dropped it too, and leave a trace', () => {
    const [a, b] = makeNodes(2);
    a.app.exec("INSERT INTO t VALUES('old', 0)");
    settle();
    a.app.exec('DROP TABLE t');
    b.app.exec("INSERT INTO t VALUES('x', 1), ('y', 2); UPDATE t SET v = 5 WHERE k = 'old'");
    settle();
    expect(heldAll()).toEqual([3, 0]);
    expect(a.replica.status().held.tables).toMatchObject([{ name: 't', rows: 3, nodes: ['n1'] }]);
    b.app.exec('DROP TABLE t');
    settle();
    expect(heldAll()).toEqual([0, 0]);
    const [trace] = given(b);
    expect(trace).toMatchObject({ node: 'n0', detail: { table: 't', rows: 3, nodes: ['n1'], truncated: false } });
    expect(trace?.detail.discarded).toContainEqual({ key: { k: 'x' }, node: 'n1', row: { k: 'x', v: 1 } });
    expectSettled();
  });

  test.each([
    ['star', star],
    ['chain', chain],
  ])('in a %s, with rows that are held on the way', (_, linked) => {
    const [a, b, c] = makeNodes(3);
    settle(linked);
    a.app.exec('DROP TABLE t');
    settle(linked);
    b.app.exec("INSERT INTO t VALUES('b', 1)");
    c.app.exec("INSERT INTO t VALUES('c', 1)");
    settle(linked);
    expect(held(a)).toBe(2);
    b.app.exec('DROP TABLE t');
    settle(linked);
    // C has it still: it may yet be sent what the others hold.
    expect(held(a)).toBe(2);
    c.app.exec("UPDATE t SET v = 7; INSERT INTO t VALUES('d', 1)");
    settle(linked);
    expect(
      heldAll()
        .slice(0, 2)
        .every((count) => count > 0),
    ).toBe(true);
    c.app.exec('DROP TABLE t');
    settle(linked);
    expect(heldAll()).toEqual([0, 0, 0]);
    expectSettled();
  });

  test('nothing goes before one who is away has said so', () => {
    const [a, b, c] = makeNodes(3);
    a.app.exec('DROP TABLE t');
    b.app.exec("INSERT INTO t VALUES('b', 1)");
    settle(() => true, [a, b]);
    b.app.exec('DROP TABLE t');
    settle(() => true, [a, b]);
    expect(held(a)).toBe(1);
    c.app.exec("INSERT INTO t VALUES('c', 1)");
    settle(() => true, [a, b]);
    expect(held(a)).toBe(1);
    settle();
    expect(held(a)).toBe(2);
    expect(rows(c, 't')).toEqual([
      { k: 'b', v: 1 },
      { k: 'c', v: 1 },
    ]);
    c.app.exec('DROP TABLE t');
    settle();
    expect(heldAll()).toEqual([0, 0, 0]);
    expectSettled();
  });

  test('nor before everybody is known to have heard it', () => {
    const [a, b, c] = makeNodes(3);
    a.app.exec('DROP TABLE t');
    b.app.exec("INSERT INTO t VALUES('b', 1)");
    settle();
    for (const { app } of [b, c]) app.exec('DROP TABLE t');
    const upkeep = (node: EngineNode) => {
      node.foldAll();
      while (node.replica.settle().more);
    };
    // B and C say it, and A hears them both; neither has heard the other.
    for (const node of [b, c]) upkeep(node);
    for (const node of [b, c]) a.pull(node);
    upkeep(a);
    const said = (node: EngineNode) => node.app.prepare('SELECT count(*) FROM _sqlsync_absence').pluck().get();
    expect([said(a), said(b), said(c)]).toEqual([3, 2, 2]);
    expect(held(a)).toBe(1);
    settle();
    expect(heldAll()).toEqual([0, 0, 0]);
  });
});

describe('a table that one makes, and drops again', () => {
  test('is no table of a migration that is still to come to the others: what is held of it goes', () => {
    const [, b, c] = makeNodes(3);
    settle();
    b.app.exec("CREATE TABLE item_rebuilt(k TEXT PRIMARY KEY, v); INSERT INTO item_rebuilt VALUES('x', 1)");
    b.foldAll();
    b.advance(2000);
    settle(star);
    expect(heldAll()).toEqual([1, 0, 1]);
    expect(c.app.prepare('SELECT count(*) FROM _sqlsync_absence').pluck().get()).toBe(0);
    b.app.exec('DROP TABLE item_rebuilt');
    settle(star);
    expect(heldAll()).toEqual([0, 0, 0]);
    expectSettled();
  });

  test('stays held where its author has been removed', () => {
    const [a, b, c] = makeNodes(3);
    b.app.exec("CREATE TABLE n(k TEXT PRIMARY KEY, v); INSERT INTO n VALUES('x', 1)");
    b.foldAll();
    b.advance(2000);
    settle();
    a.removeMember(b);
    settle(() => true, [a, c]);
    expect([held(a), held(c)]).toEqual([1, 1]);
  });
});

describe('a table that comes back', () => {
  /** A holds a row of B's, all have dropped the table, and the last word is not with everybody yet. */
  function untilAgreedAt(node: 0 | 1): [A, A] {
    const [a, b] = makeNodes(2);
    settle();
    a.app.exec('DROP TABLE t');
    b.app.exec("INSERT INTO t VALUES('x', 1)");
    settle();
    b.app.exec('DROP TABLE t');
    b.foldAll();
    for (const one of [a, b]) while (one.replica.settle().more);
    b.pull(a);
    while (b.replica.settle().more);
    if (node === 0) a.pull(b);
    return [a, b];
  }

  const RETURN = 'CREATE TABLE t(k TEXT PRIMARY KEY, v)';

  test('before the node that holds its rows knows that it was gone: they go in, and it says that others may lack them', () => {
    const [a, b] = untilAgreedAt(1);
    a.app.exec(RETURN);
    settle();
    expect(rows(a, 't')).toEqual([{ k: 'x', v: 1 }]);
    expect(a.replica.status()).toMatchObject({ gap: { tables: ['t'] }, held: { rows: 0 } });
    // Nobody has given anything up.
    expect(given(b)).toEqual([]);
  });

  test('after one knows that it was gone: what was held there is written anew, since others may have given it up', () => {
    const [a, b] = untilAgreedAt(0);
    a.app.exec(RETURN);
    a.foldAll();
    a.advance(3000);
    a.foldAll();
    expect(rows(a, 't')).toEqual([{ k: 'x', v: 1 }]);
    b.app.exec(RETURN);
    b.foldAll();
    b.advance(3000);
    settle();
    expect(rows(b, 't')).toEqual([{ k: 'x', v: 1 }]);
    expectSettled();
  });

  test('after all of it has gone it is a new one, and what is in it is with all', () => {
    const [a, b] = untilAgreedAt(0);
    settle();
    expect(heldAll()).toEqual([0, 0]);
    for (const node of [a, b]) node.app.exec(RETURN);
    b.app.exec("INSERT INTO t VALUES('x', 2), ('z', 3)");
    settle();
    for (const node of [a, b]) node.advance(3000);
    settle();
    expect(rows(a, 't')).toEqual([
      { k: 'x', v: 2 },
      { k: 'z', v: 3 },
    ]);
    expectSettled();
  });
});

describe('a table that is renamed', () => {
  const RENAME = 'ALTER TABLE t RENAME TO u';

  test.each([
    ['with each other', () => true],
    ['in a star', star],
    ['in a chain', chain],
  ])('rows that were written under its former name come in when their author has renamed it too: %s', (_, linked) => {
    const [a, b, c] = makeNodes(3);
    a.app.exec("INSERT INTO t VALUES('old', 0), ('gone', 0)");
    settle(linked);
    a.app.exec(RENAME);
    settle(linked);
    c.app.exec("INSERT INTO t VALUES('x', 1); UPDATE t SET v = 5 WHERE k = 'old'; DELETE FROM t WHERE k = 'gone'");
    a.app.exec("INSERT INTO u VALUES('a', 1)");
    settle(linked);
    expect(held(a)).toBe(3);
    b.app.exec(RENAME);
    settle(linked);
    c.app.exec(RENAME);
    settle(linked);
    const all = [
      { k: 'a', v: 1 },
      { k: 'old', v: 5 },
      { k: 'x', v: 1 },
    ];
    for (const node of [a, b, c]) expect(rows(node, 'u')).toEqual(all);
    expectSettled();
  });

  test('nothing of it is given up where another has dropped it', () => {
    const [a, b, c] = makeNodes(3);
    settle();
    a.app.exec('DROP TABLE t');
    c.app.exec("INSERT INTO t VALUES('x', 1)");
    settle();
    b.app.exec(RENAME);
    c.app.exec(RENAME);
    settle();
    expect(given(a)).toEqual([]);
    expect(rows(b, 'u')).toEqual([{ k: 'x', v: 1 }]);
    expect(held(a)).toBeGreaterThan(0);
  });

  test('rows that their author has in no table any more, since it has rejoined, go in there first', () => {
    const [a, b, c] = makeNodes(3);
    settle();
    a.app.exec(RENAME);
    b.app.exec(RENAME);
    settle();
    c.app.exec("INSERT INTO t VALUES('x', 1), ('y', 2); DELETE FROM t WHERE k = 'y'");
    settle();
    expect(held(a)).toBe(2);
    c.app.exec(RENAME);
    c.foldAll();
    c.rejoin(a);
    settle();
    for (const node of [a, b, c]) expect(rows(node, 'u')).toEqual([{ k: 'x', v: 1 }]);
    expectSettled();
  });

  test('and a table that takes its former name takes its rows', () => {
    const [a, b] = makeNodes(2);
    settle();
    a.app.exec(`${RENAME}; CREATE TABLE t(k TEXT PRIMARY KEY, v)`);
    a.foldAll();
    a.advance(3000);
    a.foldAll();
    b.app.exec("INSERT INTO t VALUES('x', 1)");
    settle();
    expect(held(a)).toBe(0);
    expect(rows(a, 't')).toEqual([{ k: 'x', v: 1 }]);
  });
});
