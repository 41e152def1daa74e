/**
 * May the rules change at this moment? Two nodes that join the same versions by different rules part for good, so what
 * was joined must have been joined by all, and what was not by none: every member has each write that any node but its
 * author has. What only its author has was joined nowhere else, and will be by the new rules everywhere. Pure.
 */
import { birthOf, nodeOf } from './version-vector.js';

/** What a member has said while it joined nothing. */
export interface FrozenMember {
  readonly node: string;
  readonly vector: Readonly<Record<string, number>>;
  /** The highest entry that has left its vector: every member had what lay below. */
  readonly dropped: number;
}

/** The names of members that lack what others than its author have, each once; none: the rules may change. */
export function membersBehind(members: readonly FrozenMember[]): string[] {
  const spread = new Map<string, number>();
  for (const { node, vector } of members) {
    for (const [session, hlc] of Object.entries(vector)) {
      if (nodeOf(session) !== node && hlc > (spread.get(session) ?? 0)) spread.set(session, hlc);
    }
  }
  return members
    .filter((member) => [...spread].some(([session, hlc]) => hasOf(member, session) < hlc))
    .map((m) => m.node);
}

function hasOf({ vector, dropped }: FrozenMember, session: string): number {
  return Object.hasOwn(vector, session) ? (vector[session] as number) : Math.max(birthOf(session), dropped);
}
