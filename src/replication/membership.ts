/**
 * Who belongs to the data set, and whose word the horizon waits for. Pure.
 *
 * A removal travels as a write, and until the others have it they still take changes from whoever was removed. So a
 * membership that is over holds the horizon back until every member that remains has acknowledged its end: from then on
 * nobody takes anything from it, and what they took before is in their own acknowledgements.
 */
import type { Member } from './member-table.js';
import type { Stamp } from './stamp.js';

export interface MembershipFacts {
  /** Every membership there has been, the earlier of a name first. */
  readonly members: readonly Member[];
  /** This node's id: what it has itself it has acknowledged. */
  readonly self: string;
  /** The stamp of the latest write to a membership's row; null: settled, so every member has it. */
  stampOf(nodeId: string): Stamp | null;
  hasAcknowledged(nodeId: string, stamp: Stamp): boolean;
}

/** Each name's membership that is in force or was the last to be, by its name: of several, the one that joined last. */
function latestByName(members: readonly Member[]): Map<string, Member> {
  const latest = new Map<string, Member>();
  for (const member of members) {
    const known = latest.get(member.name);
    const isLater =
      known === undefined ||
      member.joinedAtMs > known.joinedAtMs ||
      (member.joinedAtMs === known.joinedAtMs && member.nodeId > known.nodeId);
    if (isLater) latest.set(member.name, member);
  }
  return latest;
}

/** The members that belong. */
export function belonging(members: readonly Member[]): Member[] {
  return [...latestByName(members).values()].filter(({ removedAtMs }) => removedAtMs === null);
}

/** Names of the members that belong and may write. */
export function writersAmong(members: readonly Member[]): Set<string> {
  return new Set(
    belonging(members)
      .filter(({ access }) => access === 'write')
      .map(({ name }) => name),
  );
}

/** Why a membership is over: it was removed, or another has taken its name; null: it is not. */
export function endOf(members: readonly Member[], nodeId: string): { readonly by: Member } | null {
  const member = members.find((candidate) => candidate.nodeId === nodeId);
  if (member === undefined) return null;
  if (member.removedAtMs !== null) return { by: member };
  const latest = latestByName(members).get(member.name) as Member;
  return latest.nodeId === nodeId ? null : { by: latest };
}

/** The members that the horizon waits for, this node included while it belongs. */
export function counted(facts: MembershipFacts): Member[] {
  const { members, self } = facts;
  const remaining = belonging(members);
  const isKnownToAll = (nodeId: string) => {
    const stamp = facts.stampOf(nodeId);
    return stamp === null || remaining.every((m) => m.nodeId === self || facts.hasAcknowledged(m.nodeId, stamp));
  };
  return members.filter(({ nodeId }) => {
    const end = endOf(members, nodeId);
    return end === null || !isKnownToAll(end.by.nodeId);
  });
}
