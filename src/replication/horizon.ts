/**
 * The horizon: an HLC up to which every member has everything, as far as this node has heard. Pure. The rules are those
 * of design.md, section 3, as its executable model has them; how far a member's own writes can still come from is what
 * it says itself (`folded`), not what is known of its sessions.
 */
import { entryIn } from './acknowledgements.js';
import type { VersionVector } from './version-vector.js';
import type { Acknowledgement } from './wire-messages.js';

export interface HorizonFacts {
  readonly vector: VersionVector;
  /** The node's last folded log entry: whatever it writes from now on is later. */
  readonly folded: number;
  /** What this node has of a session, one that has left its vector included. */
  has(session: string): number;
  /** At and above this HLC the node itself acknowledges nothing; null: no such bound. */
  readonly hold: number | null;
  /** The members that count, but for this node, each with what it has acknowledged. */
  readonly others: readonly OtherMember[];
}

export interface OtherMember {
  /** What it has acknowledged; undefined: it has not been heard yet. */
  readonly told: Acknowledgement | undefined;
}

/** An HLC up to which every member has everything; it may be lower than one known before. */
export function computeHorizon(facts: HorizonFacts): number {
  const own = Math.min(facts.folded, facts.hold === null ? Number.MAX_SAFE_INTEGER : facts.hold - 1);
  return Math.max(
    0,
    facts.others.reduce((horizon, other) => Math.min(horizon, boundBy(other, facts).hlc), own),
  );
}

/** How far one member lets the horizon rise, and what keeps it there. */
export interface Bound {
  readonly hlc: number;
  /**
   * unheard: it has never been heard of · lacks: something that is here it has not acknowledged · aside: it keeps changes
   * that it cannot apply · ahead: it has something that is not here · quiet: none of these, but it has not been heard of
   * since
   */
  readonly why: 'unheard' | 'lacks' | 'aside' | 'ahead' | 'quiet';
}

export function boundBy({ told }: OtherMember, facts: Pick<HorizonFacts, 'vector' | 'has'>): Bound {
  if (told === undefined) return { hlc: 0, why: 'unheard' };
  let bound: Bound = { hlc: told.folded, why: 'quiet' };
  const lower = (hlc: number, why: Bound['why']) => {
    if (hlc < bound.hlc) bound = { hlc: Math.max(0, hlc), why };
    else if (bound.why === 'quiet') bound = { ...bound, why };
  };
  if (told.hold !== null) lower(told.hold - 1, 'aside');
  for (const [session, hlc] of facts.vector) {
    const theirs = entryIn(told, session);
    if (theirs < hlc) lower(theirs, 'lacks');
  }
  for (const [session, hlc] of Object.entries(told.vector)) {
    const mine = facts.has(session);
    if (mine < hlc) lower(mine, 'ahead');
  }
  return bound;
}
