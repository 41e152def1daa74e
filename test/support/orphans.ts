/** Nodes on which foreign keys are enforced, and what their conflict records say. */
import { expect, onTestFinished } from 'vitest';
import { EngineCluster, type EngineNode } from './engine-node.js';

export interface RecordedConflict {
  readonly tbl: string;
  readonly key: unknown;
  readonly columns: unknown;
  readonly winner: { node: string | null; row: unknown };
  readonly loser: { node: string | null; row: unknown };
  readonly detail: unknown;
}

export type ThreeNodes = [EngineNode, EngineNode, EngineNode];
type ClusterOptions = NonNullable<ConstructorParameters<typeof EngineCluster>[2]>;

/** Nodes of a data set; of two, the third is none. They are closed when the test is over. */
export function makeNodes(
  schema: string,
  options: ClusterOptions & { count?: number } = {},
): { cluster: EngineCluster; nodes: ThreeNodes } {
  const cluster = new EngineCluster(schema, options.count ?? 2, options);
  onTestFinished(() => cluster.close());
  for (const { app } of cluster.nodes) app.pragma('foreign_keys = ON');
  return { cluster, nodes: cluster.nodes as ThreeNodes };
}

export function recordsOf({ app }: EngineNode, kind = 'orphan'): RecordedConflict[] {
  const rows = app
    .prepare(
      'SELECT tbl, key, columns, winner, loser, detail FROM _sqlsync_conflict WHERE kind = ? ORDER BY tbl, key, columns',
    )
    .all(kind) as { [column: string]: string }[];
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, text]) => [name, name === 'tbl' ? text : JSON.parse(text)])),
  ) as unknown as RecordedConflict[];
}

export function rowsOf({ app }: EngineNode, sql: string): unknown[] {
  return app.prepare(sql).raw().all();
}

/** All nodes hold the same rows and the same records, and none keeps a row aside. */
export function expectAlike(cluster: EngineCluster): void {
  const [first, ...others] = cluster.nodes as [EngineNode, ...EngineNode[]];
  const records = ({ app }: EngineNode) => app.prepare('SELECT * FROM _sqlsync_conflict ORDER BY id').all();
  for (const node of others) expect([node.data(), records(node)]).toEqual([first.data(), records(first)]);
  for (const { app } of cluster.nodes)
    expect(app.prepare('SELECT count(*) FROM _sqlsync_quarantine').pluck().get()).toBe(0);
}

/** Exchanges everything, until the horizon has passed it too. */
export function settleAll(cluster: EngineCluster): void {
  for (let round = 0; round < 3; round += 1) {
    cluster.settleDown();
    for (const node of cluster.nodes) while (node.replica.settle().more);
  }
}
