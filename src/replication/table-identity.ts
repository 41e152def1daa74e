/**
 * What tells a table's rows apart, and which of its UNIQUE indexes can refuse rows that differ in it.
 */
import { canonicalCollation } from './column-type.js';
import { parseIndexSql } from './index-sql.js';
import { quoteIdentifier } from './sql-text.js';
import type { ColumnSchema, IndexTerm, TableIdentity, TableSchema, UniqueIndexSchema } from './table-schema.js';

/** An index as the pragmas tell it: the key terms in order, an expression's name being null. */
export interface IndexReading {
  readonly name: string;
  readonly unique: boolean;
  readonly primaryKey: boolean;
  readonly partial: boolean;
  readonly terms: readonly { readonly column: string | null; readonly collation: string }[];
}

/**
 * The PRIMARY KEY, else a UNIQUE index whose columns are all NOT NULL; null if there is neither. A primary key without an
 * index is the rowid: so SQLite itself decides what INTEGER PRIMARY KEY means. Of several UNIQUE indexes every node
 * takes the same: the one with the fewest columns, then by their names.
 */
export function identityOf(
  columns: readonly ColumnSchema[],
  primaryKey: readonly string[],
  indexes: readonly IndexReading[],
): TableIdentity | null {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const keyed = indexes.find((index) => index.primaryKey);
  if (keyed !== undefined) return { source: 'primary-key', columns: keyColumns(keyed, byName) };
  const [rowid] = primaryKey;
  if (rowid !== undefined) {
    return { source: 'integer-primary-key', columns: [{ name: rowid, collation: 'BINARY', affinity: 'INTEGER' }] };
  }
  const candidates = indexes
    .filter(
      (index) => index.unique && !index.partial && index.terms.every((term) => isFixed(byName.get(term.column ?? ''))),
    )
    .map((index) => keyColumns(index, byName))
    .sort(byWidthThenNames);
  return candidates[0] === undefined ? null : { source: 'unique-index', columns: candidates[0] };
}

/** A column that always has a value, and one that ships. */
function isFixed(column: ColumnSchema | undefined): boolean {
  return column?.notNull === true && column.generated === 'no';
}

type KeyColumns = TableIdentity['columns'];

function keyColumns(index: IndexReading, byName: ReadonlyMap<string, ColumnSchema>): KeyColumns {
  return index.terms.map(({ column, collation }) => ({
    name: column ?? '',
    collation: canonicalCollation(collation),
    affinity: byName.get(column ?? '')?.affinity ?? 'BLOB',
  }));
}

function byWidthThenNames(x: KeyColumns, y: KeyColumns): number {
  const names = (key: KeyColumns) => JSON.stringify(key.map((column) => [column.name, column.collation]));
  return x.length - y.length || (names(x) < names(y) ? -1 : 1);
}

/**
 * SQL that is true where two rows of a table have one key, under the key's collations (the columns' own may differ).
 * `left` and `right` are prefixes of column names: `OLD.`, `NEW.`, or nothing for the row a statement reads.
 */
export function sameKeySql(table: Pick<TableSchema, 'columns' | 'identity'>, left: string, right: string): string {
  const conditions = table.identity.columns.map(({ name, collation }) => {
    const own = table.columns.find((column) => column.name === name)?.collation;
    const collate = own === collation ? '' : ` COLLATE ${quoteIdentifier(collation)}`;
    const column = quoteIdentifier(name);
    return `${left}${column} IS ${right}${column}${collate}`;
  });
  return conditions.join(' AND ');
}

/**
 * The UNIQUE indexes beyond the identity, ordered by what they hold (names of indexes may differ between nodes). One that
 * contains the whole identity under its own collations cannot refuse two different rows.
 */
export function uniqueIndexesOf(
  columns: readonly ColumnSchema[],
  identity: TableIdentity,
  indexes: readonly IndexReading[],
  indexSql: ReadonlyMap<string, string>,
): UniqueIndexSchema[] {
  const names = columns.map((column) => column.name);
  const found = indexes
    .filter((index) => index.unique && !index.primaryKey && !containsIdentity(index, identity))
    .map((index) => toUniqueIndex(index, names, indexSql.get(index.name)));
  const content = (index: UniqueIndexSchema) => JSON.stringify([index.terms, index.where, index.name]);
  return found.sort((x, y) => (content(x) < content(y) ? -1 : 1));
}

function containsIdentity(index: IndexReading, identity: TableIdentity): boolean {
  return identity.columns.every((key) =>
    index.terms.some((term) => term.column === key.name && canonicalCollation(term.collation) === key.collation),
  );
}

function toUniqueIndex(index: IndexReading, columns: readonly string[], sql: string | undefined): UniqueIndexSchema {
  const needsText = index.partial || index.terms.some((term) => term.column === null);
  const text = needsText && sql !== undefined ? parseIndexSql(sql, columns) : null;
  const terms = index.terms.map((term, i): IndexTerm => {
    const collation = canonicalCollation(term.collation);
    if (term.column !== null) return { column: term.column, expression: null, reads: [term.column], collation };
    const expression = text?.terms[i];
    if (expression === undefined) throw new Error(`no expression ${i} in ${index.name}`);
    return { column: null, expression: expression.sql, reads: expression.reads, collation };
  });
  return { name: index.name, terms, where: text?.where ?? null };
}

/** The names by which statements can set a table's rowid: those that no column has taken. */
export function rowidNames(columns: readonly ColumnSchema[]): string[] {
  const taken = new Set(columns.map(({ name }) => name.toLowerCase()));
  return ['rowid', '_rowid_', 'oid'].filter((name) => !taken.has(name));
}
