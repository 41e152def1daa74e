/**
 * Creates tables by the thousand. Every CREATE TABLE reads all of sqlite_schema, so a thousand are made while the rest of
 * it is put aside: what has been made before goes back when all is done, in its place.
 */
import type { Database } from 'better-sqlite3';

/** Made one after the other; fewer are not worth the trouble. */
const TABLES_AT_ONCE = 200;

interface SchemaRow {
  readonly rowid: number;
  readonly type: string;
  readonly name: string;
  readonly tbl_name: string;
  readonly rootpage: number;
  readonly sql: string | null;
}

/**
 * Call it inside a transaction, on a connection without a private schema: if it throws, the caller's rollback leaves the
 * file as it was. Each statement creates one table, and nothing that is there already.
 */
export function createTables(db: Database, statements: readonly string[]): void {
  if (statements.length <= TABLES_AT_ONCE) {
    for (const sql of statements) db.exec(sql);
    return;
  }
  db.unsafeMode(true);
  try {
    db.pragma('writable_schema = ON');
    const select = db
      .prepare<[], SchemaRow>('SELECT rowid, * FROM main.sqlite_schema ORDER BY rowid')
      .safeIntegers(false);
    const rows = select.all();
    let highest = rows.at(-1)?.rowid ?? 0;
    for (let from = 0; from < statements.length; from += TABLES_AT_ONCE) {
      db.exec('DELETE FROM main.sqlite_schema');
      for (const sql of statements.slice(from, from + TABLES_AT_ONCE)) db.exec(sql);
      for (const row of select.all()) {
        highest += 1;
        rows.push({ ...row, rowid: highest });
      }
    }
    db.exec('DELETE FROM main.sqlite_schema');
    const insert = db.prepare<SchemaRow>(
      `INSERT INTO main.sqlite_schema(rowid, type, name, tbl_name, rootpage, sql)
       VALUES(@rowid, @type, @name, @tbl_name, @rootpage, @sql)`,
    );
    for (const row of rows) insert.run(row);
    // Other connections load the schema anew when its number has changed; this one is made to.
    db.pragma(`schema_version = ${Number(db.pragma('schema_version', { simple: true })) + 1}`);
  } finally {
    db.pragma('writable_schema = RESET');
    db.unsafeMode(false);
  }
  db.prepare('SELECT 1 FROM main.sqlite_schema').get();
}
