/** Packs a copy of a database that nobody else has into a store, and removes it. */
import { rm } from 'node:fs/promises';
import type { BackupKey } from '../../operations/backup/backup-key.js';
import type { BackupProgress, BackupReport } from '../../operations/backup/backup-report.js';
import type { BackupStore } from '../../operations/backup/backup-store.js';
import { inspectCopy } from '../../operations/backup/inspect-copy.js';
import { packBackup } from '../../operations/backup/pack-backup.js';
import { storeError } from '../../operations/backup/store-errors.js';
import { PROGRAM_VERSION } from '../../program-version.js';
import { localFiles } from '../local-files.js';

export interface PackCopyOptions {
  /** The database's name in the configuration. */
  readonly database: string;
  readonly copyPath: string;
  /** Makes the copy; says when the state was that it holds, and how large it is. */
  readonly copy: () => Promise<{ readonly at: Date; readonly bytes: number }>;
  readonly store: BackupStore;
  readonly key: BackupKey | null;
  readonly onProgress: (progress: BackupProgress) => void;
  readonly signal: AbortSignal;
}

/** Throws disk-full, database-locked, backup-store, and the signal's reason. Nothing is left then. */
export async function packCopy(options: PackCopyOptions): Promise<BackupReport & { readonly name: string }> {
  const { database, copyPath, copy, store, key, onProgress, signal } = options;
  const startedMs = performance.now();
  try {
    const { at, bytes: total } = await copy();
    const contents = await inspectCopy(copyPath, localFiles, signal);
    const onBytes = (done: number) => onProgress({ phase: 'pack', done, total });
    const common = { copyPath, contents, database, at, sqlsyncVersion: PROGRAM_VERSION, store, key, onBytes, signal };
    const { name, path, bytes, sha256 } = await packBackup(common);
    return {
      name,
      path,
      bytes,
      sha256,
      rows: contents.rowsTotal,
      durationMs: Math.round(performance.now() - startedMs),
    };
  } catch (error) {
    throw storeError(error, copyPath);
  } finally {
    await removeCopy(copyPath);
  }
}

/** And what SQLite keeps beside it. */
export async function removeCopy(copyPath: string): Promise<void> {
  for (const ending of ['', '-wal', '-shm', '-journal']) await rm(copyPath + ending, { force: true });
}
