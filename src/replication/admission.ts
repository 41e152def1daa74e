/** The sponsor's side of a join or a rejoin: the node becomes a member before its snapshot is cut. */
import { SqlsyncError } from '../errors.js';
import { isCatchingUp } from './catch-up.js';
import type { Engine } from './engine.js';
import type { NewMember } from './member-table.js';
import type { Members, Rejoining } from './members.js';
import { refusalForEnd } from './peer-check.js';
import { decidesNothing, ownStanding } from './read-only.js';
import { peerBehind } from './rejoin.js';
import { covers, standingOf } from './staleness.js';

/** Throws why this node cannot be the sponsor, and what keeps the other from being a member; then nothing has changed. */
export function admitMember(engine: Engine, members: Members, member: NewMember, rejoining: Rejoining | null): void {
  const node = engine.state.get('node');
  engine.freeze.refuse();
  if (member.name === node) {
    throw new SqlsyncError('node-name-taken', `the name ${node} belongs to this node`, {
      hint: 'choose another with --node',
    });
  }
  if (isCatchingUp(engine.state)) {
    throw new SqlsyncError('catching-up', `${node} is catching up itself, and seeds nobody before it is whole`, {
      hint: 'try again later, or with another peer',
    });
  }
  refuseUnlessHeard(engine, members);
  if (rejoining === null) members.admit(member);
  else {
    refuseAsSeed(engine, member.name, rejoining);
    members.readmit(member, rejoining);
    // It will be told by the snapshot what others have.
    engine.writeTransaction(() => engine.acknowledgements.saveAll());
  }
}

/** A membership that nobody else would ever hear of is none. */
function refuseUnlessHeard({ state }: Engine, members: Members): void {
  const [node, nodeId] = [state.get('node'), state.get('node_id')];
  if (members.isReader) throw decidesNothing(node);
  const refusal = refusalForEnd({ node, nodeId }, members.all());
  if (refusal !== null) throw SqlsyncError.of(refusal);
}

/** Throws when this node cannot seed the one that comes back, which keeps what it has then. */
function refuseAsSeed(engine: Engine, name: string, rejoining: Rejoining): void {
  const [node, dataset] = [engine.state.get('node'), engine.state.get('dataset')];
  if (rejoining.dataset !== dataset) {
    const message = `${name} holds data set ${rejoining.dataset}, ${node} holds ${dataset}`;
    throw new SqlsyncError('dataset-mismatch', message, { hint: 'name a peer of its own data set' });
  }
  const [here, there] = [ownStanding(engine), standingOf(rejoining)];
  if (covers(there, here) && !covers(here, there)) throw peerBehind(node, name);
}
