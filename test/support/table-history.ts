/**
 * A random history of a table that comes and goes, on two or three nodes that run the application's migrations at different
 * times: dropped, made again, or renamed and back, while others write to it, some are away, and engines are killed. At the
 * end all have it, or none has: then they hold the same, and nobody keeps a row aside.
 *
 * Of three nodes all exchange what they have before one drops a table: it cannot pass on what it had from others.
 */
import { inspectCapture } from '../../src/replication/inspect-capture.js';
import { answersOf } from './compare-engines.js';
import { EngineCluster, type EngineNode, steppingClock } from './engine-node.js';
import { closeGapWith } from './gap.js';
import { type Random, seededRandom } from './seeded-random.js';

const STEPS = 60;
const NAMES = ['t', 'u'] as const;
const SCHEMA = 'CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE TABLE other(k TEXT PRIMARY KEY, v)';

export interface TableHistoryResult {
  /** Rows that were given up, held at some moment, and returns of the table. */
  readonly givenUp: number;
  readonly held: number;
  readonly returns: number;
}

class TableHistory {
  private readonly random: Random;
  private readonly cluster: EngineCluster;
  private held = 0;
  private returns = 0;

  constructor(
    seed: number,
    private readonly hasRenames: boolean,
  ) {
    this.random = seededRandom(seed);
    const clock = steppingClock();
    this.cluster = new EngineCluster(SCHEMA, 2 + (seed % 2), { clockOf: () => clock, random: this.random });
    this.cluster.settleDown();
  }

  async run(): Promise<TableHistoryResult> {
    try {
      for (let step = 0; step < STEPS; step += 1) await this.step(this.random.pick(this.cluster.nodes));
      await this.end();
      const count =
        "SELECT coalesce(sum(detail ->> '$.rows'), 0) FROM _sqlsync_operation WHERE command LIKE 'give up%'";
      const givenUp = this.cluster.nodes[0]?.app.prepare(count).pluck().get() as number;
      return { givenUp, held: this.held, returns: this.returns };
    } finally {
      this.cluster.close();
    }
  }

  private async step(node: EngineNode): Promise<void> {
    const { random } = this;
    const table = tableOf(node);
    const chance = random.int(100);
    if (chance < 25) this.write(node);
    else if (chance < 55) node.pull(random.pick(this.cluster.nodes.filter((other) => other !== node)));
    else if (chance < 72) this.upkeep(node);
    else if (chance < 76) {
      node.kill();
      node.open();
    } else if (chance < 82) await this.closeGaps(node);
    else if (table === null) this.make(node);
    else if (this.hasRenames) this.rename(node, table);
    else this.drop(node, table);
    this.held += node.replica.status().held.rows;
  }

  private upkeep(node: EngineNode): void {
    node.foldAll();
    while (node.replica.settle().more);
  }

  private write({ app, name }: EngineNode): void {
    const table = this.random.chance(0.2) ? 'other' : tableOf({ app });
    if (table === null) return;
    const key = `k${this.random.int(5)}`;
    if (this.random.chance(0.3)) app.prepare(`DELETE FROM ${table} WHERE k = ?`).run(key);
    else app.prepare(`REPLACE INTO ${table} VALUES(?, ?)`).run(key, `${name} ${this.random.int(1000)}`);
  }

  private drop({ app }: EngineNode, table: string): void {
    if (this.cluster.nodes.length > 2) this.cluster.settleDown();
    app.exec(`DROP TABLE ${table}`);
  }

  private rename({ app }: EngineNode, table: string): void {
    app.exec(`ALTER TABLE ${table} RENAME TO ${NAMES.find((name) => name !== table)}`);
  }

  /** It is taken in when it has been there for a while. */
  private make(node: EngineNode): void {
    this.returns += 1;
    node.app.exec('CREATE TABLE t(k TEXT PRIMARY KEY, v)');
    if (this.random.chance(0.5)) this.write(node);
    node.foldAll();
    node.advance(3000);
  }

  private async end(): Promise<void> {
    const { nodes } = this.cluster;
    const isDropped = !this.hasRenames && this.random.chance(0.5);
    for (const node of nodes) {
      const table = tableOf(node);
      if (isDropped && table !== null) this.drop(node, table);
      else if (!isDropped && table === null) this.make(node);
      else if (this.hasRenames && table === 't') this.rename(node, 't');
      if (this.random.chance(0.5)) this.cluster.settleDown();
    }
    for (let round = 0; round < 4; round += 1) {
      this.cluster.settleDown();
      for (const node of nodes) {
        this.upkeep(node);
        await this.closeGaps(node);
        node.advance(61_000);
      }
    }
    for (const node of nodes) {
      const { held, gap } = node.replica.status();
      if (held.rows > 0) throw new Error(`${node.name} still keeps rows aside: ${JSON.stringify(held)}`);
      if (gap !== null) throw new Error(`${node.name} still has a gap: ${JSON.stringify(gap)}`);
      if (!inspectCapture(node.app).complete) throw new Error(`${node.name} does not capture all of its tables`);
    }
    const [first, ...rest] = nodes.map((node) => JSON.stringify(node.data()));
    if (rest.some((data) => data !== first)) throw new Error(`the nodes differ:\n${[first, ...rest].join('\n')}`);
  }

  /** As the daemon does as soon as a peer is in touch that has the table. */
  private async closeGaps(node: EngineNode): Promise<void> {
    node.foldAll();
    const own = answersOf(node);
    const { isOpen, tables, mark } = own.gap;
    if (!isOpen) return;
    if (tables.length === 0) {
      await own.closeGap(mark, { peer: null, rowsWritten: 0 }, null);
      return;
    }
    const others = this.cluster.nodes.filter((other) => other !== node);
    // One that has a gap of its own may lack the same rows.
    const trust = (peer: EngineNode) => Number(answersOf(peer).gap.isOpen);
    for (const peer of others.sort((x, y) => trust(x) - trust(y))) {
      peer.foldAll();
      const there = await answersOf(peer).tables();
      if (!tables.every((name) => there.some((table) => table.name === name))) continue;
      if (await closeGapWith(node, peer, { waitMsMax: 0 })) return;
    }
  }
}

/** The name that the table has on the node now; null: it is not there. */
function tableOf({ app }: Pick<EngineNode, 'app'>): string | null {
  const found = app.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('t', 'u')").pluck().get();
  return (found as string | undefined) ?? null;
}

export async function runTableHistory(seed: number): Promise<TableHistoryResult> {
  try {
    return await new TableHistory(seed, seed % 3 === 0).run();
  } catch (error) {
    const replay = `npm run simulate -- --of tables --seeds 1 --first ${seed}`;
    throw new Error(`seed ${seed}: ${(error as Error).stack ?? error}\nreplay: ${replay}`);
  }
}
