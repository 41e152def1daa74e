/**
 * Random histories: three nodes write, exchange, decide and take decisions back, at the same time and about the same
 * conflicts. In the end all hold the same rows, list the same conflicts in the same states, and no decision is lost.
 */
import { expect, test } from 'vitest';
import type { Decision } from '../../src/replication/resolve-conflict.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';
import { Operator } from '../support/operator.js';
import { type Random, seededRandom } from '../support/seeded-random.js';

const SCHEMA = `CREATE TABLE t(k INTEGER PRIMARY KEY, a, b, u UNIQUE);
  CREATE TABLE child(id TEXT PRIMARY KEY, k REFERENCES t ON DELETE CASCADE, note);`;
const STEPS = 200;
const KEYS = 4;

const DECISIONS: readonly Decision[] = [
  { use: 'winner' },
  { use: 'loser' },
  { use: 'n1' },
  { set: { a: 'set' } },
  'undo',
];

function writeRandomly({ app }: EngineNode, random: Random, step: number): void {
  const k = 1 + random.int(KEYS);
  const u = random.chance(0.5) ? `'u${random.int(3)}'` : 'NULL';
  app.exec(
    random.pick([
      `INSERT OR IGNORE INTO t VALUES(${k}, ${step}, ${step}, ${u})`,
      `UPDATE OR IGNORE t SET a = ${step} WHERE k = ${k}`,
      `UPDATE OR IGNORE t SET b = ${step}, u = ${u} WHERE k = ${k}`,
      `DELETE FROM t WHERE k = ${k}`,
      `INSERT OR IGNORE INTO child SELECT 'c${step}', k, ${step} FROM t WHERE k = ${k}`,
    ]),
  );
}

function decideRandomly(node: EngineNode, random: Random): number {
  const operator = new Operator(node);
  const ids = operator.conflicts().map(({ id }) => id);
  if (ids.length === 0) return 0;
  const some = ids.filter(() => random.chance(0.5));
  const outcomes = operator.resolveAll(some, random.pick(DECISIONS), { force: random.chance(0.3) });
  return outcomes.filter(({ status }) => status === 'resolved').length;
}

test.each([1, 2, 3, 4])('seed %i', (seed) => {
  const random = seededRandom(seed);
  const cluster = new EngineCluster(SCHEMA, 3, { strategies: random.chance(0.5) ? { t: 'manual' } : {} });
  try {
    let decisions = 0;
    for (let step = 0; step < STEPS; step += 1) {
      const node = random.pick(cluster.nodes);
      if (random.chance(0.15)) decisions += decideRandomly(node, random);
      else if (random.chance(0.3)) node.pull(random.pick(cluster.nodes.filter((other) => other !== node)));
      else writeRandomly(node, random, step);
    }
    cluster.settleDown();
    const [first, ...others] = cluster.nodes.map((node) => ({
      data: node.data(),
      conflicts: new Operator(node).conflicts(),
      resolutions: node.app.prepare('SELECT * FROM _sqlsync_resolution ORDER BY id').all(),
    }));
    for (const other of others) expect(other).toEqual(first);
    expect(decisions).toBeGreaterThan(0);
    expect(first?.resolutions).toHaveLength(decisions);
  } finally {
    cluster.close();
  }
});
