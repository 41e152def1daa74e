/**
 * What each member has acknowledged, as far as this node has heard, by node id. What is heard is heard again if it is
 * lost, so it is kept in memory, and saved when something else is written or the node is at rest.
 *
 * A word counts, and is passed on, once this node has all that it names. Before, its speaker knows something that this
 * node does not, and that may be another member: counted too early, it would let go of what that one still needs.
 */
import type { Database, Statement } from 'better-sqlite3';
import { PREFIX } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import type { Stamp } from './stamp.js';
import { birthOf } from './version-vector.js';
import type { Acknowledgement } from './wire-messages.js';

/** What a hello or an end marker tells: the sender's own standing, and what it has heard of others. */
export interface ToldAcknowledgements extends Omit<Acknowledgement, 'atMs'> {
  readonly clockMs: number;
  readonly acknowledged: Readonly<Record<string, Acknowledgement>>;
}

interface StoredAcknowledgement extends Omit<Acknowledgement, 'vector'> {
  readonly nodeId: string;
  readonly vector: string;
}

/** That a member has been heard again, and nothing else, is written down at most so often. */
const SAVE_HEARD_MS_MIN = 3_600_000;

export class Acknowledgements {
  private readonly counting = new Map<string, Acknowledgement>();
  /** Words that name something which this node lacks. */
  private readonly waiting = new Map<string, Acknowledgement>();
  private readonly unsaved = new Set<string>();
  /** When each was last heard, as it is written down. */
  private readonly savedAtMs = new Map<string, number>();
  private readonly upsert: Statement<[string, string, number, number | null, number, number]>;
  private readonly remove: Statement<[string]>;

  constructor(
    db: Database,
    private readonly state: NodeState,
  ) {
    this.upsert = db.prepare(
      `INSERT INTO ${PREFIX}ack(node_id, vector, horizon, hold, folded, at) VALUES(?, ?, ?, ?, ?, ?) ` +
        'ON CONFLICT(node_id) DO UPDATE SET vector = excluded.vector, horizon = excluded.horizon, hold = excluded.hold, ' +
        'folded = excluded.folded, at = excluded.at',
    );
    this.remove = db.prepare(`DELETE FROM ${PREFIX}ack WHERE node_id = ?`);
    for (const [nodeId, acknowledgement] of readAcknowledgements(db)) {
      this.counting.set(nodeId, acknowledgement);
      this.savedAtMs.set(nodeId, acknowledgement.atMs);
    }
  }

  /** Node id → what that member has acknowledged, as far as it counts; this node itself is not among them. */
  get all(): ReadonlyMap<string, Acknowledgement> {
    return this.counting;
  }

  toJson(): Record<string, Acknowledgement> {
    return Object.fromEntries(this.counting);
  }

  /** A member's latest word, whether or not it counts yet. */
  latest(nodeId: string): Acknowledgement | undefined {
    return this.waiting.get(nodeId) ?? this.counting.get(nodeId);
  }

  /** Has a member this write, as far as its word counts? */
  has(nodeId: string, { session, hlc }: Stamp): boolean {
    const told = this.counting.get(nodeId);
    return told !== undefined && entryIn(told, session) >= hlc;
  }

  /** Takes in what a node says of itself and of others. */
  learn(nodeId: string, told: ToldAcknowledgements): void {
    const { vector, horizon, hold, folded, clockMs } = told;
    this.learnOne(nodeId, { vector, horizon, hold, folded, atMs: clockMs });
    for (const [other, acknowledgement] of Object.entries(told.acknowledged)) this.learnOne(other, acknowledgement);
  }

  private learnOne(nodeId: string, told: Acknowledgement): void {
    if (nodeId === this.state.get('node_id')) return;
    const waiting = this.waiting.get(nodeId);
    if (!this.isHere(told)) {
      this.waiting.set(nodeId, waiting === undefined ? told : latestOf(waiting, told));
      return;
    }
    if (waiting !== undefined && waiting.atMs <= told.atMs) this.waiting.delete(nodeId);
    this.count(nodeId, told);
  }

  private isHere({ vector }: Acknowledgement): boolean {
    return Object.entries(vector).every(([session, hlc]) => this.state.has(session) >= hlc);
  }

  private count(nodeId: string, told: Acknowledgement): void {
    const known = this.counting.get(nodeId);
    const latest = known === undefined ? told : latestOf(known, told);
    if (latest === known) return;
    this.counting.set(nodeId, latest);
    const isNews = known === undefined || !isSame(known, latest);
    if (isNews || latest.atMs - (this.savedAtMs.get(nodeId) ?? 0) >= SAVE_HEARD_MS_MIN) this.unsaved.add(nodeId);
  }

  /** Counts the words whose time has come: this node has more than before. */
  countArrived(): void {
    for (const [nodeId, told] of this.waiting) {
      if (!this.isHere(told)) continue;
      this.waiting.delete(nodeId);
      this.count(nodeId, told);
    }
  }

  get hasUnsaved(): boolean {
    return this.unsaved.size > 0;
  }

  /** Writes down what is new, inside the caller's transaction. */
  save(): void {
    for (const nodeId of this.unsaved) {
      const told = this.counting.get(nodeId);
      if (told === undefined) {
        this.remove.run(nodeId);
        continue;
      }
      const { vector, horizon, hold, folded, atMs } = told;
      this.upsert.run(nodeId, JSON.stringify(vector), horizon, hold, folded, atMs);
      this.savedAtMs.set(nodeId, atMs);
    }
    this.unsaved.clear();
  }

  /** Writes down all, inside the caller's transaction: what is old news, too, and when it was heard. */
  saveAll(): void {
    for (const nodeId of this.counting.keys()) this.unsaved.add(nodeId);
    this.save();
  }

  /** Drops what is told of sessions that have left this node's vector, and of members that count no more. */
  forget(isForgotten: (session: string, hlc: number) => boolean, isOver: (nodeId: string) => boolean): void {
    for (const [nodeId, told] of this.counting) {
      if (isOver(nodeId)) {
        this.counting.delete(nodeId);
        this.waiting.delete(nodeId);
        this.unsaved.add(nodeId);
        continue;
      }
      const entries = Object.entries(told.vector);
      const kept = entries.filter(([session, hlc]) => !isForgotten(session, hlc));
      if (kept.length === entries.length) continue;
      this.counting.set(nodeId, { ...told, vector: Object.fromEntries(kept) });
      this.unsaved.add(nodeId);
    }
  }
}

/** What is written down in a file of what members have acknowledged, by node id. */
export function readAcknowledgements(db: Database): Map<string, Acknowledgement> {
  const columns = 'node_id AS nodeId, vector, horizon, hold, folded, at AS atMs';
  const select = db.prepare<[], StoredAcknowledgement>(`SELECT ${columns} FROM ${PREFIX}ack`).safeIntegers(false);
  const toEntry = ({ nodeId, vector, ...rest }: StoredAcknowledgement): [string, Acknowledgement] => [
    nodeId,
    { vector: JSON.parse(vector) as Record<string, number>, ...rest },
  ];
  return new Map(select.all().map(toEntry));
}

/** How far the member has a session: it has everything up to its horizon, whatever its vector still names. */
export function entryIn({ vector, horizon }: Pick<Acknowledgement, 'vector' | 'horizon'>, session: string): number {
  return Math.max(vector[session] ?? birthOf(session), horizon);
}

function covers(outer: Acknowledgement, inner: Acknowledgement): boolean {
  return Object.entries(inner.vector).every(([session, hlc]) => entryIn(outer, session) >= hlc);
}

/**
 * Which of the two the member said later; `known` itself when nothing is new. What it has only grows, whatever its clock
 * does; unless an older copy of its file has been put back, and then the clock tells.
 */
function latestOf(known: Acknowledgement, told: Acknowledgement): Acknowledgement {
  const hasGrown = covers(told, known) && (!covers(known, told) || told.horizon > known.horizon);
  if (hasGrown) return { ...told, atMs: Math.max(told.atMs, known.atMs) };
  return told.atMs > known.atMs ? told : known;
}

function isSame(x: Acknowledgement, y: Acknowledgement): boolean {
  const [a, b] = [Object.entries(x.vector), Object.entries(y.vector)];
  return (
    x.horizon === y.horizon &&
    x.hold === y.hold &&
    x.folded === y.folded &&
    a.length === b.length &&
    b.every(([session, hlc]) => x.vector[session] === hlc)
  );
}
