/** A backup now: by the daemon that serves the file, or by this process while none does. */
import { type Config, type DatabaseConfig, pickDatabase } from '../../config.js';
import { SqlsyncError } from '../../errors.js';
import { assertInitialised } from '../assert-initialised.js';
import { findAnyDaemon } from '../find-any-daemon.js';
import type { Machine } from '../machine.js';
import type { FindDaemon } from '../running-daemon.js';
import type { BackupProgress, BackupReport, BackupRequest } from './backup-report.js';

export interface BackUpDeps extends Pick<Machine, 'files' | 'operator'> {
  readonly findDaemon: FindDaemon;
  /** The same by this process, which takes the file's lock for it. */
  readonly backUpOnce: (database: DatabaseConfig, request: BackupRequest) => Promise<BackupReport>;
  readonly onProgress: (progress: BackupProgress) => void;
  readonly signal: AbortSignal;
}

export interface BackupPlace {
  readonly to: string;
  readonly keyFile: string | null;
}

/** Where backups go: what was asked for, else what the configuration says. Throws usage when neither says. */
export function backupPlace(
  config: Config | null,
  asked: { readonly to?: string | undefined; readonly keyFile?: string | undefined },
): BackupPlace {
  const to = asked.to ?? config?.backup?.to;
  if (to !== undefined) return { to, keyFile: asked.keyFile ?? config?.backup?.keyFile ?? null };
  throw new SqlsyncError('usage', 'it is not said where backups are', {
    hint: 'name the place: --to DIR, or backup.to in sqlsync.yml',
  });
}

export async function backUpDatabase(
  config: Config,
  {
    database: name,
    place,
    command,
  }: { readonly database: string | undefined; readonly place: BackupPlace; readonly command: string },
  deps: BackUpDeps,
): Promise<BackupReport> {
  const database = pickDatabase(config, name);
  const request = { database: database.name, ...place, operator: deps.operator, command };
  const daemon = await findAnyDaemon([database], deps);
  if (daemon !== null) return daemon.backUp(request, deps.onProgress, deps.signal);
  assertInitialised([database], deps.files);
  return deps.backUpOnce(database, request);
}
