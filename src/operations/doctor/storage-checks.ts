/** Traps of the file as a whole: its journal, its log and whoever keeps it from being emptied, its pages, its soundness. */
import { renderBytes, renderCount } from '../../render-figures.js';
import { shellWord } from '../../shell-word.js';
import { type DatabaseFinding, found } from './finding.js';
import type { LongTransaction } from './long-transactions.js';
import type { StorageFacts } from './storage-facts.js';

/** SQLite checkpoints at this many frames unless an application says otherwise. */
const AUTOCHECKPOINT_FRAMES = 1000;
/** A log this many times as long has not been checkpointed for a while. */
const CHECKPOINTS_MISSED_MAX = 4;
const WAL_BYTES_LARGE = 256 * 1024 ** 2;
const PAGE_BYTES_SMALL = 4096;
const FREE_BYTES_MANY = 64 * 1024 ** 2;
const FREE_SHARE_MANY = 0.25;

export interface StorageContext {
  readonly path: string;
  /** Size of the -wal file before this process opened the database; null: there was none. */
  readonly walBytes: number | null;
  /** May anybody have the file open? Without, what a killed program left in the log is taken in by whoever opens it. */
  readonly isInUse: boolean;
  readonly transactions: readonly LongTransaction[];
}

export function checkStorage(storage: StorageFacts, context: StorageContext): DatabaseFinding[] {
  return [
    ...inJournal(storage),
    ...inWal(storage, context),
    ...inTransactions(storage, context),
    ...inPages(storage, context),
    ...inContents(storage, context),
  ];
}

function inJournal({ journalMode }: StorageFacts): DatabaseFinding[] {
  if (journalMode === 'wal') return [];
  const message =
    'the file has a rollback journal: applications and sqlsync keep each other waiting, at most limits.lockHoldMsMax at a ' +
    'time, and an open reader keeps every commit from going through';
  return [found('journal-rollback', message, 'if the application agrees: PRAGMA journal_mode = WAL, once and for all')];
}

const uncheckpointed = ({ wal }: StorageFacts) => (wal === null ? 0 : wal.frames - wal.checkpointed);

function isStarved(storage: StorageFacts): boolean {
  return uncheckpointed(storage) > CHECKPOINTS_MISSED_MAX * AUTOCHECKPOINT_FRAMES;
}

function inWal(storage: StorageFacts, { path, walBytes, isInUse }: StorageContext): DatabaseFinding[] {
  const bytes = renderBytes(uncheckpointed(storage) * storage.pageBytes);
  if (isInUse && isStarved(storage)) {
    const message = `${bytes} of ${path}-wal are not checkpointed: a reader that stays open keeps SQLite from it, or the application has switched it off. Reads get slower, and the log grows`;
    return [
      found(
        'wal-not-checkpointed',
        message,
        `end the reader, then: sqlite3 ${shellWord(path)} 'PRAGMA wal_checkpoint(TRUNCATE)'`,
      ),
    ];
  }
  if (walBytes === null || walBytes < WAL_BYTES_LARGE) return [];
  const message = `${path}-wal takes ${renderBytes(walBytes)}: SQLite uses it again, and does not make it smaller by itself`;
  return [found('wal-large', message, `sqlite3 ${shellWord(path)} 'PRAGMA wal_checkpoint(TRUNCATE)' gives it back`)];
}

function inTransactions(storage: StorageFacts, { transactions }: StorageContext): DatabaseFinding[] {
  return transactions.flatMap(({ pid, program, kind, atLeastMs }) => {
    const who = `process ${pid} (${program})`;
    const time = `each time it was looked at, for ${atLeastMs / 1000} s`;
    if (kind === 'writer') {
      const message = `${who} had a write transaction open ${time}: nobody else can write meanwhile, and sqlsync cannot apply`;
      return [found('writer-long', message, `let it commit, or end it: kill ${pid}`)];
    }
    // In WAL mode a reader is in the way only where the log waits for it.
    if (storage.journalMode === 'wal' && uncheckpointed(storage) <= AUTOCHECKPOINT_FRAMES) return [];
    const harm =
      storage.journalMode === 'wal'
        ? 'the log cannot be checkpointed beyond what it reads'
        : 'no commit goes through meanwhile';
    return [
      found(
        'reader-long',
        `${who} had a read transaction open ${time}: ${harm}`,
        `let it finish, or end it: kill ${pid}`,
      ),
    ];
  });
}

function inPages(
  { pageBytes, pages, freePages, autoVacuum }: StorageFacts,
  { path }: StorageContext,
): DatabaseFinding[] {
  const findings: DatabaseFinding[] = [];
  const vacuum = `sqlite3 ${shellWord(path)} VACUUM, with the application stopped`;
  if (pageBytes < PAGE_BYTES_SMALL) {
    const message = `pages of ${pageBytes} bytes: rows with blobs or long texts are spread over many of them`;
    const what = 'PRAGMA page_size = 4096; VACUUM (in WAL mode: journal_mode = DELETE before, WAL after)';
    findings.push(found('page-size-small', message, what));
  }
  if (autoVacuum === 'full') {
    const message = 'auto_vacuum = FULL moves pages at every commit, those of the change log too';
    findings.push(found('auto-vacuum-full', message, 'PRAGMA auto_vacuum = INCREMENTAL does it when it is asked to'));
  }
  const freeBytes = freePages * pageBytes;
  if (freeBytes > FREE_BYTES_MANY && freePages > pages * FREE_SHARE_MANY) {
    const message = `${renderBytes(freeBytes)} of the file's ${renderBytes(pages * pageBytes)} are free pages`;
    findings.push(found('free-pages-many', message, vacuum));
  }
  return findings;
}

function inContents({ deep }: StorageFacts, { path }: StorageContext): DatabaseFinding[] {
  if (deep === null) {
    const message = 'it was not looked whether the file is sound, and whether every child row has its parent';
    return [found('integrity-unchecked', message, 'sqlsync doctor --deep reads all of it')];
  }
  const damaged = deep.damage.map((line) =>
    found(
      'integrity-failed',
      `SQLite finds the file damaged: ${line}`,
      `stop writing; sqlite3 ${shellWord(path)} 'PRAGMA integrity_check' says all; restore: sqlsync restore FILE ${shellWord(path)} --as rejoin`,
    ),
  );
  const orphans = deep.orphans.map(({ table, parent, rows }) =>
    found(
      'foreign-key-violated',
      `${renderCount(rows, 'row')} of ${table} refer to rows of ${parent} that are not there`,
      `sqlite3 ${shellWord(path)} 'PRAGMA foreign_key_check(${table})' names them`,
    ),
  );
  return [...damaged, ...orphans];
}
