/** What a copy of a node's file says of itself: for the manifest of a backup, and to be compared with it later. */
import type { Database } from 'better-sqlite3';
import { readNodeIdentity } from './file-contents.js';
import { PREFIX } from './metadata-schema.js';
import { readReplicatedSchema } from './replicated-schema.js';
import { quoteIdentifier } from './sql-text.js';

export interface BackupFacts {
  readonly dataset: string;
  readonly node: string;
  readonly nodeId: string;
  readonly formatVersion: number;
  readonly schemaHash: string;
  readonly vector: Readonly<Record<string, number>>;
  readonly catchingUp: boolean;
  readonly sqliteVersion: string;
}

/** Null: sqlsync is not installed in the file. */
export function readBackupFacts(db: Database): BackupFacts | null {
  const identity = readNodeIdentity(db);
  if (identity === null) return null;
  const entries = db
    .prepare<[], [string, number]>(`SELECT name, hlc FROM ${PREFIX}session WHERE hlc IS NOT NULL ORDER BY name`)
    .raw()
    .all() as unknown as [string, number][];
  return {
    ...identity,
    schemaHash: readReplicatedSchema(db).schemaHash,
    vector: Object.fromEntries(entries),
    catchingUp: (db.prepare(`SELECT value FROM ${PREFIX}state WHERE name = 'catch_up'`).pluck().get() ?? '') !== '',
    sqliteVersion: db.prepare<[], string>('SELECT sqlite_version()').pluck().get() as string,
  };
}

/** Are there entries in the log that no node has folded, so that whoever opens the file would fold them as its own? */
export function hasUnfoldedEntries(db: Database): boolean {
  const sql = `SELECT (SELECT max(hlc) FROM ${PREFIX}log) > (SELECT value FROM ${PREFIX}state WHERE name = 'folded')`;
  return db.prepare(sql).pluck().get() === 1;
}

/** The application's tables and a statement each that counts the rows, by name. */
export function rowCountStatements(db: Database): { readonly table: string; readonly sql: string }[] {
  const names = db
    .prepare<[], string>(
      `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
       AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_sqlsync\\_%' ESCAPE '\\' ORDER BY name`,
    )
    .pluck()
    .all();
  return names.map((table) => ({ table, sql: `SELECT count(*) FROM main.${quoteIdentifier(table)}` }));
}
