/**
 * What each member has acknowledged, as far as this node has heard. It only grows, and is heard again if it is lost, so
 * it is kept in memory and saved when something else is written or the node is at rest.
 */
import type { Database, Statement } from 'better-sqlite3';
import { PREFIX } from './metadata-schema.js';
import { birthOf } from './version-vector.js';
import type { Acknowledgement } from './wire-messages.js';

/** What a hello or an end marker tells: the sender's own standing, and what it has heard of others. */
export interface ToldAcknowledgements extends Acknowledgement {
  readonly acknowledged: Readonly<Record<string, Acknowledgement>>;
}

interface StoredAcknowledgement {
  readonly node: string;
  readonly vector: string;
  readonly horizon: number;
  readonly hold: number | null;
}

export class Acknowledgements {
  private byNode = new Map<string, Acknowledgement>();
  private readonly unsaved = new Set<string>();
  private readonly select: Statement<[], StoredAcknowledgement>;
  private readonly upsert: Statement<[string, string, number, number | null]>;

  constructor(
    db: Database,
    private readonly self: string,
  ) {
    this.select = db.prepare(`SELECT node, vector, horizon, hold FROM ${PREFIX}ack`);
    this.upsert = db.prepare(
      `INSERT INTO ${PREFIX}ack(node, vector, horizon, hold) VALUES(?, ?, ?, ?) ` +
        'ON CONFLICT(node) DO UPDATE SET vector = excluded.vector, horizon = excluded.horizon, hold = excluded.hold',
    );
    for (const { node, vector, horizon, hold } of this.select.all()) {
      this.byNode.set(node, { vector: JSON.parse(vector) as Record<string, number>, horizon, hold });
    }
  }

  /** Member → what it has acknowledged; this node itself is not among them. */
  get all(): ReadonlyMap<string, Acknowledgement> {
    return this.byNode;
  }

  toJson(): Record<string, Acknowledgement> {
    return Object.fromEntries(this.byNode);
  }

  /** Takes in what `node` says of itself and of others. Says whether anything was new. */
  learn(node: string, told: ToldAcknowledgements): boolean {
    const { vector, horizon, hold } = told;
    let learned = this.learnOne(node, { vector, horizon, hold });
    for (const [other, acknowledgement] of Object.entries(told.acknowledged)) {
      if (this.learnOne(other, acknowledgement)) learned = true;
    }
    return learned;
  }

  private learnOne(node: string, told: Acknowledgement): boolean {
    if (node === this.self) return false;
    const known = this.byNode.get(node);
    const merged = known === undefined ? told : mergeAcknowledgements(known, told);
    if (merged === known) return false;
    this.byNode.set(node, merged);
    this.unsaved.add(node);
    return true;
  }

  get hasUnsaved(): boolean {
    return this.unsaved.size > 0;
  }

  /** Writes down what is new, inside the caller's transaction. */
  save(): void {
    for (const node of this.unsaved) {
      const { vector, horizon, hold } = this.byNode.get(node) as Acknowledgement;
      this.upsert.run(node, JSON.stringify(vector), horizon, hold);
    }
    this.unsaved.clear();
  }
}

type Entries = Acknowledgement['vector'];

function entryIn(vector: Entries, session: string): number {
  return vector[session] ?? birthOf(session);
}

function covers(outer: Entries, inner: Entries): boolean {
  return Object.entries(inner).every(([session, hlc]) => entryIn(outer, session) >= hlc);
}

/** `known` itself when nothing is new. */
function mergeAcknowledgements(known: Acknowledgement, told: Acknowledgement): Acknowledgement {
  const isOlder = covers(known.vector, told.vector);
  const hold = mergedHold(known, told, isOlder);
  if (isOlder && told.horizon <= known.horizon && hold === known.hold) return known;
  const vector = { ...known.vector };
  for (const [session, hlc] of Object.entries(told.vector)) {
    if (entryIn(vector, session) < hlc) vector[session] = hlc;
  }
  return { vector, horizon: Math.max(known.horizon, told.horizon), hold };
}

/**
 * A hold belongs to the vector it was told with: once true, "all of this but what is at or above the hold" stays true.
 * So the greater vector's hold counts, whoever tells it and however late; of equal ones the higher; else the lower.
 */
function mergedHold(known: Acknowledgement, told: Acknowledgement, isOlder: boolean): number | null {
  const isNewer = covers(told.vector, known.vector);
  if (isOlder !== isNewer) return isNewer ? told.hold : known.hold;
  const [x, y] = [known.hold ?? Number.POSITIVE_INFINITY, told.hold ?? Number.POSITIVE_INFINITY];
  const hold = isOlder ? Math.max(x, y) : Math.min(x, y);
  return hold === Number.POSITIVE_INFINITY ? null : hold;
}
