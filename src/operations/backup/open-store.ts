/** Finds the store that a place or a backup's path means: a folder, or `s3://bucket/prefix`. */
import { basename, resolve } from 'node:path';
import { SqlsyncError } from '../../errors.js';
import { parseBackupName } from './backup-name.js';
import type { BackupStore } from './backup-store.js';
import { FolderStore } from './folder-store.js';
import { type Environment, S3Client } from './s3-client.js';
import { parseS3Place, S3Store } from './s3-store.js';

/** Throws usage for a place that is none, backup-store for a bucket without credentials. */
export function openStore(place: string, env: Environment): BackupStore {
  const bucket = parseS3Place(place);
  return bucket === null ? new FolderStore(resolve(place)) : new S3Store(S3Client.of(bucket.bucket, env), bucket);
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
  const place = path.slice(0, path.length - name.length);
  return { store: openStore(place === '' ? '.' : place, env), name };
}
