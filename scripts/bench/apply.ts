/**
 * What applying costs the engine alone, in one process: rows that one node has inserted, applied by another in one cut.
 * With foreign keys: children of parents that are there, and children of parents of which some have been deleted.
 *
 *   npx tsx scripts/bench/apply.ts [rows] [rounds]
 */
import { EngineCluster, type EngineNode, stageOf } from '../../test/support/engine-node.js';
import { ITEMS, insertItems, spread } from './workload.js';

const rows = Number(process.argv[2] ?? 20_000);
const rounds = Number(process.argv[3] ?? 9);
const PARENTS = 1000;

const FAMILY = `CREATE TABLE parent(id INTEGER PRIMARY KEY, name);
  CREATE TABLE items(id TEXT PRIMARY KEY, a INT REFERENCES parent, b INT, name TEXT, note TEXT, price REAL, data BLOB, updated INT);
  WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n WHERE i < ${PARENTS - 1}) INSERT INTO parent SELECT i, 'p' FROM n`;

/** Processor milliseconds that the second node takes to apply what the first has written. */
function measure(schema: string, seed: number, prepare: (from: EngineNode) => void): number {
  const cluster = new EngineCluster(schema, 2, {
    limits: { applyTransactionBytesMax: 1 << 30, applyTransactionRowsMax: 1 << 30 },
  });
  try {
    const [from, to] = cluster.nodes as [EngineNode, EngineNode];
    prepare(from);
    cluster.settleDown();
    from.app.pragma('foreign_keys = OFF');
    insertItems(from.app, rows, seed);
    from.foldAll();
    const stage = stageOf(from, to.hello());
    const application = to.replica.beginApply({ ...stage, batches: () => [...stage.batches()].values() });
    const start = process.cpuUsage();
    while (!application.step().done);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  } finally {
    cluster.close();
  }
}

const loads: Record<string, (seed: number) => number> = {
  'no foreign keys': (seed) => measure(ITEMS, seed, () => {}),
  'children, all parents there': (seed) => measure(FAMILY, seed, () => {}),
  'children, a tenth of the parents deleted': (seed) =>
    measure(FAMILY, seed, ({ app }) => app.exec('DELETE FROM parent WHERE id % 10 = 0')),
};
for (const [name, load] of Object.entries(loads)) {
  const perRow = Array.from({ length: rounds }, (_, round) => (load(7 + round) * 1000) / rows);
  console.log(`${name.padEnd(42)} ${spread(perRow, 1)} µs of processor a row`);
}
