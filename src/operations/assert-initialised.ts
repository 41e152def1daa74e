/** Looks at files before anybody takes their locks, so that what cannot be served is refused without a trace. */
import type { Database } from 'better-sqlite3';
import type { DatabaseConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { type NodeIdentity, readNodeIdentity } from '../replication/file-contents.js';
import { assertCurrentFormat } from '../replication/upgrade-format.js';
import type { DatabaseFiles } from './database-files.js';

/** Throws what keeps one of the files from being read, or database-not-initialised. */
export function assertInitialised(databases: readonly DatabaseConfig[], files: DatabaseFiles): void {
  for (const { path } of databases) if (!isInitialised(path, files)) throw notInitialised(path);
}

function isInitialised(path: string, files: DatabaseFiles): boolean {
  try {
    return files.withSnapshot(path, readNodeIdentity) !== null;
  } catch (error) {
    // A lock passes: who serves the file waits its turn.
    if (error instanceof SqlsyncError && error.code === 'database-locked') return true;
    throw error;
  }
}

export function notInitialised(path: string): SqlsyncError {
  return new SqlsyncError('database-not-initialised', `sqlsync is not installed in ${path}`, {
    hint: '`sqlsync init DB`, or `sqlsync join URL DB` to take part in what exists.',
  });
}

/** Whose file this is. Throws database-not-initialised, format-newer or format-older. */
export function identityIn(db: Database, path: string): NodeIdentity {
  const identity = readNodeIdentity(db);
  if (identity === null) throw notInitialised(path);
  assertCurrentFormat(identity.formatVersion, path);
  return identity;
}
