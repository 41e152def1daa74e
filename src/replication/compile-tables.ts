/**
 * Tables that only the application can write: a CHECK, a default, an index or a generated column calls a function or
 * names a collation that no other SQLite has. Found by compiling, on a copy of their schema in memory in which no trigger
 * is, so that what the application's own triggers call does not matter. Nothing is run.
 */
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { quoteIdentifier } from './sql-text.js';

interface SchemaRow {
  readonly type: 'table' | 'index';
  readonly name: string;
  readonly table: string;
  readonly sql: string;
}

/** Only these can call or name something; most tables have none of them, and are not compiled. */
const MAY_CALL = /\bcheck\b|\bas\b|\bdefault\s*\(|\bcollate\b/i;
/** More than names of columns between an index's parentheses, or a condition behind them. */
const IS_COMPUTED = /\([\s\S]*\(|\)[\s\S]*\S|\bcollate\b/i;

const PAGES = '_sqlsync_page';
const PAGE_BYTES = 512;
/** The schema has the first, the table that makes room the second, and sqlite_sequence, which that needs, the third. */
const FIRST_FREE_PAGE = 4;

/** Table → why it cannot be written here. `wanted` says which tables matter. */
export function tablesThatDoNotCompile(db: Database, wanted: ReadonlySet<string>): Map<string, string> {
  const rows = db
    .prepare<[], SchemaRow>(
      `SELECT type, name, tbl_name AS "table", sql FROM main.sqlite_schema
       WHERE type IN ('table', 'index') AND sql IS NOT NULL AND rootpage > 0 ORDER BY rowid`,
    )
    .all()
    .filter(({ table }) => wanted.has(table));
  const doubtful = new Set(rows.filter(mayCall).map(({ table }) => table));
  if (doubtful.size === 0) return new Map();
  const copy = copySchema(rows.filter(({ table }) => doubtful.has(table)));
  try {
    return new Map(
      [...doubtful].flatMap((table): [string, string][] => {
        const reason = whyNotWritten(copy, table);
        return reason === null ? [] : [[table, reason]];
      }),
    );
  } finally {
    copy.close();
  }
}

function mayCall({ type, sql }: SchemaRow): boolean {
  return (type === 'table' ? MAY_CALL : IS_COMPUTED).test(sql);
}

/**
 * Written into the schema as it stands in the file: SQLite reads old text more kindly than new. Every table and index
 * gets a page of its own, in which nothing is: SQLite asks no more of a schema that is only compiled for.
 */
function copySchema(rows: readonly SchemaRow[]): Database {
  const copy = new SqliteDatabase(':memory:');
  // What a table refers to may be none of the copied ones.
  copy.pragma('foreign_keys = OFF');
  copy.pragma(`page_size = ${PAGE_BYTES}`);
  const room = (rows.length + 1) * PAGE_BYTES;
  copy.exec(`CREATE TABLE ${PAGES}(id INTEGER PRIMARY KEY AUTOINCREMENT, x)`);
  copy.exec(`INSERT INTO ${PAGES}(x) VALUES(zeroblob(${room}))`);
  copy.unsafeMode(true);
  copy.pragma('writable_schema = ON');
  const insert = copy.prepare('INSERT INTO sqlite_schema(type, name, tbl_name, rootpage, sql) VALUES(?, ?, ?, ?, ?)');
  for (const [i, { type, name, table, sql }] of rows.entries()) insert.run(type, name, table, FIRST_FREE_PAGE + i, sql);
  copy.pragma('writable_schema = RESET');
  copy.unsafeMode(false);
  return copy;
}

function whyNotWritten(copy: Database, table: string): string | null {
  try {
    copy.prepare(`EXPLAIN INSERT INTO ${quoteIdentifier(table)} DEFAULT VALUES`);
    return null;
  } catch (error) {
    if (!(error instanceof SqliteDatabase.SqliteError)) throw error;
    const missing = /^(?:no such|unknown) (function|collation sequence)(?:: |\(\)?)(.+)$/.exec(error.message);
    if (missing === null) return `SQLite cannot write it here: ${error.message}`;
    const what = missing[1] === 'function' ? 'function' : 'collation';
    return `it needs the ${what} ${missing[2]}, which only the application has`;
  }
}
