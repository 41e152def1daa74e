/**
 * Reads the tables of a file as the engine sees them, and says by name which it cannot capture and why. Only the schema
 * is read, in a fixed number of statements however many tables there are; what a table holds is null-keys.ts's to judge.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { readColumnDefinitions } from './column-definitions.js';
import { affinityOf } from './column-type.js';
import { tablesThatDoNotCompile } from './compile-tables.js';
import { INTERNAL_TABLES, PREFIX } from './metadata-schema.js';
import { tableHash } from './schema-hash.js';
import { quoteText } from './sql-text.js';
import { type IndexReading, identityOf, uniqueIndexesOf } from './table-identity.js';
import type { ColumnSchema, ForeignKeySchema, TableSchema } from './table-schema.js';

/** Columns a key may have: each is a column of the change log. */
const KEY_COLUMNS_MAX = 64;

export type RefusalCode = 'no-identity' | 'key-too-wide' | 'ambiguous-name' | 'not-compiled';

/** A table that cannot be captured: why, in words for the operator. */
export interface TableRefusal {
  readonly name: string;
  readonly code: RefusalCode;
  readonly reason: string;
}

export interface SchemaReading {
  /** The application's tables that can be captured, in the order of their names. */
  readonly tables: readonly TableSchema[];
  readonly refused: readonly TableRefusal[];
  /** Virtual tables and their shadow tables: each node's own. */
  readonly local: readonly string[];
  /** Those of sqlsync's own tables that replicate. */
  readonly internal: readonly TableSchema[];
}

interface TableRow {
  name: string;
  sql: string;
  type: 'table' | 'virtual' | 'shadow';
  withoutRowid: 0 | 1;
  strict: 0 | 1;
}
interface ColumnRow {
  tbl: string;
  name: string;
  type: string;
  notNull: number;
  dflt: string | null;
  pk: number;
  hidden: number;
}
interface TermRow {
  tbl: string;
  idx: string;
  isUnique: number;
  origin: 'c' | 'u' | 'pk';
  partial: number;
  name: string | null;
  coll: string;
}
interface ForeignKeyRow {
  tbl: string;
  id: number;
  parent: string;
  from: string;
  to: string | null;
  onUpdate: string;
  onDelete: string;
}

/**
 * Tables worth reading: the application's, and those of ours that replicate. Virtual ones have no root page; whoever asks
 * for the columns of one whose module is not here gets an error.
 */
const INTERNAL_NAMES = INTERNAL_TABLES.map(({ name }) => quoteText(name)).join(', ');
const WANTED = `s.type = 'table' AND s.rootpage > 0 AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
  AND (s.name NOT LIKE '\\_sqlsync\\_%' ESCAPE '\\' OR s.name IN (${INTERNAL_NAMES}))`;
const SELECT_TABLES = `SELECT s.name, s.sql, l.type, l.wr AS withoutRowid, l.strict
  FROM main.sqlite_schema s JOIN pragma_table_list l ON l.schema = 'main' AND l.name = s.name
  WHERE ${WANTED} ORDER BY s.name`;
const SELECT_COLUMNS = `SELECT s.name AS tbl, x.name, x.type, x."notnull" AS "notNull", x.dflt_value AS dflt, x.pk, x.hidden
  FROM main.sqlite_schema s JOIN pragma_table_xinfo(s.name, 'main') x WHERE ${WANTED} ORDER BY s.name, x.cid`;
const SELECT_TERMS = `SELECT s.name AS tbl, i.name AS idx, i."unique" AS isUnique, i.origin, i.partial, x.name, x.coll
  FROM main.sqlite_schema s JOIN pragma_index_list(s.name, 'main') i JOIN pragma_index_xinfo(i.name, 'main') x
  WHERE ${WANTED} AND x.key = 1 ORDER BY s.name, i.name, x.seqno`;
const SELECT_VIRTUAL = `SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND rootpage = 0`;
const SELECT_INDEX_SQL = `SELECT name, sql FROM main.sqlite_schema WHERE type = 'index' AND sql IS NOT NULL`;
const SELECT_FOREIGN_KEYS = `SELECT s.name AS tbl, f.id, f."table" AS parent, f."from", f."to", f.on_update AS onUpdate, f.on_delete AS onDelete
  FROM main.sqlite_schema s JOIN pragma_foreign_key_list(s.name, 'main') f WHERE ${WANTED} ORDER BY s.name, f.id, f.seq`;

/** Tables with these names go by an alias in our statements, under which the WHERE of an index must not name them. */
const AMBIGUOUS_NAMES: ReadonlySet<string> = new Set(['new', 'old', 'excluded']);

/** Reads all of the file's tables. */
export function readSchema(db: Database): SchemaReading {
  assertPragmasVisible(db);
  const all = <Row>(sql: string): Row[] => db.prepare<[], Row>(sql).safeIntegers(false).all();
  const columns = groupBy(all<ColumnRow>(SELECT_COLUMNS), (row) => row.tbl);
  const terms = groupBy(all<TermRow>(SELECT_TERMS), (row) => row.tbl);
  const foreignKeys = groupBy(all<ForeignKeyRow>(SELECT_FOREIGN_KEYS), (row) => row.tbl);
  const indexSql = new Map(all<{ name: string; sql: string }>(SELECT_INDEX_SQL).map(({ name, sql }) => [name, sql]));

  const reading = { tables: [], refused: [], local: [], internal: [] } as {
    -readonly [Part in keyof SchemaReading]: SchemaReading[Part][number][];
  };
  const virtual = all<{ name: string; sql: string }>(SELECT_VIRTUAL);
  const modules = new Set(all<{ name: string }>('PRAGMA module_list').map(({ name }) => name.toLowerCase()));
  const isShadow = shadowRule(virtual, modules);
  reading.local.push(...virtual.map(({ name }) => name));
  const rows = all<TableRow>(SELECT_TABLES);
  const uncompiled = tablesThatDoNotCompile(db, new Set(rows.map(({ name }) => name)));
  for (const row of rows) {
    if (row.type !== 'table' || isShadow(row.name)) {
      reading.local.push(row.name);
      continue;
    }
    const indexes = readIndexes(terms.get(row.name) ?? []);
    const table = readTable(row, columns.get(row.name) ?? [], indexes, indexSql, foreignKeys.get(row.name) ?? []);
    const refusal =
      table === null ? noIdentity(row.name) : (refusalOf(table) ?? notCompiled(row.name, uncompiled.get(row.name)));
    if (refusal !== null) reading.refused.push(refusal);
    else if (table !== null) (isOurs(row.name) ? reading.internal : reading.tables).push(table);
  }
  return reading;
}

/** A table called like one of SQLite's pragma functions hides it from everybody, the readers of this schema too. */
function assertPragmasVisible(db: Database): void {
  const sql = `SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view') AND name LIKE 'pragma\\_%' ESCAPE '\\'`;
  const hiding = db.prepare<[], string>(sql).pluck().get();
  if (hiding === undefined) return;
  throw new SqlsyncError('table-refused', `the table ${hiding} hides a function of SQLite's that reads the schema`, {
    hint: 'give it a name that does not begin with pragma_',
  });
}

/**
 * Only a virtual table's own module knows its shadow tables. Where it is not here, whatever bears the virtual table's name
 * before an underscore is taken for one: it would be the module's to write, on each node for itself.
 */
function shadowRule(
  virtual: readonly { readonly name: string; readonly sql: string }[],
  modules: ReadonlySet<string>,
): (name: string) => boolean {
  const prefixes = virtual
    .filter(({ sql }) => !modules.has((/\bUSING\s+["'`[]?(\w+)/i.exec(sql)?.[1] ?? '').toLowerCase()))
    .map(({ name }) => `${name.toLowerCase()}_`);
  return (name) => prefixes.some((prefix) => name.toLowerCase().startsWith(prefix));
}

/** Does a name begin with sqlsync's prefix, in whatever case? */
export function isOurs(name: string): boolean {
  return name.toLowerCase().startsWith(PREFIX);
}

function readTable(
  row: TableRow,
  columnRows: readonly ColumnRow[],
  indexes: readonly IndexReading[],
  indexSql: ReadonlyMap<string, string>,
  foreignKeyRows: readonly ForeignKeyRow[],
): TableSchema | null {
  const columns = readColumns(row, columnRows);
  const primaryKey = columnRows.filter((column) => column.pk > 0).map((column) => column.name);
  const identity = identityOf(columns, primaryKey, indexes);
  if (identity === null) return null;
  const table = {
    name: row.name,
    withoutRowid: row.withoutRowid === 1,
    strict: row.strict === 1,
    columns,
    identity,
    uniqueIndexes: uniqueIndexesOf(columns, identity, indexes, indexSql),
    foreignKeys: readForeignKeys(foreignKeyRows),
  };
  return { ...table, hash: tableHash(table) };
}

function readColumns(row: TableRow, columnRows: readonly ColumnRow[]): ColumnSchema[] {
  const names = columnRows.map((column) => column.name);
  const definitions = readColumnDefinitions(row.sql, names);
  return columnRows.map((column, i) => ({
    name: column.name,
    declaredType: column.type,
    affinity: affinityOf(column.type, row.strict === 1),
    collation: definitions[i]?.collation ?? 'BINARY',
    notNull: column.notNull !== 0,
    defaultSql: column.dflt,
    generated: column.hidden === 2 ? 'virtual' : column.hidden === 3 ? 'stored' : 'no',
    generator: definitions[i]?.generator ?? null,
  }));
}

function readIndexes(rows: readonly TermRow[]): IndexReading[] {
  return [...groupBy(rows, (row) => row.idx)].map(([name, terms]) => ({
    name,
    unique: terms[0]?.isUnique === 1,
    primaryKey: terms[0]?.origin === 'pk',
    partial: terms[0]?.partial === 1,
    terms: terms.map((term) => ({ column: term.name, collation: term.coll })),
  }));
}

function readForeignKeys(rows: readonly ForeignKeyRow[]): ForeignKeySchema[] {
  return [...groupBy(rows, (row) => row.id).values()].map((parts) => ({
    columns: parts.map((part) => part.from),
    parentTable: parts[0]?.parent ?? '',
    parentColumns: parts.flatMap((part) => part.to ?? []),
    onUpdate: parts[0]?.onUpdate ?? '',
    onDelete: parts[0]?.onDelete ?? '',
  }));
}

function noIdentity(name: string): TableRefusal {
  const reason = 'it has no PRIMARY KEY and no UNIQUE index over columns that are all NOT NULL';
  return { name, code: 'no-identity', reason };
}

function notCompiled(name: string, reason: string | undefined): TableRefusal | null {
  return reason === undefined ? null : { name, code: 'not-compiled', reason };
}

function refusalOf(table: TableSchema): TableRefusal | null {
  const { name } = table;
  const width = table.identity.columns.length;
  if (width > KEY_COLUMNS_MAX) {
    return { name, code: 'key-too-wide', reason: `its key has ${width} columns, more than ${KEY_COLUMNS_MAX}` };
  }
  const ambiguous = table.uniqueIndexes.find(({ where }) => namesTable(where, name));
  if (ambiguous !== undefined) {
    const reason = `the WHERE of index ${ambiguous.name} names its table, whose name means something else in a trigger`;
    return { name, code: 'ambiguous-name', reason };
  }
  return null;
}

/** Does an index's WHERE name its table, one that goes by an alias? */
function namesTable(where: string | null, table: string): boolean {
  if (where === null || !AMBIGUOUS_NAMES.has(table.toLowerCase())) return false;
  return new RegExp(`\\b${table}["\\]\`]?\\s*\\.`, 'i').test(where);
}

function groupBy<Key, Row>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, Row[]> {
  const groups = new Map<Key, Row[]>();
  for (const row of rows) {
    const key = keyOf(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return groups;
}
