/**
 * Drops and creates triggers by the hundred. Every CREATE TRIGGER reads all of sqlite_schema, so that a file of some
 * thousand tables would take minutes; rows written to sqlite_schema itself and loaded once take a second.
 */
import type { Database } from 'better-sqlite3';
import type { Trigger } from './capture-triggers.js';

export interface TriggerOnTable extends Trigger {
  readonly table: string;
}

/**
 * (`temp.` finds json_each also where a table of the application's bears that name.)
 * Call it inside a transaction, on a connection without a private schema. The new schema is loaded before it returns:
 * one that SQLite does not accept throws, and the caller's rollback leaves the file as it was.
 */
export function writeTriggers(db: Database, drop: readonly string[], create: readonly TriggerOnTable[]): void {
  if (drop.length + create.length === 0) return;
  const version = Number(db.pragma('schema_version', { simple: true }));
  db.unsafeMode(true);
  try {
    db.pragma('writable_schema = ON');
    const remove = db.prepare<[string]>(
      `DELETE FROM main.sqlite_schema WHERE type = 'trigger' AND name IN (SELECT value FROM temp.json_each(?))`,
    );
    const insert = db.prepare<[string, string, string]>(
      `INSERT INTO main.sqlite_schema(type, name, tbl_name, rootpage, sql) VALUES('trigger', ?, ?, 0, ?)`,
    );
    remove.run(JSON.stringify(drop));
    for (const { name, table, sql } of create) insert.run(name, table, sql);
    // Other connections load the schema anew when its number has changed; this one is made to.
    db.pragma(`schema_version = ${version + 1}`);
  } finally {
    db.pragma('writable_schema = RESET');
    db.unsafeMode(false);
  }
  db.prepare('SELECT 1 FROM main.sqlite_schema').get();
}
