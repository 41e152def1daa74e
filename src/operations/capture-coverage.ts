/** What is known of the triggers: what they see now, and what may have gone past them before. */
import type { ReplicaStatus } from '../replication/replica-status.js';
import type { Coverage } from './status-report.js';

/** @param isComplete are all triggers there now, and has every table been decided about? */
export function coverageOf(isComplete: boolean, replica: Pick<ReplicaStatus, 'withoutIdentity' | 'gap'>): Coverage {
  if (!isComplete || replica.withoutIdentity.length > 0) return 'partial';
  return replica.gap === null ? 'complete' : 'unknown';
}
