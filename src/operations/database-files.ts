/**
 * How operations reach an application's file. Who composes an operation brings the real thing (daemon/local-files.ts);
 * every error comes in the registry's words: database-missing, -not-sqlite, -damaged, -read-only, -permission, -locked,
 * -in-use, disk-full, disk-io.
 */
import type { Database } from 'better-sqlite3';
import type { EngineLimits } from '../replication/engine-options.js';
import type { Replica } from '../replication/replica.js';

export interface DatabaseFiles {
  /** The file's real path, symlinks resolved, once it is known to be a file that this user may read and write. */
  locate(path: string): string;
  /** Which file a real path leads to, for the file system. */
  fileIdentity(realPath: string): string;
  /** Runs `work` on an ordinary connection of its own, which waits some seconds for locks, and closes it. */
  withConnection<Result>(path: string, work: (db: Database) => Result): Result;
  /** The same in one consistent snapshot of the file; whatever `work` writes is rolled back. */
  withSnapshot<Result>(path: string, work: (db: Database) => Result): Result;
  /** A connection for work in several goes, between which others have their turn. The caller closes it. */
  connect(path: string): FileConnection;
  /** An ordinary connection, for work that waits for others in the middle of it. It is the caller's to close. */
  open(path: string): Database;
  /** Runs `work` on such connections; what fails is told in the registry's words. */
  withErrors<Result>(path: string, work: () => Promise<Result>): Promise<Result>;
  /** Runs `work` on the file's replica, as a daemon would. The caller holds the file's lock. */
  withReplica<Result>(path: string, limits: EngineLimits, work: (replica: Replica) => Result): Result;
  /** Takes the lock of the process that serves the file, or throws database-in-use. The file need not be there yet. */
  lock(path: string): FileLock;
}

export interface FileConnection {
  use<Result>(work: (db: Database) => Result): Result;
  close(): void;
}

export interface FileLock {
  /** The file's real path. */
  readonly path: string;
  /** Where a file in the making can stand, on the same file system. What is left there goes with the lock. */
  readonly draftPath: string;
  release(): void;
  /** Releases the lock, and takes away the folder it lives in if that was made for it. */
  abandon(): void;
  /** Releases the lock and removes the folder it lives in, with all that is in it. */
  removeFolder(): void;
}
