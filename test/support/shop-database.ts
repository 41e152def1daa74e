/** A small application's file, and what is in it byte for byte. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import Sqlite from 'better-sqlite3';

const SCHEMA = `
  CREATE TABLE product(sku TEXT PRIMARY KEY NOT NULL, name TEXT, price REAL);
  CREATE TABLE sale(id INTEGER PRIMARY KEY, sku TEXT REFERENCES product, quantity INTEGER);
  CREATE INDEX sale_by_sku ON sale(sku);
  CREATE VIEW takings AS SELECT sku, sum(quantity * price) AS total FROM sale JOIN product USING(sku) GROUP BY sku;
  INSERT INTO product VALUES('tea', 'Assam', 4.2), ('coffee', 'Yirgacheffe', 9.5);
  INSERT INTO sale(sku, quantity) VALUES('tea', 2), ('coffee', 1);`;

/** @param more further SQL of the application */
export function makeShop(path: string, more = ''): void {
  onDatabase(path, (db) => db.exec(SCHEMA + more));
}

/** Runs `work` on a connection of an application's own. */
export function onDatabase<Result>(path: string, work: (db: Sqlite.Database) => Result): Result {
  const db = new Sqlite(path, { timeout: 5_000 });
  try {
    return work(db);
  } finally {
    db.close();
  }
}

export function rowsOf(path: string, sql: string): unknown[] {
  return onDatabase(path, (db) => db.prepare(sql).raw().all());
}

/**
 * Name → hash of every file in a folder, those in folders within it too.
 * @param unread files of which only the size is told: one that cannot be read, or a database that this process has open
 *   (closing it would drop SQLite's locks)
 */
export function filesIn(folder: string, unread: readonly string[] = []): Record<string, string> {
  if (!existsSync(folder)) return {};
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true, encoding: 'utf8' });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => `${entry.parentPath}/${entry.name}`);
  const summaryOf = (path: string) => (unread.includes(path) ? `${statSync(path).size} bytes` : hashOf(path));
  return Object.fromEntries(files.sort().map((path) => [path, summaryOf(path)]));
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
