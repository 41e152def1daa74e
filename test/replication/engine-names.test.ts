/** Tables whose names mean something in our own statements: a trigger's NEW and OLD, an upsert's excluded. */
import { afterEach, describe, expect, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

let cluster: EngineCluster;
afterEach(() => cluster.close());

describe.each(['new', 'old', 'excluded', 'NEW', 'Excluded'])('a table called %s', (name) => {
  test('keeps every write, evictions too', () => {
    const table = `"${name}"`;
    cluster = new EngineCluster(
      `CREATE TABLE ${table}(id TEXT NOT NULL PRIMARY KEY, v, u UNIQUE); CREATE UNIQUE INDEX w ON ${table}(v) WHERE u > 5`,
      2,
    );
    const [a, b] = cluster.nodes as [EngineNode, EngineNode];
    a.app.exec(`INSERT INTO ${table} VALUES('a', 1, 1), ('b', 2, 2), ('c', 3, 3), ('d', 9, 9)`);
    cluster.settleDown();
    b.app.exec(`UPDATE ${table} SET v = 'changed' WHERE id = 'a'`);
    cluster.settleDown();
    a.app.exec(
      `INSERT OR REPLACE INTO ${table} VALUES('e', 5, 1); UPDATE OR REPLACE ${table} SET u = 2 WHERE id = 'c'`,
    );
    a.app.exec(`INSERT OR REPLACE INTO ${table} VALUES('f', 9, 10)`);
    cluster.settleDown();
    expect(b.data()).toEqual(a.data());
    expect(a.app.prepare(`SELECT id FROM ${table} ORDER BY id`).pluck().all()).toEqual(['c', 'e', 'f']);
  });

  test('two rows of one UNIQUE value are settled like any others', () => {
    const table = `"${name}"`;
    cluster = new EngineCluster(`CREATE TABLE ${table}(id TEXT NOT NULL PRIMARY KEY, u UNIQUE)`, 2);
    const [a, b] = cluster.nodes as [EngineNode, EngineNode];
    a.app.exec(`INSERT INTO ${table} VALUES('a', 1)`);
    b.app.exec(`INSERT INTO ${table} VALUES('b', 1)`);
    cluster.settleDown();
    for (const node of [a, b]) expect(node.app.prepare(`SELECT id FROM ${table}`).pluck().all()).toEqual(['a']);
  });
});
