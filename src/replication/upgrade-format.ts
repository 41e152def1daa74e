/**
 * Brings a file of an older format up to this version's, step by step, in one transaction: whoever opens it meets one
 * format or the other. Nothing else of a file is touched, so capture goes on meanwhile as it was. The rest of the engine
 * knows no format but its own: it refuses a file by `assertCurrentFormat`.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { FORMAT_VERSION, PREFIX } from './metadata-schema.js';

/** Format → what makes the next one of it: see docs/decisions/0029-upgrades.md before you add one. */
const STEPS: ReadonlyMap<number, (db: Database) => void> = new Map([[1, addUnsaid]]);

/** The format of a file that has been initialised. */
export function formatOf(db: Database): number {
  return Number(db.prepare(`SELECT value FROM ${PREFIX}state WHERE name = 'format'`).pluck().get());
}

/** Throws format-newer or format-older. `what` names the file in the message. */
export function assertCurrentFormat(format: number, what: string): void {
  assertNotNewer(format, what);
  if (format < FORMAT_VERSION) throw olderFormat(format, what);
}

/** Throws format-newer. */
export function assertNotNewer(format: number, what: string): void {
  if (format <= FORMAT_VERSION) return;
  throw new SqlsyncError('format-newer', `${what} has format ${format}, this version knows ${FORMAT_VERSION}`, {
    hint: 'upgrade sqlsync on this machine, or go back to a backup from before: docs/operations.md, "Upgrade"',
  });
}

export function olderFormat(format: number, what: string): SqlsyncError {
  return new SqlsyncError('format-older', `${what} has format ${format}, this version writes ${FORMAT_VERSION}`, {
    hint: '`sqlsync start`, or a restart of the daemon that serves it, backs it up and upgrades it',
  });
}

/**
 * Upgrades the file, on an ordinary connection, and does `also` in the same transaction. Returns the format that it had;
 * null: it is this version's, and nothing is done. Throws format-newer, and SQLite's busy error.
 */
export function upgradeFormat(db: Database, what: string, also: (from: number) => void = () => {}): number | null {
  const upgrade = () => {
    const from = formatOf(db);
    assertNotNewer(from, what);
    if (from === FORMAT_VERSION) return null;
    for (let format = from; format < FORMAT_VERSION; format += 1) {
      const step = STEPS.get(format);
      if (step === undefined) throw new Error(`nothing leads from format ${format} to the next`);
      step(db);
    }
    db.prepare(`UPDATE ${PREFIX}state SET value = ? WHERE name = 'format'`).run(BigInt(FORMAT_VERSION));
    also(from);
    return from;
  };
  return db.transaction(upgrade).immediate();
}

interface StoredTable {
  readonly name: string;
  readonly sql: string;
}

/** What `cols TEXT` stood before, in format 1: nothing of an application's is in these tables but names of collations. */
const BEFORE_UNSAID = 'cols TEXT, UNIQUE(';
const WITH_UNSAID = 'cols TEXT, unsaid TEXT, UNIQUE(';

/**
 * 1 → 2: a column `unsaid` at the end of every metadata table, those of tables that are gone included. ALTER TABLE would
 * change the stored text in the same way, but reads the whole schema anew each time: seconds for a thousand tables.
 */
function addUnsaid(db: Database): void {
  const tables = db
    .prepare<[], StoredTable>(
      `SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND name GLOB '${PREFIX}meta_[0-9]*'`,
    )
    .all();
  const changed = tables.flatMap(({ name, sql }) => {
    if (sql.includes(WITH_UNSAID)) return [];
    const at = sql.lastIndexOf(BEFORE_UNSAID);
    if (at >= 0) return [{ name, sql: sql.slice(0, at) + WITH_UNSAID + sql.slice(at + BEFORE_UNSAID.length) }];
    throw new SqlsyncError('database-damaged', `${name} is not what it is in format 1`, {
      hint: 'restore a backup: `sqlsync backup list`',
    });
  });
  if (changed.length > 0) rewriteTables(db, changed);
}

/** Rows that are there already read NULL in columns that come at the end. */
function rewriteTables(db: Database, tables: readonly StoredTable[]): void {
  db.unsafeMode(true);
  try {
    db.pragma('writable_schema = ON');
    const update = db.prepare<[string, string]>(
      `UPDATE main.sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?`,
    );
    for (const { name, sql } of tables) update.run(sql, name);
    // Other connections load the schema anew when its number has changed; this one is made to.
    db.pragma(`schema_version = ${Number(db.pragma('schema_version', { simple: true })) + 1}`);
  } finally {
    db.pragma('writable_schema = RESET');
    db.unsafeMode(false);
  }
  db.prepare('SELECT 1 FROM main.sqlite_schema').get();
}
