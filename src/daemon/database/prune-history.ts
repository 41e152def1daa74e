/** Removes history that nobody needs any more, step by step. */
import type { Config } from '../../config.js';
import { HLC_PER_MS } from '../../replication/hlc.js';
import type { Replica } from '../../replication/replica.js';
import type { LockedFile } from '../file/locked-file.js';

/** How long it is kept all the same, in milliseconds. */
export type HistoryKept = Pick<Config['prune'], 'keepLogMs' | 'keepConflictsMs' | 'keepOperationsMs'>;

export async function pruneHistory(
  file: Pick<LockedFile, 'runSteps'>,
  replica: Replica,
  { keepLogMs, keepConflictsMs, keepOperationsMs }: HistoryKept,
  nowMs: number,
): Promise<void> {
  await file.runSteps(() => replica.pruneLog((nowMs - keepLogMs) * HLC_PER_MS));
  const ages = { conflictsBeforeMs: nowMs - keepConflictsMs, operationsBeforeMs: nowMs - keepOperationsMs };
  await file.runSteps(() => replica.pruneRecords(ages));
}
