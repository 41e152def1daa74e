/**
 * Stale: a side lacks something that the other has settled, so the other can no longer send it. Then nothing is
 * exchanged, and the one behind must rejoin. Design.md, section 4.
 */
import { birthOf } from './version-vector.js';

/** What to type where a node cannot go on with what it has. */
export function rejoinHint(node: string): string {
  return `on ${node}: sqlsync rejoin`;
}

/** What of a node decides whether another is stale beside it. */
export interface Standing {
  readonly vector: Iterable<readonly [session: string, hlc: number]>;
  readonly horizon: number;
  readonly dropped: number;
  /** What the node has of a session, one that has left its vector included. */
  has(session: string): number;
}

/** The standing that a peer's hello or end marker tells of. */
export function standingOf(told: {
  vector: Readonly<Record<string, number>>;
  horizon: number;
  dropped: number;
}): Standing {
  const { vector, horizon, dropped } = told;
  return {
    vector: Object.entries(vector),
    horizon,
    dropped,
    has: (session) =>
      Object.hasOwn(vector, session) ? (vector[session] as number) : Math.max(birthOf(session), dropped),
  };
}

/** Does `x` hold all that `y` has settled? */
export function covers(x: Standing, y: Standing): boolean {
  if (x.horizon < y.dropped) return false;
  for (const [session, hlc] of y.vector) if (x.has(session) < Math.min(hlc, y.horizon)) return false;
  return true;
}

/** Do two nodes hold the same, one of which may have let sessions go that the other still names? */
export function holdSame(x: Standing, y: Standing): boolean {
  const isWithin = (a: Standing, b: Standing) => [...a.vector].every(([session, hlc]) => b.has(session) >= hlc);
  return isWithin(x, y) && isWithin(y, x) && x.dropped <= y.horizon && y.dropped <= x.horizon;
}

/** Which of two nodes is stale; null when neither is. If each lacks something of the other's, the lower horizon is. */
export function staleSide(here: Standing, there: Standing): 'here' | 'there' | null {
  const hereCovers = covers(here, there);
  const thereCovers = covers(there, here);
  if (hereCovers && thereCovers) return null;
  if (hereCovers) return 'there';
  if (thereCovers) return 'here';
  return here.horizon <= there.horizon ? 'here' : 'there';
}
