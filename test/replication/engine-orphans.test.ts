/** A child written on one node while its parent is deleted on another: what each rule makes of it, on all nodes alike. */
import { describe, expect, test } from 'vitest';
import { expectAlike, makeNodes, recordsOf, rowsOf, settleAll, type ThreeNodes } from '../support/orphans.js';

const SHOP = `CREATE TABLE customer(id INTEGER PRIMARY KEY, name, email UNIQUE);
  CREATE TABLE purchase(id TEXT PRIMARY KEY, customer_id INTEGER REFERENCES customer(id) ON DELETE CASCADE, note);
  CREATE INDEX purchase_customer ON purchase(customer_id);
  CREATE TABLE line(purchase TEXT REFERENCES purchase(id) ON DELETE CASCADE, n INT, what, PRIMARY KEY(purchase, n));`;

const RULES = ['keep', 'delete', 'restore-parent'];

function makeShop(orphan: string, options: { count?: number; rules?: Record<string, { orphan: string }> } = {}) {
  const made = makeNodes(SHOP, { ...options, rules: { '*': { orphan }, ...options.rules } });
  made.nodes[0].app.exec(`INSERT INTO customer VALUES(1, 'Ann', 'a@x'), (2, 'Ben', 'b@x')`);
  made.cluster.settleDown();
  return made;
}

/** Customer 1 is known to all; then one node buys for it, and another deletes it. */
function buyAndDelete(orphan: string, options?: Parameters<typeof makeShop>[1]) {
  const made = makeShop(orphan, options);
  made.nodes[0].app.exec(`INSERT INTO purchase VALUES('p', 1, 'tea')`);
  made.nodes[1].app.exec('DELETE FROM customer WHERE id = 1');
  return made;
}

describe('a child whose parent another node has deleted', () => {
  test.each([2, 3])('keep: stays, and is recorded once (%i nodes)', (count) => {
    const { cluster, nodes } = buyAndDelete('keep', { count });
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(nodes[0], 'SELECT * FROM purchase')).toEqual([['p', 1, 'tea']]);
    expect(recordsOf(nodes[0])).toMatchObject([
      {
        tbl: 'purchase',
        key: { id: 'p' },
        columns: ['customer_id'],
        winner: { node: 'n1', row: null },
        loser: { node: 'n0', row: { id: 'p', customer_id: 1, note: 'tea' } },
        detail: { parent: { table: 'customer', key: { id: 1 } }, rule: 'keep' },
      },
    ]);
  });

  test('delete: goes, and is whole in its record', () => {
    const { cluster, nodes } = buyAndDelete('delete');
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(nodes[0], 'SELECT * FROM purchase')).toEqual([]);
    expect(recordsOf(nodes[0])).toMatchObject([{ loser: { row: { id: 'p', customer_id: 1, note: 'tea' } } }]);
  });

  test.each([2, 3])('restore-parent: has its parent back (%i nodes)', (count) => {
    const { cluster, nodes } = buyAndDelete('restore-parent', { count });
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(nodes[0], 'SELECT * FROM purchase')).toEqual([['p', 1, 'tea']]);
    expect(rowsOf(nodes[0], 'SELECT * FROM customer')).toEqual([
      [1, 'Ann', 'a@x'],
      [2, 'Ben', 'b@x'],
    ]);
    expect(recordsOf(nodes[0])).toHaveLength(1);
    expect(recordsOf(nodes[0], 'insert-insert')).toEqual([]);
  });

  test.each(RULES)('%s: whichever of the two a third node hears of first', (orphan) => {
    for (const first of [0, 1]) {
      const { cluster, nodes } = buyAndDelete(orphan, { count: 3 });
      nodes[2].pull(nodes[first] as ThreeNodes[0]);
      nodes[2].pull(nodes[1 - first] as ThreeNodes[0]);
      cluster.settleDown();
      expectAlike(cluster);
      expect(recordsOf(nodes[0])).toHaveLength(1);
    }
  });

  test.each(RULES)('%s: nothing is left behind when all is settled', (orphan) => {
    const { cluster, nodes } = buyAndDelete(orphan);
    settleAll(cluster);
    for (const { app } of nodes)
      for (const table of ['former', 'former_value', 'meta_10', 'meta_11'])
        expect([table, app.prepare(`SELECT count(*) FROM _sqlsync_${table}`).pluck().get()]).toEqual([table, 0]);
  });

  test('an update that takes a child to a parent counts like an insert', () => {
    const { cluster, nodes } = makeShop('delete');
    nodes[0].app.exec(`INSERT INTO purchase VALUES('p', 2, 'tea')`);
    settleAll(cluster);
    nodes[0].app.exec('UPDATE purchase SET customer_id = 1');
    nodes[1].app.exec('DELETE FROM customer WHERE id = 1');
    cluster.settleDown();
    expectAlike(cluster);
    expect(recordsOf(nodes[0])).toMatchObject([{ loser: { row: { id: 'p', customer_id: 1 } } }]);
  });

  test('two references of one child to one parent are two records', () => {
    const schema = `CREATE TABLE place(id TEXT PRIMARY KEY);
      CREATE TABLE trip(id TEXT PRIMARY KEY, start TEXT REFERENCES place, finish TEXT REFERENCES place)`;
    const { cluster, nodes } = makeNodes(schema);
    nodes[0].app.exec(`INSERT INTO place VALUES('x')`);
    cluster.settleDown();
    nodes[0].app.exec(`INSERT INTO trip VALUES('t', 'x', 'x')`);
    nodes[1].app.exec('DELETE FROM place');
    cluster.settleDown();
    expect(recordsOf(nodes[1]).map(({ columns }) => columns)).toEqual([['finish'], ['start']]);
    expectAlike(cluster);
  });
});

describe('what is the application’s own affair is not recorded', () => {
  test('no reference, a parent that never was, one that its own node deleted', () => {
    const { cluster, nodes } = makeShop('delete');
    nodes[0].app.pragma('foreign_keys = OFF');
    nodes[0].app.exec(`INSERT INTO purchase VALUES('null', NULL, ''), ('never', 7, ''), ('own', 2, '');
      DELETE FROM customer WHERE id = 2`);
    nodes[1].app.exec('DELETE FROM customer WHERE id = 1');
    cluster.settleDown();
    expectAlike(cluster);
    expect(recordsOf(nodes[1])).toEqual([]);
    expect(rowsOf(nodes[1], 'SELECT id FROM purchase ORDER BY id')).toEqual([['never'], ['null'], ['own']]);
  });

  test('a child that all have known, left behind by whoever deleted its parent', () => {
    const { cluster, nodes } = makeShop('delete');
    nodes[0].app.exec(`INSERT INTO purchase VALUES('p', 1, 'tea')`);
    settleAll(cluster);
    nodes[1].app.pragma('foreign_keys = OFF');
    nodes[1].app.exec('DELETE FROM customer WHERE id = 1');
    cluster.settleDown();
    expectAlike(cluster);
    expect([recordsOf(nodes[0]), rowsOf(nodes[0], 'SELECT id FROM purchase')]).toEqual([[], [['p']]]);
  });
});

describe('what goes on goes on', () => {
  test('delete: the children of what is deleted, whoever wrote them and when', () => {
    const { cluster, nodes } = makeShop('delete');
    nodes[0].app.exec(`INSERT INTO purchase VALUES('old', 2, ''); INSERT INTO line VALUES('old', 1, 'known to all')`);
    settleAll(cluster);
    nodes[0].app.exec(
      `INSERT INTO purchase VALUES('new', 1, ''); INSERT INTO line VALUES('new', 1, 'of the same node')`,
    );
    nodes[0].app.exec(`UPDATE purchase SET customer_id = 1 WHERE id = 'old'`);
    nodes[1].app.exec('DELETE FROM customer WHERE id = 1');
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(nodes[0], 'SELECT id FROM purchase UNION ALL SELECT what FROM line')).toEqual([]);
    expect(recordsOf(nodes[0]).map(({ key }) => key)).toEqual([
      { purchase: 'new', n: 1 },
      { purchase: 'old', n: 1 },
      { id: 'new' },
      { id: 'old' },
    ]);
  });

  test.each(['keep', 'delete'])('%s: children of a row that lost a UNIQUE value', (orphan) => {
    const { cluster, nodes } = makeShop(orphan);
    nodes[0].app.exec(`INSERT INTO purchase VALUES('p', 2, 'known to all')`);
    settleAll(cluster);
    nodes[0].app.exec(`UPDATE customer SET email = 'x' WHERE id = 1`);
    nodes[1].app.exec(`UPDATE customer SET email = 'x' WHERE id = 2`);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(nodes[0], 'SELECT id FROM customer')).toEqual([[1]]);
    expect(rowsOf(nodes[0], 'SELECT id FROM purchase')).toEqual(orphan === 'keep' ? [['p']] : []);
    expect(recordsOf(nodes[0])).toMatchObject([
      { key: { id: 'p' }, loser: { node: null, row: { note: 'known to all' } } },
    ]);
  });

  test('restore-parent: the parents of what is restored', () => {
    const { cluster, nodes } = makeShop('restore-parent');
    nodes[0].app.exec(`INSERT INTO purchase VALUES('p', 1, 'tea')`);
    settleAll(cluster);
    nodes[0].app.exec(`INSERT INTO line VALUES('p', 1, 'late')`);
    nodes[1].app.exec('DELETE FROM customer WHERE id = 1');
    cluster.settleDown();
    expectAlike(cluster);
    expect(
      rowsOf(nodes[1], 'SELECT name, what FROM customer JOIN purchase ON customer_id = customer.id JOIN line'),
    ).toEqual([['Ann', 'late']]);
  });

  test('a loop of restored and deleted rows comes to rest', () => {
    const rules = { purchase: { orphan: 'delete' }, line: { orphan: 'restore-parent' } };
    const { cluster, nodes } = makeShop('keep', { rules, count: 3 });
    nodes[0].app.exec(`INSERT INTO purchase VALUES('p', 1, 'tea')`);
    settleAll(cluster);
    nodes[0].app.exec(`INSERT INTO line VALUES('p', 1, 'late')`);
    nodes[1].app.exec('DELETE FROM customer WHERE id = 1');
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(nodes[1], 'SELECT id FROM purchase')).toEqual([]);
    expect(recordsOf(nodes[0])).toMatchObject([{ tbl: 'line', loser: { row: { what: 'late' } } }]);
  });
});

describe('a parent that cannot come back', () => {
  test('because another row has its UNIQUE value: the record says so', () => {
    const { cluster, nodes } = buyAndDelete('restore-parent');
    nodes[1].app.exec(`INSERT INTO customer VALUES(3, 'Cid', 'a@x')`);
    nodes[0].pull(nodes[1]);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(nodes[0], 'SELECT id FROM customer ORDER BY id')).toEqual([[2], [3]]);
    expect(recordsOf(nodes[0])).toMatchObject([
      { detail: { kept: expect.stringContaining('UNIQUE constraint failed: customer.email') } },
    ]);
  });

  test('because the application has written it since, and deleted it again: what is kept is not what was deleted', () => {
    const { cluster, nodes } = makeShop('restore-parent', { count: 3 });
    nodes[2].app.exec(`INSERT INTO purchase VALUES('p', 1, 'tea')`);
    nodes[1].app.exec('DELETE FROM customer WHERE id = 1');
    nodes[0].pull(nodes[1]);
    nodes[0].app.exec(`INSERT INTO customer VALUES(1, 'Eve', 'e@x'); DELETE FROM customer WHERE id = 1`);
    nodes[0].foldAll();
    nodes[0].pull(nodes[2]);
    expect(rowsOf(nodes[0], 'SELECT name FROM customer')).toEqual([['Ben']]);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(nodes[0], 'SELECT name FROM customer WHERE id = 1')).toEqual([['Ann']]);
  });
});
