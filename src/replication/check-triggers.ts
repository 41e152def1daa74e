/**
 * OR REPLACE removes rows that stand in the way of a secondary UNIQUE index, and fires no delete trigger for them unless
 * the application turned recursive_triggers on. So before an insert or update these triggers log a `check` of the row
 * that holds the value; the fold looks whether it is still there.
 */
import { appendEntry } from './log-entry.js';
import { OP, PREFIX } from './metadata-schema.js';
import { parseExpression } from './sql-expression.js';
import { quoteIdentifier } from './sql-text.js';
import { tokenizeSql } from './sql-tokens.js';
import { sameKeySql } from './table-identity.js';
import type { CapturedTable, ColumnSchema, IndexTerm, TableSchema, UniqueIndexSchema } from './table-schema.js';

/** Two triggers per UNIQUE index beyond the identity. */
export function checkTriggers(table: CapturedTable): { name: string; sql: string }[] {
  return table.schema.uniqueIndexes.flatMap((index, i) => [
    checkTrigger(table, index, `${PREFIX}${table.id}_check${i + 1}_insert`, 'INSERT'),
    checkTrigger(table, index, `${PREFIX}${table.id}_check${i + 1}_update`, 'UPDATE'),
  ]);
}

/** How the new row's column is written where the condition stands: NEW."x" in a trigger, a parameter elsewhere. */
type NewValue = (column: string) => string;

/**
 * SQL that is true of the stored row that a new row collides with in the index; it stands in a WHERE over the table under
 * its own name. `newValue` is asked for columns that are not generated. The stored row has to be in a partial index;
 * whether the new one enters it is not asked.
 */
export function uniqueMatch(table: TableSchema, index: UniqueIndexSchema, newValue: NewValue): string {
  const terms = index.terms.map((term) => {
    const collate = ` COLLATE ${quoteIdentifier(term.collation)}`;
    if (term.column === null) return `(${term.expression})${collate}=${computedValue(table, term, newValue)}`;
    const column = columnOf(table, term.column);
    const isOwn = column.collation.toUpperCase() === term.collation.toUpperCase();
    return `${quoteIdentifier(column.name)}${isOwn ? '' : collate}=${columnValue(table, column, newValue)}`;
  });
  return [...terms, ...partialConditions(table, index)].join(' AND ');
}

/**
 * An index with `WHERE x IS NOT NULL` over a column that is NOT NULL anyway: SQLite takes the condition for true, forgets
 * it, and then holds the index for unusable. `x = x` brings it back.
 */
function partialConditions(table: TableSchema, { where }: UniqueIndexSchema): string[] {
  if (where === null) return [];
  const names = table.columns.filter((column) => column.notNull).map((column) => column.name);
  const { reads } = parseExpression(tokenizeSql(where), names);
  return [`(${where})`, ...reads.map((name) => `${quoteIdentifier(name)}=${quoteIdentifier(name)}`)];
}

function columnOf(table: TableSchema, name: string): ColumnSchema {
  const column = table.columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw new Error(`${table.name} has no column ${name}`);
  return column;
}

/** What a column of the new row will hold. */
function columnValue(table: TableSchema, column: ColumnSchema, newValue: NewValue): string {
  if (column.generator !== null) {
    return computedValue(table, { expression: column.generator.sql, reads: column.generator.reads }, newValue);
  }
  // What a NOT NULL column is given instead of NULL under OR REPLACE is decided only after BEFORE triggers have run.
  const value = newValue(column.name);
  return column.notNull && column.defaultSql !== null ? `coalesce(${value},(${column.defaultSql}))` : value;
}

/** The type to which a value of this affinity can be cast without change, and the storage classes for which that holds. */
const CASTS = {
  TEXT: { type: 'TEXT', classes: `'text','null'` },
  INTEGER: { type: 'NUMERIC', classes: `'integer','real','null'` },
  NUMERIC: { type: 'NUMERIC', classes: `'integer','real','null'` },
  REAL: { type: 'REAL', classes: `'real','null'` },
  BLOB: null,
} as const;

/**
 * An expression over the new row. NEW."x" has no affinity, and `x < '5'` means something else without one; a CAST has.
 * A row with a value that the cast would change (text in an INT column) is compared without affinities: the one case in
 * which a collision can go unseen, if the expression compares another of its columns across types.
 */
function computedValue(
  table: TableSchema,
  { expression, reads }: Pick<IndexTerm, 'expression' | 'reads'>,
  newValue: NewValue,
): string {
  const inputs = reads.map((name) => {
    const column = columnOf(table, name);
    const value = columnValue(table, column, newValue);
    const cast = CASTS[column.affinity];
    const collate = column.collation === 'BINARY' ? '' : ` COLLATE ${quoteIdentifier(column.collation)}`;
    const typed = cast === null ? value : `CAST(${value} AS ${cast.type})`;
    const fits = cast === null ? [] : [`typeof(${value})IN(${cast.classes})`];
    return { name: quoteIdentifier(name), value: `${value}${collate}`, typed: `${typed}${collate}`, fits };
  });
  const over = (columns: readonly string[]) =>
    `(SELECT ${expression}${columns.length === 0 ? '' : ` FROM(SELECT ${columns.join(',')})`})`;
  const plain = over(inputs.map(({ name, value }) => `${value} AS ${name}`));
  const fits = inputs.flatMap((input) => input.fits);
  if (fits.length === 0) return plain;
  const typed = over(inputs.map(({ name, typed: value }) => `${value} AS ${name}`));
  return `CASE WHEN ${fits.join(' AND ')} THEN ${typed} ELSE ${plain} END`;
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
    sql: `CREATE TRIGGER ${name} BEFORE ${event}${event === 'UPDATE' ? updateOf(table.schema, index) : ''} ON ${quoteIdentifier(table.name)} WHEN EXISTS(SELECT 1 ${from} ${match}${isOther}) BEGIN ${entry} END`,
  };
}

/** An update can only collide in an index if it sets one of its columns; what is computed may depend on any. */
function updateOf(table: TableSchema, index: UniqueIndexSchema): string {
  const columns = index.terms.flatMap((term) => (term.column === null ? [] : [columnOf(table, term.column)]));
  const isComputed = columns.length < index.terms.length || columns.some((column) => column.generator !== null);
  if (index.where !== null || isComputed) return '';
  return ` OF ${columns.map((column) => quoteIdentifier(column.name)).join(',')}`;
}
