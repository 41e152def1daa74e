/**
 * Foreign keys between tables that replicate, as rows can be judged by them. Left out are those whose parent does not
 * replicate (nobody knows what was deleted there), and those that SQLite calls a mismatch and never enforces. Pure.
 */
import type { CapturedTable, ColumnSchema, ForeignKeySchema, IndexTerm, TableSchema } from './table-schema.js';

export interface ForeignKey {
  readonly child: CapturedTable;
  readonly parent: CapturedTable;
  /** Columns of the child, and the columns of the parent that they mean, in the same order. */
  readonly childColumns: readonly ColumnSchema[];
  readonly parentColumns: readonly ColumnSchema[];
  /**
   * Place among the columns of each column of the parent's identity: then a tombstone's key tells what is missed. Null
   * when the foreign key means other columns: then only their values do.
   */
  readonly identityPlaces: readonly number[] | null;
  /** Ids of the child's columns that the reference is made of; of those behind generated ones. */
  readonly columnIds: readonly number[];
}

/** In the order of the tables, and of their foreign keys. */
export function foreignKeysAmong(tables: readonly CapturedTable[]): ForeignKey[] {
  // SQLite folds the case of names in ASCII alone; those of tables that differ only so cannot both be there.
  const byName = new Map(tables.filter((table) => !table.internal).map((table) => [table.name.toLowerCase(), table]));
  return [...byName.values()].flatMap((child) =>
    child.schema.foreignKeys.flatMap((schema) => {
      const parent = byName.get(schema.parentTable.toLowerCase());
      return (parent === undefined ? null : foreignKey(child, parent, schema)) ?? [];
    }),
  );
}

function foreignKey(child: CapturedTable, parent: CapturedTable, schema: ForeignKeySchema): ForeignKey | null {
  const childColumns = columnsNamed(child.schema, schema.columns);
  const parentColumns = columnsNamed(parent.schema, parentNames(parent.schema, schema));
  if (childColumns === null || parentColumns === null || childColumns.length !== parentColumns.length) return null;
  const places = parent.schema.identity.columns.map(({ name }) => parentColumns.findIndex((c) => c.name === name));
  const identityPlaces = places.includes(-1) ? null : places;
  if (identityPlaces === null && !isUnique(parent, parentColumns)) return null;
  const columnIds = columnIdsOf(child, childColumns);
  return { child, parent, childColumns, parentColumns, identityPlaces, columnIds };
}

/** None named: the primary key. A table without one has none to be named. */
function parentNames({ identity }: TableSchema, { parentColumns }: ForeignKeySchema): readonly string[] {
  if (parentColumns.length > 0) return parentColumns;
  return identity.source === 'unique-index' ? [] : identity.columns.map(({ name }) => name);
}

function columnsNamed({ columns }: TableSchema, names: readonly string[]): ColumnSchema[] | null {
  const byName = new Map(columns.map((column) => [column.name.toLowerCase(), column]));
  const found = names.flatMap((name) => byName.get(name.toLowerCase()) ?? []);
  return found.length === names.length && found.length > 0 ? found : null;
}

/** Does a UNIQUE index hold exactly these columns? Generated ones are in no image, so nobody can tell what they were. */
function isUnique({ schema }: CapturedTable, columns: readonly ColumnSchema[]): boolean {
  if (columns.some((column) => column.generated !== 'no')) return false;
  const names = new Set(columns.map((column) => column.name));
  const holds = (terms: readonly IndexTerm[]) =>
    terms.length === names.size && terms.every(({ column }) => column !== null && names.has(column));
  return schema.uniqueIndexes.some(({ terms, where }) => where === null && holds(terms));
}

function columnIdsOf({ columns, schema }: CapturedTable, wanted: readonly ColumnSchema[]): number[] {
  const names = new Set(wanted.map(({ name }) => name));
  for (const name of names) {
    const column = schema.columns.find((candidate) => candidate.name === name);
    for (const read of column?.generator?.reads ?? []) names.add(read);
  }
  return columns.filter(({ name }) => names.has(name)).map(({ id }) => id);
}
