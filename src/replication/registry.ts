/**
 * The registry of captured tables: the numbers that stand for tables in the log and for columns in masks. Neither is
 * used again for something else.
 */
import type { Database } from 'better-sqlite3';
import { MEMBER_TABLE } from './member-table.js';
import { FIRST_TABLE_ID, PREFIX } from './metadata-schema.js';
import { readSchema, type SchemaReading } from './read-schema.js';
import { INTERNAL_RULES, MEMBER_RULES, readRules } from './rules.js';
import type { CapturedTable, TableRules, TableSchema } from './table-schema.js';

/** A row of the registry. A column's place is its number; null where one has been dropped. */
export interface RegistryEntry {
  readonly id: number;
  readonly name: string;
  readonly columns: readonly (string | null)[];
  readonly hash: string;
  /** Digest of the table's triggers as they were installed; '' for sqlsync's own tables. */
  readonly triggers: string;
  /** Names that it had before it was renamed. */
  readonly former: readonly string[];
}

export function readRegistryEntries(db: Database, schema = 'main'): RegistryEntry[] {
  const rows = db
    .prepare<[], Omit<RegistryEntry, 'columns' | 'former'> & { columns: string; former: string }>(
      `SELECT id, name, columns, hash, triggers, former FROM ${schema}.${PREFIX}table ORDER BY id`,
    )
    .safeIntegers(false)
    .all();
  return rows.map((row) => ({
    ...row,
    columns: JSON.parse(row.columns) as (string | null)[],
    former: JSON.parse(row.former) as string[],
  }));
}

/** The tables that are captured: those of the registry that are there and have an identity, in the order of their numbers. */
export function readRegistry(db: Database, schema: SchemaReading = readSchema(db)): CapturedTable[] {
  const schemas = new Map([...schema.tables, ...schema.internal].map((table) => [table.name, table]));
  const rulesOf = readRules(db);
  return readRegistryEntries(db).flatMap((entry) => {
    const table = schemas.get(entry.name);
    return table === undefined ? [] : [capturedTable(entry, table, rulesOf(entry.name))];
  });
}

/** What the registry and the schema together say of a table. A column that the registry does not know yet is left out. */
export function capturedTable(entry: RegistryEntry, schema: TableSchema, rules: TableRules): CapturedTable {
  const ids = new Map(entry.columns.map((name, id) => [name, id]));
  const columns = shippedColumns(schema).flatMap((name) => {
    const id = ids.get(name);
    return id === undefined ? [] : [{ id, name }];
  });
  const internal = entry.id < FIRST_TABLE_ID;
  const internalRules = entry.id === MEMBER_TABLE.id ? MEMBER_RULES : INTERNAL_RULES;
  return { id: entry.id, name: entry.name, columns, schema, rules: internal ? internalRules : rules, internal };
}

/** Generated columns are computed anew by every node. */
export function shippedColumns(schema: TableSchema): string[] {
  return schema.columns.filter((column) => column.generated === 'no').map((column) => column.name);
}

/** The columns with those that are new at the end, and null for those that are gone. */
export function updatedColumns(columns: readonly (string | null)[], schema: TableSchema): (string | null)[] {
  const present = shippedColumns(schema);
  const kept = columns.map((name) => (name !== null && present.includes(name) ? name : null));
  return [...kept, ...present.filter((name) => !columns.includes(name))];
}
