/**
 * Columns that were renamed by making their table anew: nothing tells it but that the new column holds, in every row,
 * what the old one held. A column of nothing but defaults is no evidence, and treated as new.
 */
import type { Database } from 'better-sqlite3';
import { hasKey, haveSameKey, sameKey } from './compared-keys.js';
import { shippedColumns } from './registry.js';
import { quoteIdentifier } from './sql-text.js';
import { BEFORE, differsSql } from './table-differences.js';
import type { CapturedTable, ColumnSchema, TableSchema } from './table-schema.js';

/** More columns that went and came are not tried against each other. */
const COLUMNS_MAX = 3;

/** Old name → new name. `after` is the table that bears the name in `main` now, which reads what `before` was. */
export function findRenamedColumns(db: Database, before: CapturedTable, after: TableSchema): Map<string, string> {
  const renamed = new Map<string, string>();
  if (!haveSameKey(before.schema, after)) return renamed;
  const present = shippedColumns(after);
  const known = before.columns.map(({ name }) => name);
  const gone = before.schema.columns.filter(({ name }) => known.includes(name) && !present.includes(name));
  const come = after.columns.filter(({ name }) => present.includes(name) && !known.includes(name));
  if (gone.length > COLUMNS_MAX || come.length > COLUMNS_MAX) return renamed;
  for (const old of gone) {
    const taken = new Set(renamed.values());
    const same = come.find((column) => !taken.has(column.name) && isSameColumn(db, { before, after }, old, column));
    if (same !== undefined) renamed.set(old.name, same.name);
  }
  return renamed;
}

interface Tables {
  readonly before: CapturedTable;
  readonly after: TableSchema;
}

function isSameColumn(db: Database, { before, after }: Tables, old: ColumnSchema, now: ColumnSchema): boolean {
  if (old.affinity !== now.affinity) return false;
  const exists = (sql: string) => db.prepare(`SELECT EXISTS(${sql})`).pluck().get() === 1;
  const rows = `SELECT 1 FROM main.${quoteIdentifier(after.name)} AS a`;
  const column = `a.${quoteIdentifier(now.name)}`;
  if (!exists(`${rows} WHERE ${column} IS NOT (${now.defaultSql ?? 'NULL'})`)) return false;
  const join = `JOIN ${BEFORE}.${quoteIdentifier(before.name)} AS b ON ${sameKey(before.schema, after)}`;
  return !exists(
    `${rows} ${join} WHERE ${hasKey(after, 'a')} AND (${differsSql(column, `b.${quoteIdentifier(old.name)}`)})`,
  );
}
