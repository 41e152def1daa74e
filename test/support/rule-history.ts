/**
 * One seed, one random history of a data set whose rules change while its nodes write, exchange and die: messages of a
 * change get lost or come late, streams come late, processes end between any two steps. Checked at every step and at the
 * end: equal vectors mean equal data; no node ever meets one that goes by other rules and does not wait; when all are
 * back nobody waits any more, all go by the same rules, and all hold the same rows.
 */
import type { Database } from 'better-sqlite3';
import type { RuleVote } from '../../src/replication/rule-changes.js';
import { type Rule, type RuleChange, rulesFrom } from '../../src/replication/rules.js';
import type { Stage } from '../../src/replication/stage.js';
import { EngineCluster, type EngineNode, stageOf } from './engine-node.js';
import { type Random, seededRandom } from './seeded-random.js';

const SCHEMA = 'CREATE TABLE item(k TEXT PRIMARY KEY, a, b)';
/** The last two settle alike. */
const STRATEGIES = ['merge', 'version', 'merge', 'version', 'lww', 'manual'] as const;
const NO_RULE = { strategy: null, nodeOrder: null, keyCollision: null, orphan: null, included: null };

const CHAPTERS = 6;
const ROWS = 8;

/** What a history may meet when it exchanges: nothing has been exchanged then. */
const REFUSALS = ['rules-changing', 'batch-outdated', 'catching-up'];

export interface RuleHistoryResult {
  readonly begun: number;
  readonly decided: number;
  readonly crashes: number;
  readonly takenOver: number;
  readonly rowsCrossed: number;
  readonly conflicts: number;
}

/** A message on its way to a node. */
interface Letter {
  readonly from: EngineNode;
  readonly to: EngineNode;
  open(): void;
}

/** A change that a coordinator is about, as its process knows it. */
interface Run {
  readonly coordinator: EngineNode;
  readonly change: RuleChange;
  readonly votes: RuleVote[];
  readonly unasked: EngineNode[];
}

class RuleHistory {
  private readonly random: Random;
  private readonly cluster: EngineCluster;
  private nodes: EngineNode[];
  private run: Run | null = null;
  private letters: Letter[] = [];
  private streams: { to: EngineNode; stage: Stage }[] = [];
  private values = 0;
  private readonly losing: number;
  private counts = { begun: 0, decided: 0, crashes: 0, takenOver: 0, rowsCrossed: 0 };

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.cluster = new EngineCluster(SCHEMA, this.random.pick([3, 3, 4]));
    this.nodes = [...this.cluster.nodes];
    this.losing = this.random.pick([0, 0.1, 0.3]);
  }

  play(): RuleHistoryResult {
    try {
      for (let chapter = CHAPTERS; chapter > 0; chapter -= 1) this.chapter(chapter > 1 && this.random.chance(0.9));
      this.comeToRest();
      const conflicts = this.nodes[0]?.app.prepare('SELECT count(*) FROM _sqlsync_conflict').pluck().get() as number;
      return { ...this.counts, conflicts };
    } finally {
      this.cluster.close();
    }
  }

  /**
   * Some write the same rows, and hear of each other in an order in which two of them would join the same by different
   * rules, should the rules change now. Then all meet.
   */
  private chapter(isHealing: boolean): void {
    const nodes = this.shuffled() as [EngineNode, EngineNode, EngineNode];
    const [first, , third] = nodes;
    if (this.random.chance(0.5)) this.hearOneByOne(nodes);
    else this.hearLate(nodes);
    if (this.random.chance(0.3)) this.exchange();
    for (let step = 5 + this.random.int(15); step > 0; step -= 1) {
      this.step();
      this.checkEqualVectors();
    }
    if (isHealing) this.heal();
    if (this.random.chance(0.5)) while (this.streams.length > 0) this.deliverStream();
    if (this.random.chance(0.8)) this.pull(first, third);
    if (isHealing) this.settleAll();
    this.checkEqualVectors();
  }

  /** One learns of what a second wrote before the second learns of what a third wrote. */
  private hearOneByOne([first, second, third]: readonly [EngineNode, EngineNode, EngineNode]): void {
    for (const node of this.nodes) if (node !== first || this.random.chance(0.2)) this.write(node);
    if (this.random.chance(0.8)) this.pull(first, second);
    if (this.random.chance(0.8)) this.pull(second, third);
  }

  /** What a second wrote is on its way to the first, and all know of what a third wrote. */
  private hearLate([first, second, third]: readonly [EngineNode, EngineNode, EngineNode]): void {
    this.write(second);
    this.write(third);
    this.delayStream(first, second);
    for (const node of this.nodes) this.pull(node, third);
  }

  /** Whoever is about a change gives it up, and all hear what has become of those they wait for. */
  private heal(): void {
    this.run?.coordinator.replica.rules.giveUp();
    this.run = null;
    for (const node of this.nodes) this.resolve(node);
  }

  private shuffled(): EngineNode[] {
    const rest = [...this.nodes];
    return this.nodes.map(() => rest.splice(this.random.int(rest.length), 1)[0] as EngineNode);
  }

  private step(): void {
    const dice = this.random.next();
    if (dice < 0.03) this.write(this.anyNode());
    else if (dice < 0.09) this.exchange();
    else if (dice < 0.12) this.delayStream(this.anyNode(), this.anyNode());
    else if (dice < 0.17) this.deliverStream();
    else if (dice < 0.19) this.crash(this.anyNode());
    else if (dice < 0.21) for (const node of this.nodes) node.replica.settle();
    else if (dice < 0.25) this.deliverLetter();
    else this.goOn();
  }

  private anyNode(): EngineNode {
    return this.random.pick(this.nodes);
  }

  /** Some of the rows, some of them more than once, so that every rule has something to decide. */
  private write(node: EngineNode): void {
    const { app } = node;
    for (let times = 1 + this.random.int(3); times > 0; times -= 1) {
      app.exec('BEGIN');
      for (let row = 0; row < ROWS; row += 1) if (this.random.chance(0.5)) this.writeRow(app, `k${row}`);
      app.exec('COMMIT');
      node.foldAll();
    }
  }

  private writeRow(app: Database, key: string): void {
    this.values += 1;
    const value = `v${this.values}`;
    const [sql, parameters] = this.random.pick<[string, unknown[]]>([
      ['INSERT OR REPLACE INTO item VALUES(?, ?, ?)', [key, value, value]],
      ['UPDATE item SET a = ? WHERE k = ?', [value, key]],
      ['UPDATE item SET b = ? WHERE k = ?', [value, key]],
      ['UPDATE item SET a = ? WHERE k = ?', [value, key]],
      ['UPDATE item SET b = ? WHERE k = ?', [value, key]],
      ['DELETE FROM item WHERE k = ?', [key]],
    ]);
    app.prepare(sql).run(...parameters);
  }

  private exchange(): void {
    this.pull(this.anyNode(), this.anyNode());
  }

  private pull(to: EngineNode, from: EngineNode): number {
    if (to === from) return 0;
    to.replica.rules.learnFrom(from.hello());
    const result = to.pull(from);
    if (typeof result === 'number') {
      this.counts.rowsCrossed += result;
      return result;
    }
    if (!REFUSALS.includes(result)) throw new Error(`${to.name} from ${from.name}: ${result}`);
    return 0;
  }

  /** A stream that was cut now and comes later. */
  private delayStream(to: EngineNode, from: EngineNode): void {
    if (to === from || to.replica.checkPeer(to.hello(), from.hello()) !== null) return;
    this.streams.push({ to, stage: stageOf(from, to.hello()) });
  }

  private deliverStream(): void {
    const index = this.random.int(this.streams.length || 1);
    const [stream] = this.streams.splice(index, 1);
    if (stream === undefined) return;
    try {
      const application = stream.to.replica.beginApply(stream.stage);
      while (!application.step().done);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === undefined || ![...REFUSALS, 'stale'].includes(code)) throw error;
    }
  }

  /** Everybody exchanges with everybody a few times, as a coordinator has them do. */
  private settleAll(): void {
    for (let round = 0; round < 3; round += 1) {
      for (const to of this.nodes) for (const from of this.nodes) if (to !== from) this.pull(to, from);
    }
  }

  private crash(node: EngineNode): void {
    node.kill();
    node.open();
    this.counts.crashes += 1;
    this.letters = this.letters.filter(({ to }) => to !== node);
    if (this.run?.coordinator === node) this.run = null;
  }

  private deliverLetter(): void {
    const index = this.random.int(this.letters.length || 1);
    const [letter] = this.letters.splice(index, 1);
    if (letter === undefined) return;
    try {
      letter.open();
    } catch (error) {
      if ((error as { code?: string }).code === undefined) throw error;
    }
  }

  /** Sends a message: it comes now, or later, or never. */
  private send(from: EngineNode, to: EngineNode, open: () => void): boolean {
    if (this.random.chance(this.losing)) {
      if (this.random.chance(0.7)) this.letters.push({ from, to, open });
      return false;
    }
    open();
    return true;
  }

  /** The next step of the change under way, or the first one of a new one. */
  private goOn(): void {
    if (this.run === null) this.begin();
    else if (this.run.unasked.length > 0 && !this.random.chance(0.03)) this.ask(this.run);
    else this.end(this.run);
  }

  private begin(): void {
    const coordinator = this.anyNode();
    if (this.random.chance(0.2)) this.settleAll();
    const change = this.anyChange(coordinator);
    try {
      coordinator.replica.rules.begin(change);
    } catch (error) {
      if ((error as { code?: string }).code !== 'rules-changing') throw error;
      this.resolve(coordinator);
      return;
    }
    this.run = { coordinator, change, votes: [], unasked: this.nodes.filter((node) => node !== coordinator) };
    this.counts.begun += 1;
  }

  private anyChange({ name }: EngineNode): RuleChange {
    const id = Array.from({ length: 32 }, () => this.random.int(16).toString(16)).join('');
    const strategy = this.random.pick(STRATEGIES);
    const nodeOrder = strategy === 'version' && this.random.chance(0.5) ? this.nodes.map((node) => node.name) : [];
    const rule: Rule = { ...NO_RULE, table: this.random.pick(['item', 'item', '*']), strategy, nodeOrder };
    return { id, node: name, at: 1_700_000_000_000, rules: [rule] };
  }

  private ask(run: Run): void {
    const { coordinator, change } = run;
    const member = run.unasked.splice(this.random.int(run.unasked.length), 1)[0] as EngineNode;
    const base = coordinator.hello().rulesHash;
    const prepare = () => member.replica.rules.prepare(change, base);
    try {
      const isDelivered = this.send(coordinator, member, prepare);
      const vote = { hello: member.hello(), members: member.replica.memberNames };
      // What the member answers may get lost too.
      if (isDelivered && !this.random.chance(this.losing)) run.votes.push(vote);
    } catch (error) {
      if ((error as { code?: string }).code === undefined) throw error;
    }
  }

  private end({ coordinator, change, votes }: Run): void {
    this.run = null;
    const { rules } = coordinator.replica;
    const record = { node: coordinator.name, operator: 'ann', command: 'rules set', detail: null, result: 'done' };
    const obstacle = rules.decide(votes, { id: change.id, ...record });
    if (obstacle === null) this.counts.decided += 1;
    else rules.giveUp();
    for (const member of this.nodes) {
      if (member === coordinator) continue;
      try {
        this.send(coordinator, member, () => {
          if (obstacle === null) member.replica.rules.commit(change.id, coordinator.name);
          else member.replica.rules.abort(change.id, coordinator.name);
        });
      } catch (error) {
        if ((error as { code?: string }).code === undefined) throw error;
      }
    }
  }

  /** A member that waits asks the coordinator, and one that a coordinator waits for is told. */
  private resolve(node: EngineNode): void {
    const waiting = node.replica.rules.waiting;
    if (waiting === null) return;
    const coordinator = this.nodes.find(({ name }) => name === waiting.coordinator);
    if (coordinator === undefined) return;
    const outcome = coordinator.replica.rules.outcomeOf(waiting.change.id);
    if (outcome === 'adopted') node.replica.rules.commit(waiting.change.id, coordinator.name);
    if (outcome === 'unknown') node.replica.rules.abort(waiting.change.id, coordinator.name);
  }

  private comeToRest(): void {
    if (this.random.chance(0.5)) this.loseCoordinator();
    if (this.run !== null && !this.nodes.includes(this.run.coordinator)) this.run = null;
    this.heal();
    while (this.letters.length > 0) this.deliverLetter();
    while (this.streams.length > 0) this.deliverStream();
    this.heal();
    const hashes = new Set(this.nodes.map((node) => node.hello().rulesHash));
    if (hashes.size > 1) throw new Error('nodes go by different rules at the end');
    for (const node of this.nodes) {
      if (node.replica.rules.underWay !== null) throw new Error(`${node.name} still waits`);
      if (node.hello().rulesHash !== hashAfterRestart(node))
        throw new Error(`${node.name} goes by rules not in its file`);
    }
    for (let round = 0; round < 2 * this.nodes.length + 2; round += 1) this.settleAll();
    const [first, ...others] = this.nodes.map((node) => JSON.stringify(node.data()));
    for (const data of others) if (data !== first) throw new Error(`nodes differ at the end\n${first}\n${data}`);
  }

  /** The coordinator that somebody waits for never comes back; another one takes over. */
  private loseCoordinator(): void {
    const lost = this.nodes.find(({ name }) =>
      this.nodes.some(({ replica }) => replica.rules.waiting?.coordinator === name),
    );
    if (lost === undefined) return;
    this.nodes = this.nodes.filter((node) => node !== lost);
    this.letters = this.letters.filter(({ from, to }) => from !== lost && to !== lost);
    this.streams = this.streams.filter(({ to, stage }) => to !== lost && stage.sender.node !== lost.name);
    for (const successor of this.nodes) {
      const { waiting } = successor.replica.rules;
      if (waiting?.coordinator === lost.name) this.takeOver(successor, waiting.change.id);
    }
    this.counts.takenOver += 1;
  }

  private takeOver({ name }: EngineNode, id: string): void {
    const found = this.nodes.map((node) => node.replica.rules.fence(id, name));
    for (const { replica } of this.nodes) {
      if (found.includes('adopted')) replica.rules.commit(id, name);
      else replica.rules.abort(id, name);
    }
  }

  private checkEqualVectors(): void {
    const byVector = new Map<string, string>();
    for (const node of this.nodes) {
      if (node.replica.hasUnfolded()) continue;
      const vector = JSON.stringify(Object.entries(node.hello().vector).sort());
      const data = JSON.stringify(node.data());
      const other = byVector.get(vector);
      if (other !== undefined && other !== data) throw new Error(`equal vectors, different data\n${other}\n${data}`);
      byVector.set(vector, data);
    }
  }
}

/** What the file says, read by a process that starts now. */
function hashAfterRestart(node: EngineNode): string {
  const before = rulesFrom(node.replica.rules.rows())('item');
  node.kill();
  node.open();
  const after = rulesFrom(node.replica.rules.rows())('item');
  if (JSON.stringify(before) !== JSON.stringify(after)) throw new Error('rules changed by a restart');
  return node.hello().rulesHash;
}

/** Runs the history of a seed. Throws when an invariant fails, naming the seed. */
export function runRuleHistory(seed: number): RuleHistoryResult {
  try {
    return new RuleHistory(seed).play();
  } catch (error) {
    const replay = `npm run simulate -- --of rules --first ${seed} --seeds 1`;
    throw new Error(`seed ${seed}: ${(error as Error).message}\nreplay: ${replay}`, { cause: error });
  }
}
