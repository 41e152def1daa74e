/**
 * A node that has migrated first keeps rows aside that come with columns, or under a table's name, that it has no more.
 * Whoever wrote them migrates later, and then has the same rows in a shape that fits: they are offered once more, though
 * the peer's vector knows them. Only rows that are not settled can be kept anywhere, since who keeps some acknowledges
 * nothing at or above them.
 */
import type { Engine } from './engine.js';
import { type Hello, TABLES_BEHIND_MAX } from './wire-messages.js';

type Peer = Pick<Hello, 'nodeId' | 'behind' | 'schemaHash'>;

/** Who has not placed them after so many offers, under the same two schemas, waits for something else. */
const OFFERS_MAX = 3;
/** An offer may break off on its way; until it is made again so much time passes. */
const OFFER_AGAIN_MS = 60_000;

/** What a node says of rows that are not in their tables. */
export function asideOf({ held, quarantine, fates }: Engine): Pick<Hello, 'behind' | 'aside' | 'renamed'> {
  const behind = [...held.waitingTables()];
  const aside = [...new Set([...behind, ...quarantine.tableNames()])];
  return {
    behind: behind.slice(0, TABLES_BEHIND_MAX),
    aside: aside.slice(0, TABLES_BEHIND_MAX),
    renamed: Object.fromEntries(fates.history.renamed),
  };
}

interface Offer {
  /** This node's schema and the peer's, and of which tables this node keeps rows itself. */
  readonly state: string;
  readonly count: number;
  readonly madeMs: number;
}

export class HeldOffers {
  /** By the peer's node id. */
  private readonly made = new Map<string, Offer>();

  constructor(private readonly engine: Pick<Engine, 'schema' | 'held' | 'fates' | 'clock'>) {}

  /** Tables of this node that have what the peer keeps rows of, if they are to be offered now. */
  due(peer: Peer): readonly string[] {
    const { fates, clock } = this.engine;
    if (peer.behind.length === 0) return [];
    const tables = peer.behind.map((name) => fates.history.renamed.get(name) ?? name);
    const last = this.made.get(peer.nodeId);
    if (last === undefined || last.state !== this.stateWith(peer)) return tables;
    return last.count < OFFERS_MAX && clock.nowMs() - last.madeMs >= OFFER_AGAIN_MS ? tables : [];
  }

  note(peer: Peer): void {
    const state = this.stateWith(peer);
    const last = this.made.get(peer.nodeId);
    const count = last?.state === state ? last.count + 1 : 1;
    this.made.set(peer.nodeId, { state, count, madeMs: this.engine.clock.nowMs() });
  }

  private stateWith(peer: Peer): string {
    const { schema, held } = this.engine;
    return `${schema.schemaHash} ${peer.schemaHash} ${[...held.waitingTables()].join(' ')}`;
  }
}
