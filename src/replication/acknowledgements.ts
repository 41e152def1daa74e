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
    let learned = this.learnOne(node, { vector, horizon, hold }, true);
    for (const [other, acknowledgement] of Object.entries(told.acknowledged)) {
      if (this.learnOne(other, acknowledgement, false)) learned = true;
    }
    return learned;
  }

  private learnOne(node: string, told: Acknowledgement, firstHand: boolean): boolean {
    if (node === this.self) return false;
    const known = this.byNode.get(node);
    const merged = known === undefined ? told : mergeAcknowledgements(known, told, firstHand);
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

/** `known` itself when nothing is new. Only a node itself can say that it holds nothing back any more. */
function mergeAcknowledgements(known: Acknowledgement, told: Acknowledgement, firstHand: boolean): Acknowledgement {
  const vector = { ...known.vector };
  let rose = told.horizon > known.horizon;
  for (const [session, hlc] of Object.entries(told.vector)) {
    if ((vector[session] ?? birthOf(session)) >= hlc) continue;
    vector[session] = hlc;
    rose = true;
  }
  const hold = firstHand ? told.hold : lowestHold(known.hold, told.hold);
  if (!rose && hold === known.hold) return known;
  return { vector, horizon: Math.max(known.horizon, told.horizon), hold };
}

function lowestHold(x: number | null, y: number | null): number | null {
  if (x === null) return y;
  return y === null ? x : Math.min(x, y);
}
