/** Finds the store that a place or a backup's path means: a folder, or `s3://bucket/prefix`. */
import { basename, dirname, resolve } from 'node:path';
import { SqlsyncError } from '../../errors.js';
import { parseBackupName } from './backup-name.js';
import type { BackupStore } from './backup-store.js';
import { FolderStore } from './folder-store.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export function openStore(place: string, _env: Environment): BackupStore {
  return new FolderStore(resolve(place));
}

export interface FoundBackup {
  readonly store: BackupStore;
  readonly name: string;
}

/** Throws `usage` for a path whose name is no backup's. */
export function findBackup(path: string, env: Environment): FoundBackup {
  const name = basename(path);
  if (parseBackupName(name) === null) {
    throw new SqlsyncError('usage', `${path} is not called like a backup`, {
      hint: 'It is the file DATABASE.NODE.TIME.db.gz or .db.gz.age, beside its manifest; `sqlsync backup list` shows them.',
    });
  }
  return { store: openStore(dirname(path), env), name };
}
