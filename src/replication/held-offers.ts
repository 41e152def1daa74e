/**
 * A node that has migrated first keeps rows aside that come with columns it has no more. Whoever wrote them migrates
 * later, and then has the same rows in a shape that fits: they are offered once more, though the peer's vector knows them.
 * Only rows that are not settled can be kept anywhere, since who keeps some acknowledges nothing at or above them.
 */
import type { Hello } from './wire-messages.js';

type Peer = Pick<Hello, 'nodeId' | 'behind' | 'schemaHash'>;

/** Who has not placed them after so many offers, under the same two schemas, waits for something else. */
const OFFERS_MAX = 3;
/** An offer may break off on its way; until it is made again so much time passes. */
const OFFER_AGAIN_MS = 60_000;

interface Offer {
  /** This node's schema and the peer's. */
  readonly schemas: string;
  readonly count: number;
  readonly madeMs: number;
}

export class HeldOffers {
  /** By the peer's node id. */
  private readonly made = new Map<string, Offer>();

  /** Tables of which the peer keeps rows, if they are to be offered now. */
  due(peer: Peer, schemaHash: string, nowMs: number): readonly string[] {
    if (peer.behind.length === 0) return [];
    const last = this.made.get(peer.nodeId);
    if (last === undefined || last.schemas !== schemasOf(peer, schemaHash)) return peer.behind;
    return last.count < OFFERS_MAX && nowMs - last.madeMs >= OFFER_AGAIN_MS ? peer.behind : [];
  }

  note(peer: Peer, schemaHash: string, nowMs: number): void {
    const schemas = schemasOf(peer, schemaHash);
    const last = this.made.get(peer.nodeId);
    const count = last?.schemas === schemas ? last.count + 1 : 1;
    this.made.set(peer.nodeId, { schemas, count, madeMs: nowMs });
  }
}

function schemasOf(peer: Peer, schemaHash: string): string {
  return `${schemaHash} ${peer.schemaHash}`;
}
