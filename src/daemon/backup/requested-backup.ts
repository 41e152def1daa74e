/** A backup that an operator has asked for: of a database that this process serves, and entered among the operations. */
import { randomBytes } from 'node:crypto';
import type { Limits } from '../../config-limits.js';
import { SqlsyncError } from '../../errors.js';
import { readBackupKey } from '../../operations/backup/backup-key.js';
import type { BackupProgress, BackupReport, BackupRequest } from '../../operations/backup/backup-report.js';
import { openStore } from '../../operations/backup/open-store.js';
import type { DatabaseService } from '../database/database-service.js';
import { backUpService } from './back-up-service.js';

export interface RequestedBackupOptions {
  readonly limits: Pick<Limits, 'lockWaitMsMax'>;
  readonly onProgress: (progress: BackupProgress) => void;
  readonly signal: AbortSignal;
}

export async function backUpOnRequest(
  service: DatabaseService,
  { to, keyFile, operator, command }: BackupRequest,
  { limits, onProgress, signal }: RequestedBackupOptions,
): Promise<BackupReport> {
  const { lockWaitMsMax } = limits;
  const key = keyFile === null ? null : readBackupKey(keyFile);
  const store = openStore(to, process.env);
  const report = await backUpService(service, { store, key, lockWaitMsMax, onProgress, signal });
  await enter(service, { operator, command }, report);
  return report;
}

/** The backup is made, whether or not the file can take the record of it now; its manifest says as much. */
async function enter(
  service: DatabaseService,
  { operator, command }: Pick<BackupRequest, 'operator' | 'command'>,
  detail: BackupReport,
): Promise<void> {
  const { replica } = service;
  const record = { id: randomBytes(16).toString('hex'), node: replica.node, operator, command, detail };
  try {
    await service.work(() => replica.recordOperation({ ...record, result: 'done' }));
  } catch (error) {
    if (!(error instanceof SqlsyncError)) throw error;
  }
}
