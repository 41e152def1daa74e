/**
 * A catch-up that nobody can bring to an end: its stage is gone, and so is whoever had sent it, removed before anybody
 * else had the rest. Waiting on, the node would ship nothing and seed nobody for ever, not even the one that was removed
 * and alone has the rest: that one writes it again when it rejoins. So the node goes on with what it has, which is whole
 * row by row, if not transaction by transaction.
 */
import { entryIn } from './acknowledgements.js';
import { catchUpOf, catchUpPhase } from './catch-up.js';
import type { Engine } from './engine.js';
import type { Members } from './members.js';

/** Lacks every member that counts what this node waits for, by its latest word? */
export function isCatchUpLost({ state, acknowledgements }: Engine, members: Members): boolean {
  if (catchUpPhase(state) !== 'waiting') return false;
  const self = state.get('node_id');
  const others = members.counted().filter(({ nodeId }) => nodeId !== self);
  const words = others.map(({ nodeId }) => acknowledgements.latest(nodeId));
  const awaited = Object.entries(catchUpOf(state)?.vector ?? {}).filter(([session, hlc]) => state.has(session) < hlc);
  return awaited.every(([session, hlc]) => words.every((told) => told !== undefined && entryIn(told, session) < hlc));
}

/** Ends it, inside the caller's transaction. What was parked for the rest stays so until the next stage is in. */
export function giveUpCatchUp({ state }: Engine): void {
  state.set('catch_up', '');
}
