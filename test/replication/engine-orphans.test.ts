/** A child written on one node while its parent is deleted on another: what each rule makes of it, on all nodes alike. */
import { afterEach, describe, expect, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SHOP = `CREATE TABLE customer(id INTEGER PRIMARY KEY, name, email UNIQUE);
  CREATE TABLE purchase(id TEXT PRIMARY KEY, customer_id INTEGER REFERENCES customer(id) ON DELETE CASCADE, note);
  CREATE INDEX purchase_customer ON purchase(customer_id);`;

let cluster: EngineCluster;
afterEach(() => cluster.close());

interface Record {
  readonly tbl: string;
  readonly key: unknown;
  readonly columns: unknown;
  readonly winner: { node: string | null; row: unknown };
  readonly loser: { node: string | null; row: unknown };
  readonly detail: unknown;
}

function recordsOf({ app }: EngineNode, kind = 'orphan'): Record[] {
  const rows = app
    .prepare(
      'SELECT tbl, key, columns, winner, loser, detail FROM _sqlsync_conflict WHERE kind = ? ORDER BY tbl, key, columns',
    )
    .all(kind) as { [column: string]: string }[];
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, text]) => [name, name === 'tbl' ? text : JSON.parse(text)])),
  ) as unknown as Record[];
}

function make(schema: string, orphan: string, count = 2, options: ConstructorParameters<typeof EngineCluster>[2] = {}) {
  cluster = new EngineCluster(schema, count, { rules: { '*': { orphan } }, ...options });
  for (const { app } of cluster.nodes) app.pragma('foreign_keys = ON');
  return cluster.nodes as [EngineNode, EngineNode, EngineNode];
}

function rows({ app }: EngineNode, sql: string): unknown[] {
  return app.prepare(sql).raw().all();
}

function expectAlike(): void {
  const [first, ...others] = cluster.nodes as [EngineNode, ...EngineNode[]];
  for (const node of others) {
    expect(node.data()).toEqual(first.data());
    expect(recordsOf(node)).toEqual(recordsOf(first));
  }
}

/** Customer 1 is known to all; then one node buys for it, and another deletes it. */
function buyAndDelete(orphan: string, count = 2): [EngineNode, EngineNode, EngineNode] {
  const nodes = make(SHOP, orphan, count);
  nodes[0].app.exec(`INSERT INTO customer VALUES(1, 'Ann', 'a@x'), (2, 'Ben', 'b@x')`);
  cluster.settleDown();
  nodes[0].app.exec(`INSERT INTO purchase VALUES('p', 1, 'tea')`);
  nodes[1].app.exec('DELETE FROM customer WHERE id = 1');
  return nodes;
}

describe('a child whose parent another node has deleted', () => {
  test.each([2, 3])('keep: stays, and is recorded once (%i nodes)', (count) => {
    const [a] = buyAndDelete('keep', count);
    cluster.settleDown();
    expectAlike();
    expect(rows(a, 'SELECT * FROM purchase')).toEqual([['p', 1, 'tea']]);
    expect(recordsOf(a)).toMatchObject([
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
    const [a] = buyAndDelete('delete');
    cluster.settleDown();
    expectAlike();
    expect(rows(a, 'SELECT * FROM purchase')).toEqual([]);
    expect(recordsOf(a)).toMatchObject([{ loser: { row: { id: 'p', customer_id: 1, note: 'tea' } } }]);
  });

  test.each([2, 3])('restore-parent: has its parent back (%i nodes)', (count) => {
    const [a] = buyAndDelete('restore-parent', count);
    cluster.settleDown();
    expectAlike();
    expect(rows(a, 'SELECT * FROM purchase')).toEqual([['p', 1, 'tea']]);
    expect(rows(a, 'SELECT * FROM customer')).toEqual([
      [1, 'Ann', 'a@x'],
      [2, 'Ben', 'b@x'],
    ]);
    expect(recordsOf(a)).toHaveLength(1);
  });
});
