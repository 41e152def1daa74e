/**
 * The horizon: an HLC up to which every member has everything, as far as this node has heard. Pure. The rules are those
 * of design.md, section 3, as its executable model has them.
 */
import { nodeOf, type VersionVector } from './version-vector.js';
import type { Acknowledgement } from './wire-messages.js';

export interface HorizonFacts {
  readonly self: string;
  readonly vector: VersionVector;
  /** What this node has of a session, one that has left its vector included. */
  has(session: string): number;
  /** At and above this HLC the node itself acknowledges nothing; null: no such bound. */
  readonly hold: number | null;
  /** Every member of the data set, this node included. */
  readonly members: readonly string[];
  readonly acknowledgements: ReadonlyMap<string, Acknowledgement>;
}

const NOTHING: Acknowledgement = { vector: {}, horizon: 0, hold: null };

/** The highest entry among a member's sessions: nothing older can still come from it. */
function latestEntryOf(member: string, vector: VersionVector): number {
  let latest = 0;
  for (const [session, hlc] of vector) if (nodeOf(session) === member && hlc > latest) latest = hlc;
  return latest;
}

function entryAt(acknowledgement: Acknowledgement, session: string): number {
  return acknowledgement.vector[session] ?? Number(session.slice(session.lastIndexOf('@') + 1));
}

/** An HLC up to which every member has everything; it may be lower than one known before. */
export function computeHorizon(facts: HorizonFacts): number {
  const { self, vector, members, acknowledgements } = facts;
  let horizon = facts.hold === null ? Number.MAX_SAFE_INTEGER : facts.hold - 1;
  for (const member of members) horizon = Math.min(horizon, latestEntryOf(member, vector));
  for (const member of members) {
    if (member === self) continue;
    const told = acknowledgements.get(member) ?? NOTHING;
    if (told.hold !== null) horizon = Math.min(horizon, told.hold - 1);
    for (const [session, hlc] of vector) {
      const theirs = entryAt(told, session);
      if (theirs < hlc) horizon = Math.min(horizon, theirs);
    }
    for (const [session, hlc] of Object.entries(told.vector)) {
      const mine = facts.has(session);
      if (mine < hlc) horizon = Math.min(horizon, mine);
    }
  }
  return Math.max(0, horizon);
}
