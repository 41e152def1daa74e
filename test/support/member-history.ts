/**
 * One seed, one random history of who belongs: nodes join late, are removed, fall behind, have old copies put back, and
 * come back by rejoin, or never, while all of them write and everything that can be settled is, and sessions leave the vectors.
 * Clocks are skewed, and jump. Streams take time and go in by parts; a CHECK keeps versions out, and applications migrate
 * one after the other, so that rows wait in quarantine and for columns. Checked, after design.md's model:
 *   M1  nodes that have exchanged everything hold equal data
 *   M2  at every moment, nodes that hold the same vector hold the same data
 *   M3  UNIQUE holds
 *   M4  what a stamp that has travelled stands for never changes
 *   M5  every value that was written is visible, was overwritten where it could be seen, or stands in a conflict record;
 *       of what was written on a node and had reached nobody when an old copy was put in its place, nothing can be asked, nor
 *       of what had reached only one that had to rejoin, since it is for its author to bring
 *   M6  at rest nothing is left of the metadata, nor of rows kept aside, and of every node one session
 */
import { EngineCluster, type EngineNode } from './engine-node.js';
import {
  belongs,
  checkEqualStandings,
  describeNodes,
  endPresentMembership,
  heldBy,
  keptAside,
  metadataRows,
  migrate,
  ownRows,
  recordedValues,
  replicated,
  sessionsOf,
  valuesIn,
  writeSome,
} from './member-checks.js';
import { isExpected, MemberExchanges } from './member-exchanges.js';
import { type Random, seededRandom } from './seeded-random.js';
import { ValueLedger } from './value-ledger.js';

const SCHEMA = `
  CREATE TABLE item(k TEXT PRIMARY KEY, a, b, u TEXT UNIQUE);
  CREATE TABLE counter(id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, n);
  CREATE TABLE pair(x TEXT COLLATE NOCASE, y INT, v, PRIMARY KEY(x, y)) WITHOUT ROWID;
  CREATE TABLE span(k TEXT PRIMARY KEY, lo INT, hi INT, note, CHECK(lo <= hi));
  CREATE TABLE own(n);
`;
const STRATEGIES = ['merge', 'lww', 'version'];
const SHAPES = ['mesh', 'star', 'ring', 'chain'] as const;
const START_MS = 1_790_000_000_000;
/** Below limits.clockAheadSecondsMax, between any two clocks. */
const SKEW_MS_MAX = 60_000;

const NO_COUNTS = {
  nodes: 0,
  writes: 0,
  rowsCrossed: 0,
  conflicts: 0,
  removed: 0,
  gone: 0,
  rejoined: 0,
  compared: 0,
  restores: 0,
  joined: 0,
  stale: 0,
  jumps: 0,
  writtenAgain: 0,
  sessionsDropped: 0,
  late: 0,
  cutShort: 0,
  quarantined: 0,
  held: 0,
};

export type MemberHistoryResult = Readonly<typeof NO_COUNTS>;
type Deed = 'settle' | 'restore' | 'remove' | 'lose' | 'split' | 'join' | 'jump' | 'lag' | 'parts' | 'span' | 'migrate';

class MemberHistory {
  private readonly random: Random;
  private readonly cluster: EngineCluster;
  private readonly shape: (typeof SHAPES)[number];
  private readonly does: Readonly<Record<Deed, boolean>>;
  private nowMs = START_MS;
  private readonly skews: number[] = [];
  private readonly backedUp = new Set<EngineNode>();
  private readonly ledger = new ValueLedger();
  private readonly exchanges: MemberExchanges;
  private readonly counts = { ...NO_COUNTS };

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const { random } = this;
    this.does = {
      settle: random.chance(0.85),
      restore: random.chance(0.4),
      remove: random.chance(0.5),
      lose: random.chance(0.4),
      split: random.chance(0.2),
      join: random.chance(0.4),
      jump: random.chance(0.3),
      lag: random.chance(0.4),
      parts: random.chance(0.3),
      span: random.chance(0.4),
      migrate: random.chance(0.3),
    };
    this.exchanges = new MemberExchanges(random, this.ledger, this.counts);
    for (let i = 0; i < 8; i += 1) this.skews.push((random.next() - 0.5) * SKEW_MS_MAX);
    this.cluster = new EngineCluster(SCHEMA, 2 + random.int(3), {
      strategies: {
        '*': STRATEGIES[seed % STRATEGIES.length] as string,
        span: 'merge',
      },
      // Small limits make catch-ups of many parts out of short streams.
      limits: this.does.parts ? { applyTransactionRowsMax: 1, lockHoldMsMax: 0, foldEntriesMax: 3 } : {},
      journalMode: random.chance(0.2) ? 'delete' : 'wal',
      exclude: ['own'],
      random,
      clockOf: (node) => ({ nowMs: () => Math.round(this.nowMs + (this.skews[node] as number)) }),
    });
    this.shape = random.pick(SHAPES);
  }

  private get nodes(): readonly EngineNode[] {
    return this.cluster.nodes;
  }

  private linked(i: number, j: number): boolean {
    const n = this.nodes.length;
    if (i === j) return false;
    if (this.shape === 'star') return i * j === 0;
    if (this.shape === 'ring') return (i + 1) % n === j || (j + 1) % n === i;
    return this.shape === 'mesh' || Math.abs(i - j) === 1;
  }

  run(): MemberHistoryResult {
    try {
      for (const { app, name } of this.nodes) app.exec(`INSERT INTO own VALUES('of ${name}')`);
      const steps = 30 + this.random.int(170);
      const writing = 0.15 + this.random.next() * 0.4;
      for (let step = 0; step < steps; step += 1) {
        this.nowMs += this.random.int(3000);
        this.step(writing);
        checkEqualStandings(this.nodes);
      }
      this.comeToRest();
      this.checkEnd();
      return { ...this.counts, nodes: this.nodes.length };
    } finally {
      this.cluster.close();
    }
  }

  private step(writing: number): void {
    const { random } = this;
    const dice = random.next();
    if (dice < writing) this.write();
    else if (dice < 0.84) this.exchange();
    else if (dice < 0.85) this.loseSomebody();
    else if (dice < 0.91) this.upkeep(random.pick(this.nodes));
    else if (dice < 0.92) this.restart(random.pick(this.nodes));
    else if (dice < 0.955) this.backUpOrRestore();
    else if (dice < 0.97) this.removeSomebody();
    else if (dice < 0.985) this.rejoinSomebody();
    else if (dice < 0.99) this.joinSomebody();
    else if (dice < 0.995) this.migrateSomebody();
    else this.jump();
  }

  private write({ app, name } = this.random.pick(this.nodes)): void {
    const before = valuesIn(app);
    writeSome(app, this.random, () => this.ledger.next(), this.does.span);
    this.ledger.noteWrite(name, before, valuesIn(app));
    this.counts.writes += 1;
  }

  private exchange(): void {
    const [i, j] = [this.random.int(this.nodes.length), this.random.int(this.nodes.length)];
    if (!this.linked(i, j)) return;
    const [to, from] = [this.nodes[i] as EngineNode, this.nodes[j] as EngineNode];
    if (this.does.lag && this.random.chance(0.6)) this.exchanges.lag(to, from);
    else if (this.does.parts && this.random.chance(0.4)) {
      this.exchanges.pullInPart(to, from);
      if (this.random.chance(0.5)) this.restart(to);
    } else this.exchanges.pull(to, from);
  }

  private upkeep(node: EngineNode): void {
    if (!this.does.settle) return;
    const before = node.hello().dropped;
    while (node.replica.settle().more);
    while (node.replica.pruneLog(Number.MAX_SAFE_INTEGER).more);
    if (node.hello().dropped > before) this.counts.sessionsDropped += 1;
  }

  private restart(node: EngineNode): void {
    node.kill();
    node.open();
    this.exchanges.forgetStreams(node);
  }

  private backUpOrRestore(): void {
    if (!this.does.restore) return;
    const node = this.random.pick(this.nodes);
    if (!this.backedUp.has(node) || this.random.chance(0.3)) {
      node.backUp();
      this.backedUp.add(node);
      return;
    }
    const before = heldBy(node);
    node.restore();
    this.exchanges.forgetStages(node);
    this.ledger.noteRestore(node.name, before, new Set(this.nodes.flatMap(heldBy)));
    this.counts.restores += 1;
  }

  /** One that belongs removes another; a history with splits lets two do that to each other. */
  private removeSomebody(): void {
    if (!this.does.remove) return;
    const node = this.random.pick(this.nodes);
    const other = this.random.pick(this.nodes);
    if (node === other || !belongs(node, other) || (this.isRemovedSomewhere(other) && !this.does.split)) return;
    if (!belongs(node, node)) return;
    // Each may have had its reasons.
    if (this.does.split && belongs(other, node)) other.removeMember(node);
    node.removeMember(other);
    this.counts.removed += 1;
  }

  private isRemovedSomewhere(other: EngineNode): boolean {
    return this.nodes.some((one) => !belongs(one, other) || !belongs(other, one));
  }

  /** A node is no more, and all others know it. Some of them may be counted out along with it. */
  private loseSomebody(): void {
    const { nodes } = this.cluster;
    const isOrdinary = !nodes.some((one) => one.replica.isCatchingUp || this.isRemovedSomewhere(one));
    if (!this.does.lose || this.counts.gone > 0 || nodes.length < 3 || !isOrdinary) return;
    const [lost] = nodes.splice(this.random.int(nodes.length), 1) as [EngineNode];
    const [first, last] = [nodes[0], nodes.at(-1)] as [EngineNode, EngineNode];
    if (this.does.migrate) migrate(lost);
    this.write(lost);
    if (this.random.chance(0.5)) this.exchanges.pull(last, lost);
    for (const node of nodes) node.removeMember(lost);
    if (this.random.chance(0.5)) first.removeMember(last);
    this.ledger.noteLoss(heldBy(lost), new Set(nodes.flatMap(heldBy)));
    this.exchanges.forgetStages(lost);
    this.backedUp.clear();
    lost.close();
    this.counts.removed += 1;
    this.counts.gone += 1;
  }

  private rejoinSomebody(): void {
    if (!this.does.remove && !this.does.restore && !this.does.lose) return;
    const i = this.random.int(this.nodes.length);
    const j = this.random.int(this.nodes.length);
    if (this.linked(i, j)) this.rejoin(this.nodes[i] as EngineNode, this.nodes[j] as EngineNode);
  }

  /** Only one that has to, and from one that is in order. Says whether it has. */
  private rejoin(node: EngineNode, from: EngineNode): boolean {
    const refusal = node.refusalBetween(from);
    if (refusal === null || !belongs(from, from)) return false;
    const [own, before] = [ownRows(node), heldBy(node)];
    try {
      const { rows, compared } = node.rejoin(from);
      this.counts.writtenAgain += Object.values(rows).reduce((sum, n) => sum + n, 0);
      if (compared) this.counts.compared += 1;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === undefined || !isExpected(code)) throw error;
      // An operator who knows that the file which had come back is gone says so.
      if (code === 'node-name-taken') endPresentMembership(from, node.name);
      return false;
    }
    this.exchanges.forgetStages(node);
    if (ownRows(node) !== own) throw new Error(`${node.name} has lost what is its own`);
    this.ledger.noteRejoin(before, new Set(this.nodes.flatMap(heldBy)));
    this.counts.rejoined += 1;
    return true;
  }

  private joinSomebody(): void {
    // A name is given once.
    if (!this.does.join || this.counts.gone > 0 || this.nodes.length >= this.skews.length - 2) return;
    // In a ring or a star the links of the others stay what they were.
    const sponsor = this.random.pick(this.nodes);
    if (!belongs(sponsor, sponsor) || sponsor.replica.isCatchingUp) return;
    this.cluster.join(sponsor);
    this.counts.joined += 1;
  }

  /** An application's migration runs on one node. */
  private migrateSomebody(): void {
    if (this.does.migrate) migrate(this.random.pick(this.nodes));
  }

  private jump(): void {
    if (!this.does.jump) return;
    const node = this.random.int(this.nodes.length);
    this.skews[node] = (this.random.next() - 0.5) * SKEW_MS_MAX;
    this.counts.jumps += 1;
  }

  /** Everybody exchanges; then all applications have migrated, and one puts right what a CHECK keeps out. */
  private comeToRest(): void {
    for (const node of this.nodes) node.foldAll();
    this.exchangeUntilQuiet();
    for (const node of this.nodes) {
      this.counts.quarantined += node.app.prepare('SELECT count(*) FROM _sqlsync_quarantine').pluck().get() as number;
      this.counts.held += node.app.prepare('SELECT count(*) FROM _sqlsync_held').pluck().get() as number;
    }
    if (this.does.migrate) for (const node of this.nodes) migrate(node);
    (this.nodes[0] as EngineNode).app.exec('UPDATE span SET lo = 0, hi = 1000');
    this.exchangeUntilQuiet();
  }

  /** Whoever is refused rejoins. */
  private exchangeUntilQuiet(): void {
    for (let round = 0; round < 8 * this.nodes.length + 20; round += 1) {
      if (!this.exchangeAll()) return;
    }
    throw new Error(`the nodes do not come to rest\n${describeNodes(this.nodes)}`);
  }

  /** Says whether anything has crossed or changed. */
  private exchangeAll(): boolean {
    let isBusy = false;
    for (const [i, to] of this.nodes.entries()) {
      for (const [j, from] of this.nodes.entries()) {
        if (!this.linked(i, j)) continue;
        const before = this.counts.rowsCrossed;
        if (to.replica.isCatchingUp) to.replica.settle();
        const wasHalf = to.replica.isCatchingUp;
        const refused = this.exchanges.pull(to, from);
        if (refused !== null) {
          isBusy = true;
          this.mend(to, from);
        } else if (wasHalf || this.counts.rowsCrossed > before) isBusy = true;
      }
    }
    if (this.random.chance(0.3)) for (const node of this.nodes) this.upkeep(node);
    return isBusy;
  }

  /**
   * An operator follows what the refusal says: whoever is named rejoins, by way of the other. Who waits for the rest of a
   * catch-up seeds nobody, and may have cut itself off from all that could bring it: then it is that one that rejoins.
   */
  private mend(to: EngineNode, from: EngineNode): void {
    const hint = to.refusalBetween(from)?.hint;
    for (const [node, other] of [
      [to, from],
      [from, to],
    ] as const) {
      if (!hint?.startsWith(`on ${node.name}: sqlsync rejoin`)) continue;
      if (!this.rejoin(node, other) && other.replica.isCatchingUp) this.rejoin(other, node);
    }
  }

  private checkEnd(): void {
    const [first, ...others] = this.nodes.map(replicated);
    others.forEach((data, i) => {
      if (data !== first)
        throw new Error(`n0 and n${i + 1} differ at the end\n${first}\n${data}\n${describeNodes(this.nodes)}`);
    });
    const { app } = this.nodes[0] as EngineNode;
    for (const node of this.nodes) {
      if (node.app.pragma('integrity_check', { simple: true }) !== 'ok') throw new Error(`${node.name} is damaged`);
    }
    for (const node of this.nodes) if (keptAside(node) > 0) throw new Error(`${node.name} still keeps rows aside`);
    const lost = this.ledger.lost(valuesIn(app), recordedValues(app));
    if (lost.length > 0) throw new Error(`lost without a trace: ${lost.join(' ')}`);
    this.counts.conflicts = app.prepare('SELECT count(*) FROM _sqlsync_conflict').pluck().get() as number;
    if (this.does.settle) this.checkSettled();
  }

  private checkSettled(): void {
    // Of two words of a member that hold the same, its clock tells the later: one that was set back has caught up by then.
    this.nowMs += 2 * SKEW_MS_MAX;
    for (let round = 0; round < 2 * this.nodes.length + 3; round += 1) {
      this.exchangeAll();
      for (const node of this.nodes) this.upkeep(node);
    }
    for (const node of this.nodes) {
      const rows = metadataRows(node.app);
      if (rows > 0) throw new Error(`${node.name} still keeps metadata of ${rows} rows\n${describeNodes(this.nodes)}`);
      const sessions = sessionsOf(node, this.nodes);
      if (sessions > this.nodes.length)
        throw new Error(`${node.name} still names ${sessions} sessions\n${describeNodes(this.nodes)}`);
    }
  }
}

/** Runs the history of a seed. Throws when an invariant fails, naming how to replay it. */
export function runMemberHistory(seed: number): MemberHistoryResult {
  try {
    return new MemberHistory(seed).run();
  } catch (error) {
    const replay = `npm run simulate -- --of members --first ${seed} --seeds 1`;
    throw new Error(`seed ${seed}: ${(error as Error).message}\nreplay: ${replay}`, { cause: error });
  }
}
