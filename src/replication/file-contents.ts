/** What a file holds before anything is done to it: who it belongs to, and whether an application has rows in it. */
import type { Database } from 'better-sqlite3';
import { ChangeLog } from './change-log.js';
import { PREFIX } from './metadata-schema.js';
import { quoteIdentifier } from './sql-text.js';

export interface NodeIdentity {
  readonly dataset: string;
  readonly node: string;
  readonly nodeId: string;
  readonly formatVersion: number;
}

/** Null: sqlsync is not installed in the file. */
export function readNodeIdentity(db: Database): NodeIdentity | null {
  const isInstalled = db.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '${PREFIX}state'`).get();
  if (isInstalled === undefined) return null;
  const select = db.prepare(`SELECT value FROM ${PREFIX}state WHERE name = ?`).pluck();
  const text = (name: string) => String(select.get(name));
  return {
    dataset: text('dataset'),
    node: text('node'),
    nodeId: text('node_id'),
    formatVersion: Number(select.get('format')),
  };
}

/** The HLC of the newest log entry of a file that has been initialised. */
export function lastLogEntry(db: Database): number {
  return new ChangeLog(db).last();
}

/** Is there nothing at all in the file, as in one that SQLite has only just made? */
export function isBlank(db: Database): boolean {
  return db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
}

/** A table of the application that has a row; null: none has. Virtual tables are asked too, their shadows are not. */
export function tableWithRows(db: Database): string | null {
  const names = db
    .prepare(
      `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual')
       AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_sqlsync\\_%' ESCAPE '\\' ORDER BY name`,
    )
    .pluck()
    .all() as string[];
  return names.find((name) => hasRow(db, name)) ?? null;
}

/** A virtual table whose module is not here cannot be asked, and is no sign that the file may go. */
function hasRow(db: Database, name: string): boolean {
  try {
    return db.prepare(`SELECT 1 FROM ${quoteIdentifier(name)} LIMIT 1`).get() !== undefined;
  } catch (error) {
    if ((error as { code?: string }).code === 'SQLITE_ERROR') return true;
    throw error;
  }
}
