/** Three nodes of which two write without knowing of each other, until all have exchanged everything. */
import { expect, onTestFinished } from 'vitest';
import type { RecordedConflict } from '../../src/replication/recorded-conflict.js';
import { EngineCluster, type EngineNode } from './engine-node.js';
import { Operator, passMillisecond } from './operator.js';

export interface Writes {
  readonly schema: string;
  /** Of table t; merge if left out. */
  readonly strategy?: string;
  readonly rules?: Record<string, { orphan?: string; key_collision?: string }>;
  /** On all before they part. */
  readonly common?: string;
  /** On n0, and later on n1; then, if wanted, on n0 again. */
  readonly first: string;
  readonly second: string;
  readonly third?: string;
}

export class Clash {
  readonly cluster: EngineCluster;

  constructor({ schema, strategy, rules = {}, common = '', first, second, third = '' }: Writes) {
    this.cluster = new EngineCluster(schema, 3, {
      rules,
      ...(strategy !== undefined && { strategies: { t: strategy } }),
    });
    onTestFinished(() => this.cluster.close());
    const [a, b] = this.cluster.nodes as [EngineNode, EngineNode];
    a.app.exec(common);
    this.cluster.settleDown();
    for (const [node, sql] of [
      [a, first],
      [b, second],
      [a, third],
    ] as const) {
      node.app.exec(sql);
      passMillisecond();
    }
    this.cluster.settleDown();
  }

  node(number: number): EngineNode {
    return this.cluster.nodes[number] as EngineNode;
  }

  operator(number: number): Operator {
    return new Operator(this.node(number));
  }

  /** Once all have exchanged everything: every node lists the same conflicts in the same state and holds the same rows. */
  agreed(): { conflicts: RecordedConflict[]; data: Record<string, unknown[]> } {
    this.cluster.settleDown();
    const [first, ...others] = this.cluster.nodes.map((node) => ({
      conflicts: new Operator(node).conflicts(),
      data: node.data(),
    }));
    for (const other of others) expect(other).toEqual(first);
    return first as { conflicts: RecordedConflict[]; data: Record<string, unknown[]> };
  }

  /** The only conflict there is, and the rows of table t, once all agree. */
  only(): { conflict: RecordedConflict; rows: unknown[] } {
    const { conflicts } = this.agreed();
    expect(conflicts).toHaveLength(1);
    return { conflict: conflicts[0] as RecordedConflict, rows: this.rows() };
  }

  rows(table = 't', number = 0): unknown[] {
    return this.node(number).app.prepare(`SELECT * FROM ${table} ORDER BY 1`).raw().all();
  }
}
