/**
 * Daemons die by kill -9 at random moments while applications write on every node of a star. Each transaction writes
 * four rows that belong together, so readers can tell at any moment whether they see whole transactions; what was
 * acknowledged is remembered, and must be on every node in the end.
 */
import Sqlite from 'better-sqlite3';
import { untilEqual, withReader } from './compare-files.js';
import { APPLICATION_KINDS, type ApplicationKind, ForeignApplication } from './foreign-application.js';
import { ProcessNode } from './process-node.js';
import { type Random, seededRandom } from './seeded-random.js';
import { until } from './until.js';

export interface CrashTrialOptions {
  readonly folder: string;
  readonly seed: number;
  readonly kills: number;
  readonly journalMode: 'wal' | 'delete';
  /** Are applications killed as well? */
  readonly killsApplications: boolean;
}

export interface CrashTrialResult {
  readonly acknowledged: number;
  readonly transactions: number;
  /** Times that a reader looked and saw only whole transactions. */
  readonly looks: number;
  readonly daemonKills: number;
  readonly applicationKills: number;
}

const SCHEMA = `
  CREATE TABLE debit(id TEXT PRIMARY KEY, teller TEXT NOT NULL, amount INTEGER NOT NULL);
  CREATE TABLE credit(id TEXT PRIMARY KEY, teller TEXT NOT NULL, amount INTEGER NOT NULL);
  CREATE TABLE "cash desk"(teller TEXT, side TEXT, balance INTEGER NOT NULL, PRIMARY KEY(teller, side)) WITHOUT ROWID;
`;

/** What a reader that sees half a transaction would find; every row of an answer is one. */
const HALVES = `
  SELECT 'no credit for ' || id FROM debit WHERE id NOT IN (SELECT id FROM credit)
  UNION ALL SELECT 'no debit for ' || id FROM credit WHERE id NOT IN (SELECT id FROM debit)
  UNION ALL SELECT 'the sides of ' || teller || ' differ' FROM "cash desk" GROUP BY teller HAVING sum(balance) <> 0
  UNION ALL SELECT 'balance of ' || teller || ' is not what was paid in' FROM "cash desk" WHERE side = 'in'
    AND balance <> (SELECT coalesce(sum(amount), 0) FROM debit WHERE debit.teller = "cash desk".teller)`;

/** Commits, over all tellers, that pass between two blows. */
const COMMITS_MIN = 20;
const COMMITS_MAX = 150;
const STEP_MS_MAX = 60_000;
const EQUAL_MS_MAX = 60_000;

/** Throws when a promise is broken. */
export async function runCrashTrial(options: CrashTrialOptions): Promise<CrashTrialResult> {
  const trial = new CrashTrial(options);
  try {
    return await trial.run();
  } finally {
    await trial.dispose();
  }
}

/** One application on one node; what it pays in is acknowledged, or not known when it was killed meanwhile. */
class Teller {
  readonly acknowledged = new Set<string>();
  private application: ForeignApplication;
  private made = 0;
  private killed = false;

  constructor(
    readonly name: string,
    private readonly kind: ApplicationKind,
    private readonly node: ProcessNode,
    private readonly random: Random,
  ) {
    this.application = new ForeignApplication(kind, node.path);
  }

  async work(signal: AbortSignal, onCommitted: () => void): Promise<void> {
    while (!signal.aborted) {
      const id = `${this.name} ${this.made++}`;
      try {
        await this.application.commit(...this.payment(id));
        this.acknowledged.add(id);
        onCommitted();
      } catch (error) {
        if (!this.killed) throw error;
        this.killed = false;
        this.application = new ForeignApplication(this.kind, this.node.path);
      }
    }
    await this.application.close();
  }

  kill(): void {
    this.killed = true;
    this.application.kill();
  }

  private payment(id: string): string[] {
    const amount = 1 + this.random.int(100);
    const move = (side: string, by: number) =>
      `INSERT INTO "cash desk" VALUES ('${this.name}', '${side}', ${by})
         ON CONFLICT DO UPDATE SET balance = balance + excluded.balance`;
    return [
      `INSERT INTO debit VALUES ('${id}', '${this.name}', ${amount})`,
      move('in', amount),
      `INSERT INTO credit VALUES ('${id}', '${this.name}', ${amount})`,
      move('out', -amount),
    ];
  }
}

class CrashTrial {
  private readonly random: Random;
  private readonly nodes: ProcessNode[] = [];
  private readonly stopping = new AbortController();
  private commits = 0;
  private looks = 0;
  private applicationKills = 0;

  constructor(private readonly options: CrashTrialOptions) {
    this.random = seededRandom(options.seed);
  }

  async run(): Promise<CrashTrialResult> {
    await this.startNodes();
    const tellers = this.nodes.flatMap((node) =>
      APPLICATION_KINDS.map((kind) => new Teller(`${node.name}-${kind}`, kind, node, this.random)),
    );
    const working = Promise.all([
      ...tellers.map((teller) => teller.work(this.stopping.signal, () => this.countCommit())),
      ...this.nodes.map((node) => this.look(node)),
    ]);
    await Promise.race([working, this.strike(tellers)]);
    this.stopping.abort();
    await working;
    return this.judge(tellers);
  }

  async dispose(): Promise<void> {
    this.stopping.abort();
    for (const node of this.nodes) await node.dispose();
  }

  private async startNodes(): Promise<void> {
    const { folder, journalMode } = this.options;
    const hub = await ProcessNode.first(folder, 'hub', (path) => makeDatabase(path, journalMode));
    this.nodes.push(await hub.start());
    for (const name of ['east', 'west']) {
      const node = await ProcessNode.joining(hub, name);
      this.nodes.push(await node.start());
    }
  }

  private countCommit(): void {
    this.commits += 1;
  }

  /** Kills daemons, and starts each again some commits later. */
  private async strike(tellers: readonly Teller[]): Promise<void> {
    for (let kill = 0; kill < this.options.kills; kill += 1) {
      await this.commitsPass();
      const node = this.random.pick(this.nodes);
      assertServing(node);
      await node.end('SIGKILL');
      if (this.options.killsApplications && this.random.chance(0.5)) {
        this.random.pick(tellers).kill();
        this.applicationKills += 1;
      }
      await this.commitsPass();
      await node.start();
    }
    await this.commitsPass();
  }

  private async commitsPass(): Promise<void> {
    const target = this.commits + COMMITS_MIN + this.random.int(COMMITS_MAX - COMMITS_MIN);
    await until(
      () => (this.commits >= target ? true : null),
      STEP_MS_MAX,
      () => `only ${this.commits} of ${target} commits: are the applications locked out?`,
    );
  }

  /** A reader on the node: at no moment does it see half a transaction. */
  private async look(node: ProcessNode): Promise<void> {
    let seen = -1;
    while (!this.stopping.signal.aborted) {
      const isNew = () => (this.commits > seen || this.stopping.signal.aborted ? true : null);
      await until(isNew, STEP_MS_MAX, () => 'nobody commits');
      seen = this.commits;
      assertWhole(node);
      this.looks += 1;
    }
  }

  private async judge(tellers: readonly Teller[]): Promise<CrashTrialResult> {
    await untilEqual(this.nodes, EQUAL_MS_MAX);
    const acknowledged = tellers.flatMap((teller) => [...teller.acknowledged]);
    let transactions = 0;
    for (const node of this.nodes) {
      assertServing(node);
      assertWhole(node);
      const present = withReader(node.path, (db) => {
        const check = db.pragma('integrity_check', { simple: true });
        if (check !== 'ok') throw new Error(`${node.name}: ${check}`);
        return new Set(db.prepare<[], string>('SELECT id FROM debit').pluck().all());
      });
      const lost = acknowledged.filter((id) => !present.has(id));
      if (lost.length > 0) throw new Error(`${node.name} lacks ${lost.length} acknowledged transactions: ${lost[0]} …`);
      transactions = present.size;
    }
    const { looks, applicationKills } = this;
    const daemonKills = this.options.kills;
    return { acknowledged: acknowledged.length, transactions, looks, daemonKills, applicationKills };
  }
}

/** Others that die are a reason to complain, but none to give up. */
function assertServing(node: ProcessNode): void {
  const wrong = node.complaints.filter(({ level, code }) => level !== 'warn' || code !== 'peer-unreachable');
  if (wrong.length > 0) throw new Error(`${node.name}: ${JSON.stringify(wrong)}`);
}

function assertWhole(node: ProcessNode): void {
  const halves = withReader(node.path, (db) => db.prepare<[], string>(HALVES).pluck().all());
  if (halves.length > 0) throw new Error(`${node.name} shows half a transaction: ${halves.slice(0, 5).join('; ')}`);
}

function makeDatabase(path: string, journalMode: string): void {
  const db = new Sqlite(path);
  db.pragma(`journal_mode = ${journalMode}`);
  db.exec(SCHEMA);
  db.close();
}
