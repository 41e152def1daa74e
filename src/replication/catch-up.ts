/**
 * A catch-up: a stage too large for one transaction is half applied. Until all such stages are in, the node ships
 * nothing, claims nothing of them and settles nothing. A stage that is lost, or can be applied no more, ends no catch-up:
 * the node then waits for streams that bring the same again.
 */
import type { NodeState } from './node-state.js';
import type { Stage } from './stage.js';
import { union, type VersionVector, vectorFromJson } from './version-vector.js';

/** Stored while a stage is half applied. */
export interface CatchUp {
  /** The latest one; null: it can be gone on with no more. */
  readonly stageId: string | null;
  /** The node whose stage it is. */
  readonly sender: string;
  /** The end vectors of every stage that is half applied: only streams that cover them end the catch-up. */
  readonly vector: Record<string, number>;
}

/** The catch-up under way; null when there is none. */
export function catchUpOf(state: NodeState): CatchUp | null {
  const text = state.get('catch_up');
  return text === '' ? null : (JSON.parse(text) as CatchUp);
}

function pendingVector(state: NodeState): VersionVector {
  return vectorFromJson(catchUpOf(state)?.vector ?? {});
}

export function isCatchingUp(state: NodeState): boolean {
  return state.get('catch_up') !== '';
}

/** This stage is half applied, beside those that may be already. */
export function markCatchingUp(state: NodeState, { id, sender, end }: Pick<Stage, 'id' | 'sender' | 'end'>): void {
  const vector = Object.fromEntries(union(pendingVector(state), vectorFromJson(end.vector)));
  state.set('catch_up', JSON.stringify({ stageId: id, sender: sender.node, vector } satisfies CatchUp));
}

/** The stage can be gone on with no more. What of it is in stays, and is known again when it comes in another. */
export function abandonStage(state: NodeState, stageId: string): void {
  const catchUp = catchUpOf(state);
  if (catchUp?.stageId === stageId)
    state.set('catch_up', JSON.stringify({ ...catchUp, stageId: null } satisfies CatchUp));
}

/** What a node says of itself: is its stage being applied, or must peers bring it again? Null: it is not catching up. */
export function catchUpPhase(state: NodeState): 'applying' | 'waiting' | null {
  const catchUp = catchUpOf(state);
  if (catchUp === null) return null;
  return catchUp.stageId === null ? 'waiting' : 'applying';
}

/**
 * This stage is whole, which ends the catch-up if the node now has all that was half applied. It may not: an earlier
 * stage was given up for this one. Peers must then bring the same again.
 */
export function endCatchUp(state: NodeState, stageId: string): void {
  for (const [session, hlc] of pendingVector(state)) {
    if (state.has(session) >= hlc) continue;
    abandonStage(state, stageId);
    return;
  }
  state.set('catch_up', '');
}
