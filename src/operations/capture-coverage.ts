/** What is known of the triggers: what they see now, and what may have gone past them before. */
import type { CaptureInspection } from '../replication/inspect-capture.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import type { Coverage, TableCoverage } from './status-report.js';

type ReplicaCoverage = Pick<ReplicaStatus, 'withoutIdentity' | 'gap'>;

/** @param isComplete are all triggers there now, and has every table been decided about? */
export function coverageOf(isComplete: boolean, replica: ReplicaCoverage): Coverage {
  if (!isComplete || replica.withoutIdentity.length > 0) return 'partial';
  return replica.gap === null ? 'complete' : 'unknown';
}

/** The tables that are not wholly captured, each with the worst that is known of it, in the order of their names. */
export function tableCoverageOf(inspection: CaptureInspection, { withoutIdentity, gap }: ReplicaCoverage) {
  const found = new Map<string, TableCoverage>();
  const note = (name: string, coverage: TableCoverage['coverage'], reason: string) => {
    if (!found.has(name)) found.set(name, { name, coverage, reason });
  };
  for (const { name, reason } of inspection.refused) note(name, 'partial', reason);
  for (const name of inspection.undecided) note(name, 'partial', 'it has come since init, and is not captured yet');
  for (const table of inspection.tables) {
    const damage = damageOf(table, inspection.hasLog);
    if (damage !== null) note(table.name, 'partial', damage);
  }
  for (const name of withoutIdentity) note(name, 'partial', 'rows whose key is NULL do not replicate');
  const since = gap === null ? '' : new Date(gap.since).toISOString();
  for (const name of gap?.tables ?? []) note(name, 'unknown', `writes before ${since} may have gone unrecorded`);
  return [...found.values()].sort((x, y) => (x.name < y.name ? -1 : 1));
}

function damageOf(table: CaptureInspection['tables'][number], hasLog: boolean): string | null {
  if (!hasLog) return 'the change log is gone';
  if (table.missing.length > 0) return 'triggers are missing';
  if (table.changed.length > 0) return 'triggers have been changed';
  if (table.columnsChanged) return 'its columns have changed';
  return table.hasMetadata ? null : 'what was known of its rows is gone';
}
