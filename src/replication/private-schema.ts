/**
 * The private schema of the applier's connection: on it neither our capture triggers nor the application's own exist,
 * save those proven to write only locally, while the file and every other connection keep them.
 *
 * In a savepoint, with `writable_schema`, the trigger rows leave sqlite_schema and a sentinel view enters it; the
 * connection is made to load that schema; the savepoint is rolled back. The file is untouched. The connection goes on
 * without the triggers until something makes it load the schema again: then the sentinel is gone, and every statement
 * that reads it fails before a row is written.
 *
 * This is an implementation detail of SQLite: better-sqlite3 is pinned, and `assertPrivateSchemaWorks` refuses to run
 * with a SQLite that behaves otherwise. DDL must never run on such a connection: it would write the private schema back.
 */
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { PREFIX } from './metadata-schema.js';
import { quoteText } from './sql-text.js';

/** The view that only the private schema has: one row, `present` = 1. */
export const SENTINEL_VIEW = `${PREFIX}private`;

const CREATE_SENTINEL = `CREATE VIEW ${SENTINEL_VIEW} AS SELECT 1 AS present`;

/** Is this SQLite's complaint that the private schema is gone? */
export function isPrivateSchemaLost(error: unknown): boolean {
  return error instanceof Error && error.message.includes(`no such table: ${SENTINEL_VIEW}`);
}

/**
 * Gives the connection its private schema, in which only `keptTriggers` are left. Works inside a transaction, or takes
 * and gives up a write lock of its own; throws SQLite's busy error when that is not to be had.
 */
export function enterPrivateSchema(db: Database, keptTriggers: readonly string[]): void {
  const kept = keptTriggers.map(quoteText).join(', ');
  db.unsafeMode(true);
  try {
    db.exec('SAVEPOINT private_schema');
    try {
      db.exec('PRAGMA writable_schema=1');
      db.exec(`DELETE FROM sqlite_schema WHERE type = 'trigger' AND name NOT IN (${kept})`);
      db.exec(
        `INSERT INTO sqlite_schema VALUES('view', ${quoteText(SENTINEL_VIEW)}, ${quoteText(SENTINEL_VIEW)}, 0, ${quoteText(CREATE_SENTINEL)})`,
      );
      db.exec('PRAGMA writable_schema=RESET');
      db.prepare(`SELECT present FROM ${SENTINEL_VIEW}`).get();
    } finally {
      db.exec('ROLLBACK TO private_schema; RELEASE private_schema');
    }
  } finally {
    db.unsafeMode(false);
  }
}

/** Is the connection's private schema in force? */
export function hasPrivateSchema(db: Database): boolean {
  try {
    db.prepare(`SELECT present FROM ${SENTINEL_VIEW}`).get();
    return true;
  } catch (error) {
    if (isPrivateSchemaLost(error)) return false;
    throw error;
  }
}

/** Back to the file's own schema, triggers and all. */
export function leavePrivateSchema(db: Database): void {
  db.pragma('writable_schema=RESET');
}

const TRIAL_SCHEMA = `CREATE TABLE t(id INTEGER PRIMARY KEY, x); CREATE TABLE fired(name);
  CREATE TRIGGER kept AFTER INSERT ON t BEGIN INSERT INTO fired VALUES('kept'); END;
  CREATE TRIGGER gone AFTER INSERT ON t BEGIN INSERT INTO fired VALUES('gone'); END;
  CREATE TRIGGER gone_update AFTER UPDATE ON t BEGIN INSERT INTO fired VALUES('gone'); END;
  CREATE TRIGGER gone_delete AFTER DELETE ON t BEGIN INSERT INTO fired VALUES('gone'); END;`;

const TRIAL_WRITES = [
  `INSERT INTO t SELECT 1, 1 FROM ${SENTINEL_VIEW} WHERE true ON CONFLICT(id) DO UPDATE SET x = excluded.x`,
  `INSERT INTO t SELECT 1, 2 FROM ${SENTINEL_VIEW} WHERE true ON CONFLICT(id) DO UPDATE SET x = excluded.x`,
  `DELETE FROM t WHERE id = 1 AND (SELECT present FROM ${SENTINEL_VIEW})`,
];

/** Tries on a database in memory that the SQLite at hand behaves as this module needs; throws when it does not. */
export function assertPrivateSchemaWorks(): void {
  const db = new SqliteDatabase(':memory:');
  const refuse = (what: string) => {
    throw new SqlsyncError(
      'private-schema-unavailable',
      `SQLite ${sqliteVersion(db)} does not support a private schema: ${what}`,
      {
        hint: 'install the better-sqlite3 version that package.json names',
      },
    );
  };
  try {
    db.exec(TRIAL_SCHEMA);
    enterPrivateSchema(db, ['kept']);
    const writes = TRIAL_WRITES.map((sql) => db.prepare(sql));
    for (const write of writes) write.run();
    const fired = db.prepare('SELECT name FROM fired').pluck().all();
    if (fired.join() !== 'kept') refuse(`triggers fired: ${fired.join() || 'none'}`);
    const inFile = db.prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'").pluck().get();
    if (inFile !== 4) refuse('the schema in the file changed');
    leavePrivateSchema(db);
    for (const write of writes)
      if (!failsForLackOfSentinel(() => write.run())) refuse('a lost private schema went unseen');
  } finally {
    db.close();
  }
}

function failsForLackOfSentinel(write: () => void): boolean {
  try {
    write();
    return false;
  } catch (error) {
    return isPrivateSchemaLost(error);
  }
}

function sqliteVersion(db: Database): string {
  return String(db.prepare('SELECT sqlite_version()').pluck().get());
}
