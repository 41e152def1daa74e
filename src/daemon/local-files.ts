/** The files of this machine, as operations reach them: see operations/database-files.ts. */
import { randomBytes } from 'node:crypto';
import { existsSync, realpathSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import type { DatabaseFiles, FileConnection, FileLock } from '../operations/database-files.js';
import type { EngineLimits } from '../replication/engine-options.js';
import { Replica } from '../replication/replica.js';
import { databaseError, withDatabaseErrors } from './file/database-error.js';
import { DatabaseLock } from './file/database-lock.js';
import { fileIdentity } from './file/file-identity.js';
import { checkDatabaseFile, openDatabase } from './file/open-database.js';
import { SideDirectory } from './file/side-directory.js';

/** How long an operator's command waits for a lock of the application: blocking, since it has nothing else to do. */
const LOCK_WAIT_MS = 5_000;

const clock = { nowMs: () => Date.now() };
const random = { hex: (bytes: number) => randomBytes(bytes).toString('hex') };

export const localFiles: DatabaseFiles = {
  locate: checkDatabaseFile,
  fileIdentity: (realPath) => fileIdentity(realPath) ?? '',
  withConnection: (path, work) => withOpened(checkDatabaseFile(path), path, work),
  withSnapshot: (path, work) =>
    withOpened(checkDatabaseFile(path), path, (db) => {
      // Never committed: closing the connection rolls back.
      db.exec('BEGIN');
      return work(db);
    }),
  connect: (path) => openFile(checkDatabaseFile(path), path),
  open: (path) => withDatabaseErrors(path, () => openToWork(checkDatabaseFile(path))),
  withErrors: async (path, work) => {
    try {
      return await work();
    } catch (error) {
      throw databaseError(error, path);
    }
  },
  withReplica,
  lock: lockFile,
};

function openToWork(real: string): Database {
  const db = new Sqlite(real, { fileMustExist: true, timeout: LOCK_WAIT_MS });
  // Dropping a table deletes its rows first, and enforcement would look for children of each.
  db.pragma('foreign_keys = OFF');
  return db;
}

function withReplica<Result>(path: string, limits: EngineLimits, work: (replica: Replica) => Result): Result {
  return withDatabaseErrors(path, () => {
    const { writer, reader, install, close } = openDatabase(path, LOCK_WAIT_MS);
    try {
      return work(Replica.open({ writer, reader, install, clock, random, limits }));
    } finally {
      close();
    }
  });
}

function withOpened<Result>(real: string, path: string, work: (db: Database) => Result): Result {
  const connection = openFile(real, path);
  try {
    return connection.use(work);
  } finally {
    connection.close();
  }
}

function openFile(real: string, path: string): FileConnection {
  const db = withDatabaseErrors(path, () => openToWork(real));
  return {
    use: (work) => withDatabaseErrors(path, () => work(db)),
    close: () => db.close(),
  };
}

function lockFile(path: string): FileLock {
  const real = existsSync(path)
    ? checkDatabaseFile(path)
    : withDatabaseErrors(dirname(path), () => join(realpathSync(dirname(path)), basename(path)));
  const isFirst = !existsSync(SideDirectory.at(real).path);
  const side = SideDirectory.open(real);
  const lock = DatabaseLock.take(side, new Date());
  const draftPath = side.snapshotPath('draft');
  const release = () => {
    removeDraft(draftPath);
    lock.release();
  };
  const removeFolder = () => {
    // In this order nobody else can take a lock that is about to lose its folder.
    rmSync(side.path, { recursive: true, force: true });
    lock.release();
  };
  removeDraft(draftPath);
  return { path: real, draftPath, release, removeFolder, abandon: isFirst ? removeFolder : release };
}

function removeDraft(path: string): void {
  for (const ending of ['', '-wal', '-shm', '-journal']) rmSync(path + ending, { force: true });
}
