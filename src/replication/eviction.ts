/**
 * Which members are evicted for having been silent for too long. Pure.
 *
 * Only by a node that has been listening all that time itself: one that wakes up after a month has heard of nobody. And only
 * with more than half of the members in touch, this node included, or half of them and the one that joined first: so of two
 * sides that have lost each other at most one counts the other out, and what only the other has keeps its metadata. A
 * member that is on the way out counts until every other knows, as it does for the horizon.
 */
import type { Member } from './member-table.js';

export interface EvictionFacts {
  /** Members whose word counts. */
  readonly counted: readonly Member[];
  /** This node's id. */
  readonly self: string;
  readonly nowMs: number;
  readonly silentMsMax: number;
  /** Unix milliseconds since when this node has been listening without a break. */
  readonly listeningSinceMs: number;
  /** Unix milliseconds; null: never. */
  lastHeardMs(nodeId: string): number | null;
}

export interface Eviction {
  readonly members: readonly Member[];
  /** Silent for too long, but this node may not decide alone. */
  readonly undecided: readonly Member[];
}

export function findSilent(facts: EvictionFacts): Eviction {
  const { counted, self, nowMs, silentMsMax, listeningSinceMs, lastHeardMs } = facts;
  const heardMs = ({ nodeId, joinedAtMs }: Member) => lastHeardMs(nodeId) ?? joinedAtMs;
  const silent = counted.filter(
    (member) =>
      member.nodeId !== self &&
      member.removedAtMs === null &&
      nowMs - Math.max(heardMs(member), listeningSinceMs) > silentMsMax,
  );
  const writers = counted.filter(({ access }) => access === 'write');
  const inTouch = writers.filter((member) => member.nodeId === self || nowMs - heardMs(member) <= silentMsMax);
  return hasQuorum(writers, inTouch) ? { members: silent, undecided: [] } : { members: [], undecided: silent };
}

function hasQuorum(writers: readonly Member[], inTouch: readonly Member[]): boolean {
  if (2 * inTouch.length !== writers.length) return 2 * inTouch.length > writers.length;
  const first = writers.reduce((x, y) => (isEarlier(y, x) ? y : x));
  return inTouch.includes(first);
}

function isEarlier(x: Member, y: Member): boolean {
  return x.joinedAtMs < y.joinedAtMs || (x.joinedAtMs === y.joinedAtMs && x.nodeId < y.nodeId);
}
