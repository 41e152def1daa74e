/**
 * How SQLite deals with each foreign key of a file: whether it finds a parent's children by an index, which is asked of
 * its own planner, and whether it can enforce the key at all. Nothing is run, and no row is read.
 */
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { isOurs } from './read-schema.js';
import { quoteIdentifier } from './sql-text.js';

export interface ForeignKeyPlan {
  readonly table: string;
  readonly columns: readonly string[];
  readonly parentTable: string;
  /** Empty where the parent is not there, or has no key to refer to. */
  readonly parentColumns: readonly string[];
  /** Is the whole table read to find a parent's children? Null: it cannot be told. */
  readonly isScanned: boolean | null;
  /** An index that begins with these columns, and that SQLite cannot use for it; null: there is none. */
  readonly uselessIndex: string | null;
  /** Why SQLite could not enforce it; null: it could. */
  readonly broken: string | null;
  /** Does a delete or an update of the parent change children by itself (CASCADE, SET NULL, SET DEFAULT)? */
  readonly acts: boolean;
}

interface Part {
  tbl: string;
  id: number;
  parent: string;
  from: string;
  to: string | null;
  onUpdate: string;
  onDelete: string;
}

const SELECT_PARTS = `SELECT s.name AS tbl, f.id, f."table" AS parent, f."from", f."to", f.on_update AS onUpdate, f.on_delete AS onDelete
  FROM main.sqlite_schema s JOIN pragma_foreign_key_list(s.name, 'main') f WHERE s.type = 'table' ORDER BY s.name, f.id, f.seq`;
const SELECT_TABLE = `SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE`;
const SELECT_KEY = `SELECT name FROM pragma_table_xinfo(?, 'main') WHERE pk > 0 ORDER BY pk`;

const SELECT_INDEXES = `SELECT i.name, json_group_array(x.name) AS leading
  FROM pragma_index_list(?, 'main') i JOIN pragma_index_info(i.name, 'main') x WHERE NOT i.partial AND x.seqno < ? GROUP BY i.name`;

const QUIET_ACTIONS = ['NO ACTION', 'RESTRICT'];

/** Every foreign key of the application's tables, in the order of the tables' names. */
export function readForeignKeyPlans(db: Database): ForeignKeyPlan[] {
  const parts = db.prepare<[], Part>(SELECT_PARTS).safeIntegers(false).all();
  const keys = new Map<string, Part[]>();
  for (const part of parts.filter(({ tbl }) => !isOurs(tbl))) {
    const name = JSON.stringify([part.tbl, part.id]);
    keys.set(name, [...(keys.get(name) ?? []), part]);
  }
  return [...keys.values()].map((key) => planOf(db, key as [Part, ...Part[]]));
}

function planOf(db: Database, parts: readonly [Part, ...Part[]]): ForeignKeyPlan {
  const [{ tbl: table, parent, onUpdate, onDelete }] = parts;
  const columns = parts.map((part) => part.from);
  const parentTable = db.prepare<[string], string>(SELECT_TABLE).pluck().get(parent);
  const acts = !QUIET_ACTIONS.includes(onUpdate) || !QUIET_ACTIONS.includes(onDelete);
  const known = { table, columns, acts };
  if (parentTable === undefined) {
    const broken = `there is no table ${parent}`;
    return { ...known, parentTable: parent, parentColumns: [], isScanned: null, uselessIndex: null, broken };
  }
  const named = parts.flatMap((part) => part.to ?? []);
  const parentColumns = named.length > 0 ? named : db.prepare<[string], string>(SELECT_KEY).pluck().all(parentTable);
  const broken = mismatchOf(db, table, parentTable, parentColumns, columns);
  const plan = { ...known, parentTable, parentColumns, broken };
  const scanned = broken === null ? isScanned(db, plan) : null;
  return { ...plan, isScanned: scanned, uselessIndex: scanned === true ? indexOn(db, table, columns) : null };
}

/** SQLite finds a mismatch when it compiles the check. */
function mismatchOf(
  db: Database,
  table: string,
  parent: string,
  parentColumns: readonly string[],
  columns: readonly string[],
): string | null {
  if (parentColumns.length !== columns.length) return `${parent} has no key of ${columns.length} columns`;
  try {
    db.prepare(`PRAGMA main.foreign_key_check(${quoteIdentifier(table)})`);
    return null;
  } catch (error) {
    if (!(error instanceof SqliteDatabase.SqliteError)) throw error;
    // It names the pair that does not fit: another key of the same table may be the one.
    const isThisOne = error.message.toLowerCase().includes(`referencing "${parent.toLowerCase()}"`);
    return isThisOne ? `${parent}(${parentColumns.join(', ')}) is not UNIQUE` : null;
  }
}

/** The first index over all rows whose leading columns are these, in whatever order. */
function indexOn(db: Database, table: string, columns: readonly string[]): string | null {
  const wanted = JSON.stringify([...columns].sort());
  const indexes = db
    .prepare<[string, number], { name: string; leading: string }>(SELECT_INDEXES)
    .all(table, columns.length);
  const found = indexes.find(({ leading }) => JSON.stringify((JSON.parse(leading) as string[]).sort()) === wanted);
  return found?.name ?? null;
}

/** As SQLite compares the two: under the parent's collation, the parent's side first. */
function isScanned(
  db: Database,
  {
    table,
    columns,
    parentTable,
    parentColumns,
  }: Pick<ForeignKeyPlan, 'table' | 'columns' | 'parentTable' | 'parentColumns'>,
): boolean | null {
  const pairs = columns.map((column, i) => {
    return `parent.${quoteIdentifier(parentColumns[i] ?? '')} = child.${quoteIdentifier(column)}`;
  });
  const sql = `EXPLAIN QUERY PLAN SELECT 1 FROM main.${quoteIdentifier(parentTable)} AS parent
    CROSS JOIN main.${quoteIdentifier(table)} AS child WHERE ${pairs.join(' AND ')}`;
  try {
    const steps = db.prepare<[], { detail: string }>(sql).all();
    return steps.some(({ detail }) => /^SCAN child\b/.test(detail) || /^SEARCH child USING AUTOMATIC/.test(detail));
  } catch (error) {
    if (!(error instanceof SqliteDatabase.SqliteError)) throw error;
    return null;
  }
}
