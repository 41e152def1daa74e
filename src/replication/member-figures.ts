/** The members of the data set as this node knows them: what each has, and how far it lets history go. */
import { Credentials } from './credential-table.js';
import type { Engine } from './engine.js';
import { boundBy } from './horizon.js';
import type { Member } from './member-table.js';
import type { Members } from './members.js';

export interface MemberFigures extends Member {
  readonly isSelf: boolean;
  /** Does its word count for the horizon? That of one that was removed does until every other member knows. */
  readonly isCounted: boolean;
  /** Are all its keys worthless? Then nothing is exchanged with it. */
  readonly isRevoked: boolean;
  /** Unix milliseconds, by the member's own clock; null: it has not been heard of, or is this node. */
  readonly lastHeardMs: number | null;
  /** HLC up to which it lets history go; null for this node, and for those that do not count. */
  readonly holdsFromHlc: number | null;
}

/** Every membership there has been, the earlier of a name first. Right while nothing waits to be folded. */
export function memberFigures(engine: Engine, members: Members): MemberFigures[] {
  const { state, acknowledgements } = engine;
  const credentials = new Credentials(engine.options.writer);
  const self = state.get('node_id');
  const counted = new Set(members.counted().map(({ nodeId }) => nodeId));
  const facts = { vector: state.vector, has: (session: string) => state.has(session) };
  return members.all().map((member) => {
    const { nodeId } = member;
    const isSelf = nodeId === self;
    return {
      ...member,
      isSelf,
      isCounted: counted.has(nodeId),
      isRevoked: credentials.isRevoked(member.name),
      lastHeardMs: isSelf ? null : (acknowledgements.latest(nodeId)?.atMs ?? null),
      holdsFromHlc:
        isSelf || !counted.has(nodeId) ? null : boundBy({ told: acknowledgements.all.get(nodeId) }, facts).hlc,
    };
  });
}
