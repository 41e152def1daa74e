/** Removes log entries that are folded and old; the newest always stays. */
import type { Engine } from './engine.js';
import { UPKEEP_ROWS_MAX } from './settling.js';

/** A bounded number of those older than this, in a transaction of its own. Says whether there are more. */
export function pruneLog(engine: Engine, olderThanHlc: number): { removed: number; more: boolean } {
  const below = Math.min(olderThanHlc, engine.state.get('folded'), engine.log.last());
  if (!engine.log.hasBelow(below)) return { removed: 0, more: false };
  const removed = engine.writeTransaction(() => {
    engine.state.set('log_from', below);
    return engine.log.removeBelow(below, UPKEEP_ROWS_MAX);
  });
  return { removed, more: removed === UPKEEP_ROWS_MAX };
}
