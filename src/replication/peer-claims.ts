/**
 * What a peer says of clocks and of sessions, and cannot be: pure. A clock far ahead in a vector, a horizon or an
 * acknowledgement would stay there for ever, and whoever took it over would be refused by everybody else. A cursor in
 * another node's order would have this node pass over what that node has.
 */
import { SqlsyncError } from '../errors.js';
import { hlcToMs } from './hlc.js';
import { nodeOf } from './version-vector.js';
import type { Acknowledgement } from './wire-messages.js';

export interface PeerClaims {
  readonly vector: Readonly<Record<string, number>>;
  readonly horizon: number;
  readonly dropped: number;
  readonly folded: number;
  readonly acknowledged: Readonly<Record<string, Acknowledgement>>;
}

/** How far ahead of `nowMs` the latest of a peer's clocks is, in whole seconds; negative: behind. */
export function aheadSecondsOf(claims: PeerClaims, nowMs: number): number {
  const { vector, horizon, dropped, folded, acknowledged } = claims;
  let latestMs = hlcToMs(Math.max(horizon, dropped, folded, highestIn(vector)));
  for (const told of Object.values(acknowledged)) {
    latestMs = Math.max(latestMs, told.atMs, hlcToMs(Math.max(told.horizon, told.folded, highestIn(told.vector))));
  }
  return Math.round((latestMs - nowMs) / 1000);
}

function highestIn(vector: Readonly<Record<string, number>>): number {
  return Object.values(vector).reduce((highest, hlc) => Math.max(highest, hlc), 0);
}

/** Throws `clock-ahead`. */
export function refuseIfAhead(
  node: string,
  claims: PeerClaims,
  { nowMs, clockAheadSecondsMax }: { readonly nowMs: number; readonly clockAheadSecondsMax: number },
): void {
  const aheadSeconds = aheadSecondsOf(claims, nowMs);
  if (aheadSeconds <= clockAheadSecondsMax) return;
  throw new SqlsyncError('clock-ahead', `${node} tells of writes from ${aheadSeconds} s ahead`, {
    hint: `set the clocks right; at most ${clockAheadSecondsMax} s are taken (limits.clockAheadSecondsMax)`,
  });
}

/** Does the node speak under a session that is another's? */
export function isOthersSession(node: string, session: string | null): boolean {
  return session !== null && nodeOf(session) !== node;
}
