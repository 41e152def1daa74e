/**
 * The file that a restore is about to replace. It may be damaged, so SQLite is asked where it can answer, and what lies
 * beside it is judged by itself: a journal is applied to whatever file has its name.
 */
import { closeSync, existsSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { SqlsyncError } from '../../errors.js';
import { shellWord } from '../../shell-word.js';
import type { DatabaseFiles } from '../database-files.js';
import { processesHolding } from '../file-holders.js';
import { assertUnused } from '../place-database.js';

/**
 * Throws database-locked when somebody has the file open, as far as locks and the system tell, and journal-remains when
 * it is not whole without what lies beside it.
 */
export function assertReplaceable(path: string, files: Pick<DatabaseFiles, 'withConnection'>): void {
  if (existsSync(path)) assertNotHeld(path);
  const journal = ['-wal', '-journal'].map((ending) => path + ending).find(holdsChanges);
  if (journal !== undefined) throw journalRemains(path, journal);
  if (!existsSync(path)) return;
  try {
    assertUnused(path, files);
  } catch (error) {
    // Nobody works with a file that SQLite cannot read.
    if (!(error instanceof SqlsyncError)) throw error;
    if (error.code !== 'database-damaged' && error.code !== 'database-not-sqlite') throw error;
  }
}

/** Takes away what has no contents and would be taken for the new file's. */
export function clearSpentJournals(path: string): void {
  for (const ending of ['-wal', '-shm', '-journal']) rmSync(path + ending, { force: true });
}

function assertNotHeld(path: string): void {
  const holders = processesHolding(path);
  if (holders.length === 0) return;
  throw new SqlsyncError('database-locked', `${path} is open in process ${holders.join(', ')}`, {
    hint: 'Stop the application and the daemon first: they would go on with the file that is put aside.',
  });
}

/** A rollback journal that is spent may stay, empty or with its header wiped (https://sqlite.org/fileformat.html, 3). */
function holdsChanges(path: string): boolean {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0 || path.endsWith('-wal')) return size > 0;
  const descriptor = openSync(path, 'r');
  try {
    const magic = Buffer.alloc(8);
    readSync(descriptor, magic, 0, magic.length, 0);
    return magic.some((byte) => byte !== 0);
  } finally {
    closeSync(descriptor);
  }
}

function journalRemains(path: string, journal: string): SqlsyncError {
  return new SqlsyncError('journal-remains', `${journal} holds what was written to ${path} last`, {
    hint: `let it go in first: sqlite3 ${shellWord(path)} 'PRAGMA wal_checkpoint(TRUNCATE)'. If the file is past that: mv ${shellWord(journal)} elsewhere`,
  });
}
