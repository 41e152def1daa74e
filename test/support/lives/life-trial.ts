/**
 * The lives of three files: daemons, applications that write all the while, and every turn that such a life may take, at
 * seeded moments. In the end whatever sqlsync prints is typed, and then all nodes are healthy, the files are equal and
 * sound, and every value that an application was told is committed is somewhere, unless a later write that saw it took
 * its place, or a file that held it alone was given up.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { untilEqual, withReader } from '../compare-files.js';
import { APPLICATION_KINDS, type ApplicationKind } from '../foreign-application.js';
import { ProcessNode } from '../process-node.js';
import { type Random, seededRandom } from '../seeded-random.js';
import { until } from '../until.js';
import { HintOperator } from './hint-operator.js';
import { LifeMigrations, makeLifeDatabase } from './life-schema.js';
import { comeBy, migrateAll, migrateOthers, TURNS, type TurnDeps, type TurnKind, takeTurn } from './life-turns.js';
import { LifeValues } from './life-values.js';
import { LifeWriter } from './life-writer.js';

export interface LifeTrialOptions {
  readonly folder: string;
  readonly seed: number;
  readonly turns: number;
  /** Turns to pick from; all if left out. */
  readonly of?: readonly TurnKind[];
  readonly say?: (text: string) => void;
}

export interface LifeTrialResult {
  readonly acknowledged: number;
  readonly turns: readonly string[];
  /** Commands that hints told to type. */
  readonly typed: number;
}

/** Commits, over all applications, that pass between two turns. */
const COMMITS_MIN = 10;
const COMMITS_MAX = 60;
const STEP_MS_MAX = 60_000;
const HEALTHY_MS_MAX = 60_000;
const EQUAL_MS_MAX = 60_000;

/** Throws when a promise is broken. */
export async function runLifeTrial(options: LifeTrialOptions): Promise<LifeTrialResult> {
  const trial = new LifeTrial(options);
  try {
    return await trial.run();
  } finally {
    await trial.dispose();
  }
}

class LifeTrial {
  private readonly random: Random;
  private readonly nodes: ProcessNode[] = [];
  private readonly writers: LifeWriter[] = [];
  private readonly values = new LifeValues();
  private readonly running = new Set<string>();
  private readonly taken: string[] = [];
  private commits = 0;

  constructor(private readonly options: LifeTrialOptions) {
    this.random = seededRandom(options.seed);
  }

  async run(): Promise<LifeTrialResult> {
    await this.startNodes();
    const deps = this.turnDeps();
    for (const node of this.nodes) {
      for (const kind of APPLICATION_KINDS) this.writers.push(this.writer(`${node.name}-${kind}`, kind, node));
    }
    const working = Promise.all(this.writers.map((writer) => writer.work()));
    await Promise.race([working, this.takeTurns(deps)]);
    for (const writer of this.writers) writer.stop();
    await working;
    await this.end(deps);
    return { acknowledged: this.values.acknowledgedCount, turns: this.taken, typed: deps.operator.count };
  }

  async dispose(): Promise<void> {
    for (const writer of this.writers) {
      writer.stop();
      writer.kill();
    }
    for (const node of this.nodes) await node.dispose();
  }

  private say(text: string): void {
    this.options.say?.(text);
  }

  private async startNodes(): Promise<void> {
    const { folder } = this.options;
    const journalMode = this.random.chance(0.5) ? 'wal' : 'delete';
    const topology = this.random.pick(['star', 'chain', 'mesh'] as const);
    this.say(`  ${topology}, ${journalMode}`);
    const first = await ProcessNode.first(folder, 'ada', (path) => makeLifeDatabase(path, journalMode));
    await this.enter(first);
    const second = await ProcessNode.joining(first, 'bob', { listens: true });
    await this.enter(second);
    const third = await ProcessNode.joining(topology === 'chain' ? second : first, 'cleo', { listens: true });
    await this.enter(third);
    if (topology === 'mesh') await third.succeed(['peers', 'add', `bob=${second.url}`]);
  }

  private async enter(node: ProcessNode): Promise<void> {
    this.nodes.push(await node.start());
    this.running.add(node.name);
  }

  private writer(name: string, kind: ApplicationKind, node: ProcessNode): LifeWriter {
    const onCommitted = () => {
      this.commits += 1;
    };
    // Its own, so that the turns do not depend on how fast the applications are.
    const random = seededRandom(this.options.seed + 1 + this.writers.length);
    return new LifeWriter(name, kind, node, { random, values: this.values, onCommitted });
  }

  private turnDeps(): TurnDeps {
    const { nodes, writers, values, running, random } = this;
    const say = (text: string) => this.say(text);
    return {
      nodes,
      writers,
      values,
      running,
      random,
      migrations: new LifeMigrations(random),
      operator: new HintOperator(nodes, running, say),
      commitsPass: () => this.commitsPass(),
      say,
    };
  }

  private async takeTurns(deps: TurnDeps): Promise<void> {
    // Decided beforehand: what the applications draw meanwhile is the machine's.
    const plan = Array.from({ length: this.options.turns }, () => ({
      kind: this.random.pick(this.options.of ?? TURNS),
      place: this.random.int(this.nodes.length),
    }));
    for (const { kind, place } of plan) {
      await this.commitsPass();
      const node = this.nodes[place] as ProcessNode;
      this.taken.push(`${kind} ${node.name}`);
      this.say(`  ${kind} on ${node.name} after ${this.commits} commits`);
      await takeTurn(kind, node, deps);
      await this.startAnew(deps);
      await migrateOthers(deps, 0.3);
      if (this.random.chance(0.3)) await comeBy(this.random.pick(this.nodes), deps);
    }
    await this.commitsPass();
  }

  /** A daemon whose file was replaced has ended, and is started as systemd would. It ends for nothing else. */
  private async startAnew({ operator }: TurnDeps): Promise<void> {
    for (const node of this.nodes.filter(({ name, isAlive }) => this.running.has(name) && !isAlive)) {
      const said = JSON.stringify(node.complaints.slice(-5));
      if (!said.includes('database-replaced')) throw new Error(`the daemon of ${node.name} has ended: ${said}`);
      this.say(`    ${node.name}: the daemon has ended, since its file was replaced`);
      await operator.assureRunning(node);
    }
  }

  private async commitsPass(): Promise<void> {
    const target = this.commits + COMMITS_MIN + this.random.int(COMMITS_MAX - COMMITS_MIN);
    await until(
      () => (this.commits >= target ? true : null),
      STEP_MS_MAX,
      () => `only ${this.commits} of ${target} commits: are the applications locked out?`,
    );
  }

  private async end(deps: TurnDeps): Promise<void> {
    this.say('  the applications have stopped');
    await migrateAll(deps);
    await deps.operator.untilHealthy(performance.now() + HEALTHY_MS_MAX);
    await untilEqual(this.nodes, EQUAL_MS_MAX);
    // What has become equal may have become unwell.
    await deps.operator.untilHealthy(performance.now() + HEALTHY_MS_MAX);
    for (const node of this.nodes) assertSound(node);
    const lost = this.values.lost(this.nodes.flatMap((node) => [node.path, ...asideOf(node)]));
    if (lost.length > 0)
      throw new Error(
        `${lost.length} values are nowhere:\n${lost.slice(0, 10).join('\n')}\n${deps.operator.account()}`,
      );
  }
}

function assertSound(node: ProcessNode): void {
  const check = withReader(node.path, (db) => db.pragma('integrity_check', { simple: true }));
  if (check !== 'ok') throw new Error(`${node.name}: ${check}`);
}

/** Files that a join with --replace has put aside and told of; what a rejoin puts aside it has kept all of. */
function asideOf(node: ProcessNode): string[] {
  return readdirSync(node.folder)
    .filter((name) => /\.before-join-[^.]*$/.test(name))
    .map((name) => join(node.folder, name));
}
