/**
 * A node that has migrated first keeps rows aside that come with columns it has no more. Whoever wrote them migrates
 * later, and then has the same rows in a shape that fits: they are offered once more, though the peer's vector knows them.
 * Only rows that are not settled can be kept anywhere, since who keeps some acknowledges nothing at or above them.
 */
import type { Hello } from './wire-messages.js';

/** Who has not placed them after so many offers of one schema waits for something else. */
const OFFERS_MAX = 3;
/** An offer may break off on its way; until it is made again so much time passes. */
const OFFER_AGAIN_MS = 60_000;

interface Offer {
  readonly schemaHash: string;
  readonly count: number;
  readonly madeMs: number;
}

export class HeldOffers {
  /** By the peer's node id. */
  private readonly made = new Map<string, Offer>();

  /** Tables of which the peer keeps rows, if they are to be offered now. */
  due({ nodeId, behind }: Pick<Hello, 'nodeId' | 'behind'>, schemaHash: string, nowMs: number): readonly string[] {
    if (behind.length === 0) return [];
    const last = this.made.get(nodeId);
    if (last === undefined || last.schemaHash !== schemaHash) return behind;
    return last.count < OFFERS_MAX && nowMs - last.madeMs >= OFFER_AGAIN_MS ? behind : [];
  }

  note({ nodeId }: Pick<Hello, 'nodeId'>, schemaHash: string, nowMs: number): void {
    const last = this.made.get(nodeId);
    const count = last?.schemaHash === schemaHash ? last.count + 1 : 1;
    this.made.set(nodeId, { schemaHash, count, madeMs: nowMs });
  }
}
