/**
 * The SQL by which an update's trigger tells which columns changed, exactly: to the byte and the storage class.
 */
import { MASK_BITS, maskColumn } from './metadata-schema.js';
import { quoteIdentifier } from './sql-text.js';
import type { CapturedTable, ColumnSchema } from './table-schema.js';

/**
 * Names by which the surrounding scopes know columns, by their ids, where they are others than now: RENAME COLUMN changes
 * what a trigger compares, and leaves its scopes as they were.
 */
export type ScopeNames = ReadonlyMap<number, string>;

interface ColumnChange {
  readonly id: number;
  readonly scopeName: string;
  /** True where the column differs between OLD and NEW. */
  readonly differs: string;
}

export interface ChangedColumns {
  /** True where any column differs. */
  readonly any: string;
  /** Per mask column of the log, the bits of those that differ. */
  readonly masks: readonly (readonly [column: string, sql: string])[];
}

/** Null for a table of nothing but its key, if that has only one spelling: its rows cannot change. */
export function changedColumns(table: CapturedTable, scopeNames: ScopeNames): ChangedColumns | null {
  const schemas = new Map(table.schema.columns.map((column) => [column.name, column]));
  const changes = table.columns.flatMap(({ id, name }) => {
    const schema = schemas.get(name);
    if (schema === undefined) throw new Error(`${table.name} has no column ${name}`);
    const differs = differsSql(table, schema);
    return differs === null ? [] : [{ id, scopeName: scopeNames.get(id) ?? name, differs }];
  });
  if (changes.length === 0) return null;
  const maskCount = Math.floor(Math.max(...table.columns.map((column) => column.id)) / MASK_BITS) + 1;
  const masks = Array.from({ length: maskCount }, (_, i) => {
    const bits = changes.filter(({ id }) => Math.floor(id / MASK_BITS) === i);
    return [maskColumn(i), maskSql(bits)] as const;
  });
  return { any: inColumnScope(changes, anyOf(changes.map(({ differs }) => differs))), masks };
}

/** The shifts stand in parentheses: in SQLite, << and | bind alike. */
function maskSql(changes: readonly ColumnChange[]): string {
  if (changes.length === 0) return '0';
  return inColumnScope(changes, changes.map(({ id, differs }) => `((${differs})<<${id % MASK_BITS})`).join('|'));
}

/**
 * SQLite refuses to drop a column that a trigger names. Here the names stand in a SELECT that has no table, so they mean
 * the trigger's OLD and NEW; and once a column is dropped, the NULL of the surrounding scope, the same on both sides. The
 * scopes are nested, since SQLite would fill a temporary table to join them: docs/decisions/0002-drop-column.md.
 */
function inColumnScope(columns: readonly ColumnChange[], sql: string): string {
  const nulls = `SELECT ${columns.map(({ scopeName }) => `NULL AS ${quoteIdentifier(scopeName)}`).join(',')}`;
  return `(SELECT(SELECT(SELECT ${sql})FROM(${nulls})AS OLD)FROM(${nulls})AS NEW)`;
}

/**
 * Null where the column cannot change while the key stays the same. Text equals other text under its column's collation,
 * hence BINARY. 1 equals 1.0, and both can stand only in a column without affinity. (0.0 and -0.0 SQL cannot tell apart.)
 */
function differsSql(table: CapturedTable, { name, affinity, collation, declaredType }: ColumnSchema): string | null {
  const mixesNumbers = affinity === 'BLOB' && !(table.schema.strict && declaredType.toUpperCase() === 'BLOB');
  const key = table.schema.identity.columns.find((column) => column.name === name);
  if (key?.collation === 'BINARY' && !mixesNumbers) return null;
  const column = quoteIdentifier(name);
  const differs = `OLD.${column} IS NOT NEW.${column}${collation === 'BINARY' ? '' : ' COLLATE BINARY'}`;
  return mixesNumbers ? `${differs} OR typeof(OLD.${column})<>typeof(NEW.${column})` : differs;
}

/** An OR over many terms as a balanced tree: SQLite bounds the depth of an expression, not its size. */
export function anyOf(terms: readonly string[]): string {
  if (terms.length <= 2) return terms.join(' OR ');
  const half = terms.length >> 1;
  return `(${anyOf(terms.slice(0, half))})OR(${anyOf(terms.slice(half))})`;
}
