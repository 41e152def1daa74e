/** Backups by schedule, with what retention takes away after each; and the drill that restores the newest one aside. */
import { randomBytes } from 'node:crypto';
import type { Config } from '../../config.js';
import { SqlsyncError } from '../../errors.js';
import { readBackupKey } from '../../operations/backup/backup-key.js';
import { newestBackup, pruneBackups } from '../../operations/backup/list-backups.js';
import { openStore } from '../../operations/backup/open-store.js';
import { verifyBackup } from '../../operations/backup/verify-backup.js';
import { renderBytes, renderCount } from '../../render-figures.js';
import { backUpService } from '../backup/back-up-service.js';
import type { DatabaseService } from '../database/database-service.js';
import { localFiles } from '../local-files.js';
import type { Job } from './job.js';

type BackupConfig = NonNullable<Config['backup']>;

export function backupJob(schedule: string, { to, keyFile, keep }: BackupConfig, lockWaitMsMax: number): Job {
  return {
    kind: 'backup',
    schedule,
    run: async (service, signal) => {
      const store = openStore(to, process.env);
      const key = keyFile === null ? null : readBackupKey(keyFile);
      const report = await backUpService(service, { store, key, lockWaitMsMax, onProgress: () => {}, signal });
      const removed = await pruneBackups(store, ownerOf(service), keep, false);
      const { path, bytes, rows } = report;
      const gone = removed.length === 0 ? '' : `; ${renderCount(removed.length, 'older one')} taken away`;
      return {
        says: `backed up to ${path}: ${renderBytes(bytes)}, ${renderCount(rows, 'row')}${gone}`,
        detail: { ...report, removed: removed.map((item) => item.path) },
      };
    },
  };
}

export function drillJob(schedule: string, { to, keyFile }: BackupConfig): Job {
  return {
    kind: 'drill',
    schedule,
    run: async (service, signal) => {
      const store = openStore(to, process.env);
      const newest = await newestBackup(store, ownerOf(service));
      if (newest === null) throw noBackup(service, to);
      const key = keyFile === null ? null : readBackupKey(keyFile);
      const copyPath = service.side.snapshotPath(`drill-${randomBytes(8).toString('hex')}`);
      const backup = { store, name: newest.name };
      const deps = { files: localFiles, now: () => new Date() };
      const verified = await verifyBackup({ backup, key, copyPath, onBytes: () => {}, signal }, deps);
      const { path, ok, problems, rows, durationMs } = verified;
      if (!ok) {
        throw new SqlsyncError('backup-damaged', `${path}: ${problems.join('; ')}`, { hint: 'sqlsync backup list' });
      }
      const says = `restored ${path} aside in ${durationMs} ms: ${renderCount(rows ?? 0, 'row')}, as it should be`;
      return { says, detail: verified };
    },
  };
}

function ownerOf({ name, replica }: DatabaseService) {
  return { database: name, node: replica.node };
}

function noBackup({ name }: DatabaseService, to: string): SqlsyncError {
  return new SqlsyncError('backup-missing', `there is no backup of ${name} in ${to} to restore`, {
    hint: 'sqlsync backup',
  });
}
