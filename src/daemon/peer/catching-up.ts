/** An exchange in which one side is in the middle of a catch-up has not brought both to the same: that is said. */
import { SqlsyncError } from '../../errors.js';
import type { Replica } from '../../replication/replica.js';
import type { Hello } from '../../replication/wire-messages.js';

/** Throws `catching-up`. @param peer as it last described itself */
export function assertNotCatchingUp(
  { node, catchUpPhase }: Pick<Replica, 'node' | 'catchUpPhase'>,
  peer: Pick<Hello, 'node' | 'catchingUp'>,
): void {
  if (catchUpPhase !== null) throw catchingUp(node, catchUpPhase);
  if (peer.catchingUp !== null) throw catchingUp(peer.node, peer.catchingUp);
}

function catchingUp(node: string, phase: 'applying' | 'waiting'): SqlsyncError {
  const why =
    phase === 'applying' ? 'is applying a large catch-up' : 'waits for the rest of a catch-up to be sent again';
  return new SqlsyncError('catching-up', `${node} ${why}, and ships nothing until it is whole`, {
    hint: 'Nothing needs to be typed: the rest crosses by itself then.',
  });
}
