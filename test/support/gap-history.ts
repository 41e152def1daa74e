/**
 * One seed, one random history of nodes whose triggers are missing at times, or are switched off by a connection that
 * writes: gaps open and are closed by comparing while all nodes write and exchange. Checked at the end, with every gap
 * closed: all nodes hold the same rows, and every value that an application has committed, seen or not, is in them, or
 * was overwritten where it was known, or is in a conflict record.
 */
import { writeUnseen } from './compare-engines.js';
import { EngineCluster, type EngineNode } from './engine-node.js';
import { closeGapWith, writeWithoutTriggers } from './gap.js';
import { type Random, seededRandom } from './seeded-random.js';

const SCHEMA = `CREATE TABLE item(k TEXT PRIMARY KEY, a, b);
  CREATE TABLE entry(k INTEGER PRIMARY KEY, a, b)`;
const TABLES = [
  ['item', 10],
  ['entry', 11],
] as const;
const STRATEGIES = ['merge', 'merge', 'lww', 'version', 'manual'] as const;
const KEYS = ['1', '2', '3', '4'];
const STEPS = 36;
const ROUNDS_MAX = 12;

export interface GapHistoryResult {
  readonly written: number;
  readonly unseen: number;
  readonly closed: number;
  readonly conflicts: number;
  /** Conflicts of which nobody can tell whether there was a write that lost. */
  readonly doubtful: number;
}

class GapHistory {
  private readonly random: Random;
  private readonly cluster: EngineCluster;
  private readonly nodes: readonly EngineNode[];
  private readonly issued: string[] = [];
  private readonly overwritten = new Set<string>();
  private nowMs = Date.UTC(2026, 0, 1);
  private unseen = 0;
  private closed = 0;

  constructor(private readonly seed: number) {
    this.random = seededRandom(seed);
    const { random } = this;
    const skews = [0, 1, 2].map(() => random.int(200));
    this.cluster = new EngineCluster(SCHEMA, random.pick([2, 2, 3]), {
      strategies: { '*': random.pick(STRATEGIES) },
      random,
      clockOf: (node) => ({ nowMs: () => this.nowMs + (skews[node] as number) }),
    });
    this.nodes = this.cluster.nodes;
  }

  async play(): Promise<GapHistoryResult> {
    try {
      for (let step = 0; step < STEPS; step += 1) await this.step();
      await this.comeToRest();
      return this.judge();
    } catch (error) {
      throw new Error(`npm run simulate -- --of gaps --seeds 1 --first ${this.seed}: ${(error as Error).message}`);
    } finally {
      this.cluster.close();
    }
  }

  private async step(): Promise<void> {
    const { random } = this;
    this.nowMs += random.int(100);
    const node = random.pick(this.nodes);
    const peer = random.pick(this.nodes.filter((other) => other !== node));
    const dice = random.next();
    if (dice < 0.4) this.write(node);
    else if (dice < 0.52) this.writeUnseen(node);
    else if (dice < 0.82) node.pull(peer);
    else if (dice < 0.92) while (node.replica.settle().more);
    else if (node.replica.comparison.gap.isOpen && (await closeGapWith(node, peer))) this.closed += 1;
  }

  private write({ app }: EngineNode): void {
    const { random } = this;
    const [table] = random.pick(TABLES);
    const key = random.pick(KEYS);
    const before = app.prepare(`SELECT a, b FROM ${table} WHERE k = ?`).get(key) as
      | Record<'a' | 'b', string>
      | undefined;
    if (before === undefined) {
      app.prepare(`INSERT INTO ${table} VALUES(?, ?, ?)`).run(key, this.value(), this.value());
    } else if (random.chance(0.2)) {
      this.overwrite(before.a, before.b);
      app.prepare(`DELETE FROM ${table} WHERE k = ?`).run(key);
    } else {
      const column = random.pick(['a', 'b'] as const);
      this.overwrite(before[column]);
      app.prepare(`UPDATE ${table} SET ${column} = ? WHERE k = ?`).run(this.value(), key);
    }
  }

  /** The engine notices triggers that are missing before it does anything else, and never that they were switched off. */
  private writeUnseen(node: EngineNode): void {
    const { random } = this;
    const writes = () => {
      for (let left = 1 + random.int(3); left > 0; left -= 1) this.write(node);
    };
    this.unseen += 1;
    if (random.chance(0.3)) writeUnseen(node, writes);
    for (const [, id] of TABLES) writeWithoutTriggers(node, '', id);
    writes();
  }

  private value(): string {
    const value = `v${this.issued.length}`;
    this.issued.push(value);
    return value;
  }

  private overwrite(...values: readonly string[]): void {
    for (const value of values) this.overwritten.add(value);
  }

  private async comeToRest(): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      this.cluster.settleDown();
      const open = this.nodes.filter(({ replica }) => replica.comparison.gap.isOpen);
      if (open.length === 0) return;
      for (const node of open) await this.closeWithAny(node);
    }
    throw new Error('a gap stays open');
  }

  /** As a daemon does, with one peer after the other. */
  private async closeWithAny(node: EngineNode): Promise<void> {
    for (const peer of this.nodes) {
      if (peer === node || !(await closeGapWith(node, peer))) continue;
      this.closed += 1;
      return;
    }
  }

  private judge(): GapHistoryResult {
    const [first, ...others] = this.nodes as [EngineNode, ...EngineNode[]];
    const rows = JSON.stringify(first.data());
    for (const other of others) {
      const theirs = JSON.stringify(other.data());
      if (theirs !== rows) throw new Error(`nodes differ:\n${rows}\n${theirs}`);
    }
    const select = 'SELECT winner, loser, strategy, detail FROM _sqlsync_conflict';
    const records = first.app.prepare(select).all() as Record<
      'winner' | 'loser' | 'strategy' | 'detail',
      string | null
    >[];
    const kept = new Set(JSON.stringify([this.values(first), records]).match(/v\d+/g));
    const lost = this.issued.filter((value) => !kept.has(value) && !this.overwritten.has(value));
    if (lost.length > 0) throw new Error(`lost ${lost.join(', ')}: ${rows}`);
    const doubtful = records.filter(({ detail }) => detail?.includes('"certain":false')).length;
    const { unseen, closed, issued } = this;
    return { written: issued.length, unseen, closed, conflicts: records.length, doubtful };
  }

  private values({ app }: EngineNode): unknown[] {
    return TABLES.map(([table]) => app.prepare(`SELECT a, b FROM ${table}`).all());
  }
}

export function runGapHistory(seed: number): Promise<GapHistoryResult> {
  return new GapHistory(seed).play();
}
