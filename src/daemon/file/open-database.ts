/**
 * Opens the handles that the daemon needs on one application's file, or says why it cannot be had.
 *
 * The file is never opened outside SQLite here: closing such a descriptor would drop SQLite's POSIX locks in this whole
 * process (https://sqlite.org/howtocorrupt.html, section 2.2). Looking at its directory entry is harmless. Its journal
 * mode is the application's affair and never touched.
 */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { SqlsyncError } from '../../errors.js';
import { databaseError, withDatabaseErrors } from './database-error.js';

/**
 * How long a handle waits inside SQLite for a lock. The wait blocks the event loop, so it is short; whoever needs more
 * tries again between turns of the loop (locked-file.ts).
 */
export const BUSY_TIMEOUT_MS = 25;

/**
 * Page cache of each handle, in KiB. The writer meets rows in no order; the others read in order, or next to nothing.
 * better-sqlite3's own default of 16,000 for each would be a third of the daemon's memory.
 */
const CACHE_KIB = { writer: 16_000, reader: 2_000, other: 500 } as const;

export interface DatabaseHandles {
  /** The file's real path: symlinks resolved. */
  readonly path: string;
  /** Folds and applies. The engine gives it a private schema, so nothing else may use it. */
  readonly writer: Database;
  /** Reads cuts and figures. */
  readonly reader: Database;
  /** Ordinary schema and ordinary DDL: repairing triggers. */
  readonly install: Database;
  /** Watches PRAGMA data_version. It never waits for a lock. */
  readonly watch: Database;
  close(): void;
}

/**
 * Checks and opens the file. Throws the registry's database-missing, -not-sqlite, -damaged, -read-only, -permission,
 * -locked, disk-full or disk-io.
 * @param busyMs how long a handle waits inside SQLite: longer only where nothing else is to be done meanwhile
 */
export function openDatabase(path: string, busyMs = BUSY_TIMEOUT_MS): DatabaseHandles {
  const real = checkDatabaseFile(path);
  const opened: Database[] = [];
  const open = (timeout: number, cacheKib: number): Database => {
    const db = new Sqlite(real, { fileMustExist: true, timeout });
    opened.push(db);
    unlessBusy(() => db.pragma(`cache_size = -${cacheKib}`));
    return db;
  };
  const close = (): void => {
    for (const db of opened) db.close();
  };
  try {
    const writer = open(busyMs, CACHE_KIB.writer);
    // Cascades arrive as changes of their own, so enforcement would apply them twice.
    writer.pragma('foreign_keys = OFF');
    checkReadable(writer);
    const reader = open(busyMs, CACHE_KIB.reader);
    reader.pragma('query_only = ON');
    const watch = open(0, CACHE_KIB.other);
    watch.pragma('query_only = ON');
    return { path: real, writer, reader, install: open(busyMs, CACHE_KIB.other), watch, close };
  } catch (error) {
    close();
    throw databaseError(error, path);
  }
}

/** Looks at the directory entry: is there a file, and may this user read and write it and its directory? */
export function checkDatabaseFile(path: string): string {
  return withDatabaseErrors(path, () => {
    const real = realpathSync(path);
    if (!statSync(real).isFile()) {
      throw new SqlsyncError('database-not-sqlite', `${path} is not a file`, {
        hint: 'check the path: it is to be an SQLite file',
      });
    }
    accessSync(real, constants.R_OK);
    checkWritable(real, path);
    // SQLite makes and removes its journal beside the file.
    checkWritable(dirname(real), path);
    return real;
  });
}

function checkWritable(entry: string, path: string): void {
  try {
    accessSync(entry, constants.W_OK);
  } catch (cause) {
    throw new SqlsyncError('database-read-only', `${path} cannot be written: no write permission on ${entry}`, {
      hint: 'give this user write permission on the file and its directory, and check that the mount is not read-only',
      cause,
    });
  }
}

/**
 * Reads the schema: SQLite looks at the header and the schema only now, not when it opens a file. What this check is for
 * is a file that can never be read.
 */
function checkReadable(db: Database): void {
  unlessBusy(() => db.prepare('SELECT count(*) FROM sqlite_schema').get());
}

/** What needs the schema but can be done without: a lock that an application holds passes, and the engine waits its turn. */
function unlessBusy(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')) return;
    throw error;
  }
}
