/**
 * SQLite's and the file system's errors about one database file, as errors of the registry: what happened, where, and
 * what to type next. Anything else is a bug and passes through unchanged.
 */
import Sqlite from 'better-sqlite3';
import { type ErrorCode, SqlsyncError } from '../../errors.js';
import { shellWord } from '../../shell-word.js';

interface Meaning {
  readonly code: ErrorCode;
  readonly says: string;
  readonly hint: string;
}

const NOT_SQLITE: Meaning = {
  code: 'database-not-sqlite',
  says: 'is not an SQLite database',
  hint: 'check the path; an encrypted database cannot be replicated',
};
const DAMAGED: Meaning = {
  code: 'database-damaged',
  says: 'is damaged',
  hint: "run `sqlite3 FILE 'PRAGMA integrity_check'`, and restore a backup if it finds errors",
};
const LOCKED: Meaning = {
  code: 'database-locked',
  says: 'is locked by another program',
  hint: 'try again; if it stays locked, find who holds it with `fuser FILE`',
};
const READ_ONLY: Meaning = {
  code: 'database-read-only',
  says: 'cannot be written',
  hint: 'give this user write permission on the file and its directory, and check that the mount is not read-only',
};
const PERMISSION: Meaning = {
  code: 'database-permission',
  says: 'cannot be opened by this user',
  hint: 'run as the user that owns the file, or give this user read and write permission on it and its directory',
};
const MISSING: Meaning = {
  code: 'database-missing',
  says: 'does not exist',
  hint: 'check the path: sqlsync creates no databases',
};
const FULL: Meaning = {
  code: 'disk-full',
  says: 'cannot be written: the disk is full',
  hint: 'free some space; nothing was changed',
};
const IO: Meaning = {
  code: 'disk-io',
  says: 'cannot be read or written: the disk reports an error',
  hint: 'look at the kernel log (`dmesg`) and the disk',
};

/** By SQLite's primary result code (https://sqlite.org/rescode.html). */
const BY_RESULT: Readonly<Record<string, Meaning>> = {
  SQLITE_NOTADB: NOT_SQLITE,
  SQLITE_CORRUPT: DAMAGED,
  SQLITE_BUSY: LOCKED,
  SQLITE_LOCKED: LOCKED,
  SQLITE_READONLY: READ_ONLY,
  SQLITE_PERM: PERMISSION,
  SQLITE_AUTH: PERMISSION,
  SQLITE_CANTOPEN: PERMISSION,
  SQLITE_FULL: FULL,
  SQLITE_IOERR: IO,
};

/** By errno, of what the file system says. */
const BY_ERRNO: Readonly<Record<string, Meaning>> = {
  ENOENT: MISSING,
  ENOTDIR: MISSING,
  EACCES: PERMISSION,
  EPERM: PERMISSION,
  EROFS: READ_ONLY,
  ENOSPC: FULL,
  EDQUOT: FULL,
  EIO: IO,
};

/** The registry's error for `error` about the file `path`; an error that is neither SQLite's nor the system's as it was. */
export function databaseError(error: unknown, path: string): unknown {
  if (error instanceof SqlsyncError) return error;
  const meaning = meaningOf(error);
  if (meaning === undefined) return error;
  // What the file system says names the path, and the same once more.
  const words = error instanceof Sqlite.SqliteError ? `: ${error.message}` : '';
  return new SqlsyncError(meaning.code, `${path} ${meaning.says}${words}`, {
    hint: meaning.hint.replaceAll('FILE', shellWord(path)),
    cause: error,
  });
}

function meaningOf(error: unknown): Meaning | undefined {
  if (error instanceof Sqlite.SqliteError) {
    const primary = error.code.split('_', 2).join('_');
    return BY_RESULT[primary];
  }
  const errno = (error as NodeJS.ErrnoException | null)?.code;
  return errno === undefined ? undefined : BY_ERRNO[errno];
}

/** Runs `work` on the file `path`, telling its errors in the registry's words. */
export function withDatabaseErrors<Result>(path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw databaseError(error, path);
  }
}
