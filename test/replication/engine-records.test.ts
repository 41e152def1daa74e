/** What a conflict record is named after: every write that may stand nowhere else. */
import { afterEach, expect, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA = 'CREATE TABLE t(k TEXT PRIMARY KEY, a, b, u UNIQUE)';

let cluster: EngineCluster;
afterEach(() => cluster.close());

function losersOf({ app }: EngineNode): string {
  return app.prepare('SELECT group_concat(loser) FROM _sqlsync_conflict').pluck().get() as string;
}

/**
 * Of two records under one id the later stays. One node loses the write of `b` alone, another before it those of `b` and
 * `c`: had both records the name of the latest stamp among what they lost, the write of `c` would be nowhere.
 */
test.each([
  ['a deletion', 'DELETE FROM t WHERE k = 2', "UPDATE t SET a = 'of b' WHERE k = 2"],
  ['an update', "UPDATE t SET a = 'of a', b = 'of a' WHERE k = 2", "UPDATE t SET a = 'of b' WHERE k = 2"],
  ['a UNIQUE value', "UPDATE t SET u = 'x' WHERE k = 1", "UPDATE t SET u = 'x' WHERE k = 2"],
])('what one node lost to %s, and another did not, is in a record of its own', (_, first, second) => {
  cluster = new EngineCluster(SCHEMA, 4);
  const [a, b, c, d] = cluster.nodes as [EngineNode, EngineNode, EngineNode, EngineNode];
  a.app.exec('INSERT INTO t(k) VALUES(1), (2)');
  cluster.settleDown();
  const writes = [
    [c, "UPDATE t SET b = 'of c' WHERE k = 2"],
    [b, second],
    [a, first],
  ] as const;
  for (const [node, sql] of writes) {
    node.app.exec(sql);
    node.foldAll();
    for (const now = Date.now(); Date.now() === now; );
  }
  for (const from of [b, c, a]) d.pull(from);
  a.pull(b);
  c.pull(d);
  a.pull(d);
  cluster.settleDown();
  for (const node of cluster.nodes) expect(losersOf(node)).toContain('of c');
});
