/**
 * Rows without identity: a PRIMARY KEY that SQLite lets be NULL, as it does unless the column says NOT NULL or the table
 * is STRICT, WITHOUT ROWID or keyed by an INTEGER PRIMARY KEY.
 */
import type { Database } from 'better-sqlite3';
import type { ReplicatedTable } from './replicated-table.js';
import { quoteIdentifier } from './sql-text.js';
import type { TableSchema } from './table-schema.js';

/** Why a table that holds such rows cannot be captured. */
export const NULL_KEYS = 'it holds rows whose key is NULL: they cannot be told apart';

/** The key columns in which SQLite would accept NULL. */
export function nullableKeyColumns(table: TableSchema): string[] {
  if (table.identity.source === 'integer-primary-key') return [];
  const nullable = new Set(table.columns.filter((column) => !column.notNull).map((column) => column.name));
  return table.identity.columns.map((column) => column.name).filter((name) => nullable.has(name));
}

/** Does the table hold such a row? Found through the key's index: the table itself is not read. */
export function hasNullKey(db: Database, table: TableSchema): boolean {
  const name = quoteIdentifier(table.name);
  return nullableKeyColumns(table).some((column) => {
    const sql = `SELECT EXISTS(SELECT 1 FROM main.${name} WHERE ${quoteIdentifier(column)} IS NULL)`;
    return db.prepare<[], number>(sql).safeIntegers(false).pluck().get() === 1;
  });
}

/** Names of the tables that hold such a row still; the others are taken out. */
export function stillWithNullKey(tables: Set<ReplicatedTable>, db: Database): string[] {
  for (const table of tables) if (!hasNullKey(db, table.captured.schema)) tables.delete(table);
  return [...tables].map(({ captured }) => captured.name).sort();
}
