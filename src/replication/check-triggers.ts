/**
 * OR REPLACE removes rows that stand in the way of a secondary UNIQUE index, and fires no delete trigger for them unless
 * the application turned recursive_triggers on. So before an insert or update these triggers log a `check` of the row
 * that holds the value; the fold looks whether it is still there.
 */
import { appendEntry } from './log-entry.js';
import { OP, PREFIX } from './metadata-schema.js';
import { quoteIdentifier } from './sql-text.js';
import { sameKeySql } from './table-identity.js';
import type { CapturedTable, IndexTerm, TableSchema, UniqueIndexSchema } from './table-schema.js';

/** Two triggers per UNIQUE index beyond the identity. */
export function checkTriggers(table: CapturedTable): { name: string; sql: string }[] {
  return table.schema.uniqueIndexes.flatMap((index, i) => [
    checkTrigger(table, index, `${PREFIX}${table.id}_check${i + 1}_insert`, 'INSERT'),
    checkTrigger(table, index, `${PREFIX}${table.id}_check${i + 1}_update`, 'UPDATE'),
  ]);
}

/**
 * SQL that is true of the stored row that a new row collides with in the index; it stands in a WHERE over the table under
 * its own name. `newValue` says how the new row's column is written there: NEW."x" in a trigger, a parameter elsewhere.
 * The stored row has to be in a partial index; whether the new one enters it is not asked.
 */
export function uniqueMatch(
  table: TableSchema,
  index: UniqueIndexSchema,
  newValue: (column: string) => string,
): string {
  const terms = index.terms.map((term) => termMatch(table, term, newValue));
  return [...terms, ...(index.where === null ? [] : [`(${index.where})`])].join(' AND ');
}

function termMatch(table: TableSchema, term: IndexTerm, newValue: (column: string) => string): string {
  const collate = ` COLLATE ${quoteIdentifier(term.collation)}`;
  if (term.column === null) {
    const row = term.reads.map((column) => `${newValue(column)} AS ${quoteIdentifier(column)}`).join(',');
    const value = `(SELECT ${term.expression}${row === '' ? '' : ` FROM(SELECT ${row})`})`;
    return `(${term.expression})${collate}=${value}`;
  }
  const schema = table.columns.find((column) => column.name === term.column);
  const isOwn = schema?.collation.toUpperCase() === term.collation.toUpperCase();
  // What a NOT NULL column is given instead of NULL under OR REPLACE is decided only after BEFORE triggers have run.
  const hasDefault = schema?.notNull === true && schema.defaultSql !== null;
  const value = hasDefault ? `coalesce(${newValue(term.column)},(${schema.defaultSql}))` : newValue(term.column);
  return `${quoteIdentifier(term.column)}${isOwn ? '' : collate}=${value}`;
}

function checkTrigger(table: CapturedTable, index: UniqueIndexSchema, name: string, event: 'INSERT' | 'UPDATE') {
  const from = `FROM ${quoteIdentifier(table.name)} WHERE`;
  const match = uniqueMatch(table.schema, index, (column) => `NEW.${quoteIdentifier(column)}`);
  const keys = table.schema.identity.columns.map((column) => quoteIdentifier(column.name));
  const isOther = event === 'UPDATE' ? ` AND NOT(${sameKeySql(table.schema, '', 'OLD.')})` : '';
  const entry = appendEntry({
    tableId: table.id,
    op: OP.check,
    masks: [],
    key: keys.map((key) => `(SELECT ${key} ${from} ${match}${isOther})`),
  });
  return {
    name,
    sql: `CREATE TRIGGER ${name} BEFORE ${event}${event === 'UPDATE' ? updateOf(index) : ''} ON ${quoteIdentifier(table.name)} WHEN EXISTS(SELECT 1 ${from} ${match}${isOther}) BEGIN ${entry} END`,
  };
}

/** An update can only collide in an index if it sets one of its columns; a WHERE or expression may depend on any. */
function updateOf(index: UniqueIndexSchema): string {
  const columns = index.terms.map((term) => term.column);
  if (index.where !== null || columns.includes(null)) return '';
  return ` OF ${columns.map((column) => quoteIdentifier(column ?? '')).join(',')}`;
}
