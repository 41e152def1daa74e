/** A row whose parent waits for this node's migration waits with it, however they come. */
import { afterEach, expect, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

let cluster: EngineCluster;
afterEach(() => cluster.close());

const ALTER = 'ALTER TABLE p ADD COLUMN more';
const orphans = ({ app }: EngineNode) => app.pragma('foreign_key_check');
const held = (node: EngineNode) => node.replica.status().held;

/** `first` and `last` are tables of names in that order. */
test.each([
  ['the parent comes first', 'p', 'q_child'],
  ['the child comes first', 'p', 'a_child'],
])('%s', (_, parent, child) => {
  const schema = `CREATE TABLE ${parent}(id TEXT PRIMARY KEY, v);
    CREATE TABLE ${child}(id TEXT PRIMARY KEY, p TEXT REFERENCES ${parent}, v);
    CREATE TABLE z_grandchild(id TEXT PRIMARY KEY, c TEXT REFERENCES ${child});
    INSERT INTO ${parent} VALUES('old', 1); INSERT INTO ${child} VALUES('old', 'old', 1)`;
  cluster = new EngineCluster(schema, 2);
  const [a, b] = cluster.nodes as [EngineNode, EngineNode];
  cluster.settleDown();
  a.app.exec(ALTER);
  a.app.exec(`INSERT INTO ${parent}(id, v, more) VALUES('new', 1, 1); INSERT INTO ${child} VALUES('new', 'new', 1), ('free', NULL, 1);
    INSERT INTO z_grandchild VALUES('new', 'new'); UPDATE ${child} SET v = 2, p = 'new' WHERE id = 'old'`);
  b.pull(a);
  expect(orphans(b)).toEqual([]);
  expect(b.app.prepare(`SELECT id, v FROM ${child} ORDER BY id`).raw().all()).toEqual([
    ['free', 1],
    ['old', 1],
  ]);
  expect(held(b).tables.map(({ name, rows }) => [name, rows])).toEqual(
    [
      [child, 2],
      [parent, 1],
      ['z_grandchild', 1],
    ].sort(),
  );
  // What comes later waits too, and a change of the schema that does not help lets nothing go.
  a.app.exec(`UPDATE ${child} SET v = 3 WHERE id = 'new'`);
  b.app.exec('CREATE INDEX i ON z_grandchild(c)');
  b.pull(a);
  b.foldAll();
  expect([orphans(b), held(b).rows]).toEqual([[], 4]);
  b.app.exec(ALTER);
  cluster.settleDown();
  expect([a.data(), held(b).rows, orphans(b)]).toEqual([b.data(), 0, []]);
  expect(b.app.prepare(`SELECT v FROM ${child} WHERE id = 'new'`).pluck().get()).toBe(3);
  expect(a.replica.status().conflicts).toMatchObject({ auto: 0, open: 0 });
});
