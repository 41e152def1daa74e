/**
 * OR REPLACE removes rows that stand in the way of a secondary UNIQUE index, or of a rowid that is not the key, and fires
 * no delete trigger for them unless the application turned recursive_triggers on. So before an insert or update these
 * triggers log a `check` of the row that holds the value; the fold looks whether it is still there.
 */
import { appendEntry } from './log-entry.js';
import { OP, PREFIX } from './metadata-schema.js';
import { parseExpression } from './sql-expression.js';
import { aliasFor, quoteIdentifier } from './sql-text.js';
import { tokenizeSql } from './sql-tokens.js';
import { rowidNames, sameKeySql } from './table-identity.js';
import type { CapturedTable, ColumnSchema, IndexTerm, TableSchema, UniqueIndexSchema } from './table-schema.js';

/** What can stand in a row's way, and how a statement recognises it. */
interface Obstacle {
  /** Names the triggers: `check1`, `rowid`. */
  readonly name: string;
  /** True of the stored row that the new one collides with. */
  readonly match: string;
  /** The columns of which an update must set one; empty: any. */
  readonly updateOf: readonly string[];
}

/** Two triggers per UNIQUE index beyond the identity, and two for a rowid that is not the key. */
export function checkTriggers(table: CapturedTable): { name: string; sql: string }[] {
  const obstacles = table.schema.uniqueIndexes.map((index, i) => indexObstacle(table.schema, index, `check${i + 1}`));
  const rowid = rowidObstacle(table.schema);
  return [...obstacles, ...(rowid === null ? [] : [rowid])].flatMap((obstacle) => [
    checkTrigger(table, obstacle, 'INSERT'),
    checkTrigger(table, obstacle, 'UPDATE'),
  ]);
}

function indexObstacle(table: TableSchema, index: UniqueIndexSchema, name: string): Obstacle {
  const match = uniqueMatch(table, index, (column) => `NEW.${quoteIdentifier(column)}`);
  return { name, match, updateOf: updateOf(table, index) };
}

/** Where an insert gives no rowid, NEW's is -1 before it. Null: the rowid is the key, there is none, or it has no name. */
function rowidObstacle({ withoutRowid, identity, columns }: TableSchema): Obstacle | null {
  const names = rowidNames(columns);
  const [rowid] = names;
  if (withoutRowid || identity.source === 'integer-primary-key' || rowid === undefined) return null;
  return { name: 'rowid', match: `${rowid}=NEW.${rowid}`, updateOf: names };
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

function checkTrigger(table: CapturedTable, obstacle: Obstacle, event: 'INSERT' | 'UPDATE') {
  const isUpdate = event === 'UPDATE';
  const name = `${PREFIX}${table.id}_${obstacle.name}_${event.toLowerCase()}`;
  const from = `FROM ${quoteIdentifier(table.name)}${aliasFor(table.name, 'new', 'old')} WHERE`;
  const isOther = isUpdate ? ` AND NOT(${sameKeySql(table.schema, '', 'OLD.')})` : '';
  const found = `${from} ${obstacle.match}${isOther}`;
  const keys = table.schema.identity.columns.map((column) => `(SELECT ${quoteIdentifier(column.name)} ${found})`);
  const entry = appendEntry({ tableId: table.id, op: OP.check, masks: [], key: keys });
  const of = isUpdate && obstacle.updateOf.length > 0 ? ` OF ${obstacle.updateOf.map(quoteIdentifier).join(',')}` : '';
  const on = quoteIdentifier(table.name);
  return {
    name,
    sql: `CREATE TRIGGER ${name} BEFORE ${event}${of} ON ${on} WHEN EXISTS(SELECT 1 ${found}) BEGIN ${entry} END`,
  };
}

/** An update can only collide in an index if it sets one of its columns; what is computed may depend on any. */
function updateOf(table: TableSchema, index: UniqueIndexSchema): string[] {
  const columns = index.terms.flatMap((term) => (term.column === null ? [] : [columnOf(table, term.column)]));
  const isComputed = columns.length < index.terms.length || columns.some((column) => column.generator !== null);
  return index.where !== null || isComputed ? [] : columns.map(({ name }) => name);
}
