/** What SQLite says of a file as a whole. On a connection that is in no transaction: a checkpoint's figures need that. */
import SqliteDatabase, { type Database } from 'better-sqlite3';
import type { ForeignKeyPlan } from '../../replication/foreign-key-plans.js';

/** Complaints of a check that are shown. */
const COMPLAINTS_MAX = 5;

export interface StorageFacts {
  /** wal, delete, truncate or persist: others are a connection's own, and not in the file. */
  readonly journalMode: string;
  readonly pageBytes: number;
  readonly pages: number;
  readonly freePages: number;
  readonly autoVacuum: 'none' | 'full' | 'incremental';
  /** Null: the file has no write-ahead log. */
  readonly wal: { readonly frames: number; readonly checkpointed: number } | null;
  /** Null: not looked for. */
  readonly deep: DeepFacts | null;
}

export interface DeepFacts {
  /** What PRAGMA quick_check complains of; empty: nothing. */
  readonly damage: readonly string[];
  /** Rows whose parent is not there, by table. */
  readonly orphans: readonly { readonly table: string; readonly parent: string; readonly rows: number }[];
}

const AUTO_VACUUM = ['none', 'full', 'incremental'] as const;

export function readStorageFacts(db: Database, keys: readonly ForeignKeyPlan[], deep: boolean): StorageFacts {
  const number = (name: string) => Number(db.pragma(name, { simple: true }));
  const journalMode = String(db.pragma('journal_mode', { simple: true }));
  return {
    journalMode,
    pageBytes: number('page_size'),
    pages: number('page_count'),
    freePages: number('freelist_count'),
    autoVacuum: AUTO_VACUUM[number('auto_vacuum')] ?? 'none',
    wal: journalMode === 'wal' ? readWal(db) : null,
    deep: deep ? { damage: readDamage(db), orphans: readOrphans(db, keys) } : null,
  };
}

/** NOOP reads the figures and moves no page. Both are -1 while nobody has written to a log. */
function readWal(db: Database): StorageFacts['wal'] {
  const [row] = db.pragma('wal_checkpoint(NOOP)') as { busy: number; log: number; checkpointed: number }[];
  if (row === undefined || row.log < 0) return { frames: 0, checkpointed: 0 };
  return { frames: row.log, checkpointed: row.checkpointed };
}

function readDamage(db: Database): string[] {
  const lines = db.pragma(`quick_check(${COMPLAINTS_MAX})`) as { quick_check: string }[];
  return lines.map((line) => line.quick_check).filter((line) => line !== 'ok');
}

/** Keys that SQLite cannot enforce, it cannot check either. */
function readOrphans(db: Database, keys: readonly ForeignKeyPlan[]): DeepFacts['orphans'] {
  const broken = new Set(keys.filter(({ broken }) => broken !== null).map(({ table }) => table));
  const tables = [...new Set(keys.map(({ table }) => table))].filter((table) => !broken.has(table));
  const count = db.prepare<[string], DeepFacts['orphans'][number]>(
    'SELECT "table", parent, count(*) AS rows FROM pragma_foreign_key_check(?) GROUP BY "table", parent',
  );
  return tables.flatMap((table) => {
    try {
      return count.all(table);
    } catch (error) {
      // A collation or a function that only the application has.
      if (error instanceof SqliteDatabase.SqliteError && error.code === 'SQLITE_ERROR') return [];
      throw error;
    }
  });
}
