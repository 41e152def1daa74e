/**
 * Tables that do not replicate are each node's own. A node that seeds itself afresh gets a peer's with the snapshot, and
 * takes its own along from the file that it had, where both have them alike. Virtual tables stay as they came: what they
 * hold goes with the rows of the snapshot.
 */
import type { Database } from 'better-sqlite3';
import { isOurs } from './read-schema.js';
import { readRegistryEntries } from './registry.js';
import { quoteIdentifier } from './sql-text.js';

/** The schema name under which the former file is attached. */
export const FORMER = 'former';

export interface LocalTables {
  /** Alike in both files: their rows can be taken along. */
  readonly inBoth: readonly string[];
  /** With rows in the attached file, and no such table here, or another one, or one that replicates by now. */
  readonly onlyThere: readonly string[];
}

/** Tables of the attached file that are each node's own. */
export function findLocalTables(db: Database): LocalTables {
  const capturedIn = (schema: string) => new Set(readRegistryEntries(db, schema).map(({ name }) => name));
  const [here, there] = [capturedIn('main'), capturedIn(FORMER)];
  const sqlOf = (schema: string, name: string) =>
    db
      .prepare<[string], string>(`SELECT sql FROM ${schema}.sqlite_schema WHERE type = 'table' AND name = ?`)
      .pluck()
      .get(name);
  const own = tableNames(db, FORMER).filter((name) => !isOurs(name) && !there.has(name));
  const isAlike = (name: string) => !here.has(name) && sqlOf('main', name) === sqlOf(FORMER, name);
  return { inBoth: own.filter(isAlike), onlyThere: own.filter((name) => !isAlike(name) && hasRows(db, name)) };
}

function tableNames(db: Database, schema: string): string[] {
  return db
    .prepare<[string], string>(
      `SELECT name FROM pragma_table_list WHERE schema = ? AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name`,
    )
    .pluck()
    .all(schema);
}

function hasRows(db: Database, name: string): boolean {
  return (
    db
      .prepare(`SELECT EXISTS(SELECT 1 FROM ${FORMER}.${quoteIdentifier(name)})`)
      .pluck()
      .get() === 1
  );
}

/** Replaces the rows of these tables by those of the attached file, inside the caller's transaction. */
export function takeLocalTables(db: Database, names: readonly string[]): void {
  for (const name of names) {
    const table = quoteIdentifier(name);
    const columns = columnsOf(db, name).map(quoteIdentifier).join(', ');
    db.exec(`DELETE FROM main.${table}`);
    db.exec(`INSERT INTO main.${table}(${columns}) SELECT ${columns} FROM ${FORMER}.${table}`);
  }
}

/** Generated columns are computed anew; a rowid that no column names is kept as well. */
function columnsOf(db: Database, name: string): string[] {
  const columns = db
    .prepare<[string], { name: string; pk: number; type: string }>(
      `SELECT name, pk, type FROM pragma_table_xinfo(?, 'main') WHERE hidden = 0`,
    )
    .all(name);
  const withoutRowid = db
    .prepare<[string], number>(`SELECT wr FROM pragma_table_list(?) WHERE schema = 'main'`)
    .pluck()
    .get(name);
  const names = columns.map((column) => column.name);
  const hidden = ['rowid', '_rowid_', 'oid'].find((alias) => !names.some((column) => column.toLowerCase() === alias));
  const key = columns.filter(({ pk }) => pk > 0);
  const isPinned = key.length === 1 && key[0]?.type.toUpperCase() === 'INTEGER';
  return withoutRowid === 0 && !isPinned && hidden !== undefined ? [hidden, ...names] : names;
}
