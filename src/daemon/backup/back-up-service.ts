/**
 * A backup of a database that this process serves. The state that is copied is one in which all is folded: whoever
 * restores it has nothing to fold that the node which goes on has folded too, under another session.
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { SqlsyncError } from '../../errors.js';
import type { BackupKey } from '../../operations/backup/backup-key.js';
import type { BackupProgress, BackupReport } from '../../operations/backup/backup-report.js';
import type { BackupStore } from '../../operations/backup/backup-store.js';
import { hasUnfoldedEntries } from '../../replication/backup-facts.js';
import type { DatabaseService } from '../database/database-service.js';
import { JobHistory } from '../file/job-history.js';
import { OnlineCopy } from '../file/online-copy.js';
import { localFiles } from '../local-files.js';
import { packCopy } from './pack-copy.js';

export interface BackUpOptions {
  readonly store: BackupStore;
  readonly key: BackupKey | null;
  readonly lockWaitMsMax: number;
  readonly onProgress: (progress: BackupProgress) => void;
  readonly signal: AbortSignal;
}

const underWay = new WeakSet<DatabaseService>();

/**
 * Throws already-running while another one of the same database is made, disk-full, database-locked, backup-store, and
 * the signal's reason. Nothing is left then.
 */
export async function backUpService(service: DatabaseService, options: BackUpOptions): Promise<BackupReport> {
  if (underWay.has(service)) {
    throw new SqlsyncError('already-running', `a backup of ${service.name} is being made already`, {
      hint: 'wait for its end',
    });
  }
  underWay.add(service);
  const startedAt = new Date();
  try {
    const report = await makeBackup(service, {
      ...options,
      signal: AbortSignal.any([options.signal, service.stopSignal]),
    });
    const times = { startedAt: startedAt.toISOString(), endedAt: new Date().toISOString() };
    new JobHistory(service.side).addRun('backup', { ...times, result: 'done', message: null });
    return report;
  } finally {
    underWay.delete(service);
  }
}

async function makeBackup(service: DatabaseService, options: BackUpOptions): Promise<BackupReport> {
  const { store } = options;
  const copyPath = service.side.snapshotPath(`backup-${randomBytes(8).toString('hex')}`);
  await store.removeLeftovers({ database: service.name, node: service.replica.node });
  await service.fold();
  const copy = () => copyFolded(service, copyPath, options);
  const { name: _, ...report } = await packCopy({ ...options, database: service.name, copyPath, copy });
  return report;
}

async function copyFolded(
  service: DatabaseService,
  copyPath: string,
  { lockWaitMsMax, onProgress, signal }: BackUpOptions,
): Promise<{ at: Date; bytes: number }> {
  const source = await service.work(() =>
    OnlineCopy.open(service.path, copyPath, (db) => service.replica.pinFolded(db)),
  );
  const onStep = ({ done, total }: { readonly done: number; readonly total: number }) => {
    signal.throwIfAborted();
    onProgress({ phase: 'copy', done: Math.round((source.bytes * done) / Math.max(1, total)), total: source.bytes });
  };
  try {
    await source.checkSpace('free some space on the disk of the database');
    let at = new Date();
    await source.run({ onStep, lockWaitMsMax });
    if (localFiles.withConnection(copyPath, hasUnfoldedEntries)) {
      // Only in rollback mode, where nothing is pinned unless it must be.
      await rm(copyPath, { force: true });
      await service.work(() => source.pin());
      at = new Date();
      await source.run({ onStep, lockWaitMsMax });
    }
    return { at, bytes: source.bytes };
  } finally {
    source.close();
  }
}
