/** All that an application can read in a database file, in a form in which any difference of value or storage class shows. */
import { createHash } from 'node:crypto';
import Sqlite, { type Database } from 'better-sqlite3';
import { until } from './until.js';

/** Table → its rows, each a text, in an order that depends on nothing else. */
export type FileContents = ReadonlyMap<string, readonly string[]>;

/** Longer values are told by their length and hash. */
const SHOWN_BYTES_MAX = 200;
const DIFFERENCES_SHOWN_MAX = 5;
const COLUMNS_AT_ONCE = 1000;

export function readContents(path: string): FileContents {
  return withReader(path, (db) => {
    const contents = new Map<string, string[]>();
    for (const table of applicationTables(db)) contents.set(table, rowsOf(db, table));
    return contents;
  });
}

/** Where the files differ, the first few rows of it; empty when they are equal. */
export function differencesBetween(names: readonly string[], files: readonly FileContents[]): string[] {
  const [first, ...rest] = files as [FileContents, ...FileContents[]];
  return rest.flatMap((other, i) => differencesOf(`${names[0]}|${names[i + 1]}`, first, other));
}

/** Waits until the files are equal in every table, row, value and storage class, and returns what they hold. */
export async function untilEqual(
  nodes: readonly { readonly name: string; readonly path: string }[],
  timeoutMs: number,
): Promise<FileContents> {
  const names = nodes.map(({ name }) => name);
  let differences: string[] = [];
  return until(
    () => {
      const files = nodes.map(({ path }) => readContents(path));
      differences = differencesBetween(names, files);
      return differences.length === 0 ? (files[0] as FileContents) : null;
    },
    timeoutMs,
    () => `files differ:\n${differences.join('\n')}`,
  );
}

/** The schema as the file spells it, in the file's own order. */
export function readSchemaRows(path: string): unknown[] {
  return withReader(path, (db) =>
    db.prepare('SELECT type, name, tbl_name, rootpage, hex(sql) AS sql FROM sqlite_schema ORDER BY rowid').all(),
  );
}

export function withReader<Result>(path: string, read: (db: Database) => Result): Result {
  const db = new Sqlite(path, { fileMustExist: true, timeout: 30_000 });
  try {
    return db.transaction(() => read(db))();
  } finally {
    db.close();
  }
}

function differencesOf(which: string, here: FileContents, there: FileContents): string[] {
  const tables = new Set([...here.keys(), ...there.keys()]);
  return [...tables].flatMap((table) => {
    const left = here.get(table) ?? [];
    const right = there.get(table) ?? [];
    const inLeft = new Set(left);
    const inRight = new Set(right);
    const only = [
      ...left.filter((row) => !inRight.has(row)).map((row) => `- ${row}`),
      ...right.filter((row) => !inLeft.has(row)).map((row) => `+ ${row}`),
    ];
    if (only.length === 0 && left.length === right.length) return [];
    const shown = only.slice(0, DIFFERENCES_SHOWN_MAX).join('\n    ');
    return [`  ${which} ${table}: ${left.length} and ${right.length} rows, ${only.length} differ\n    ${shown}`];
  });
}

/** Tables that replicate: neither ours, nor SQLite's, nor virtual ones and their shadows. */
function applicationTables(db: Database): string[] {
  return db
    .prepare<[], string>(
      `SELECT name FROM pragma_table_list
       WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT GLOB '_sqlsync_*'
       ORDER BY name`,
    )
    .pluck()
    .all();
}

function rowsOf(db: Database, table: string): string[] {
  const columns = db.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(table);
  const rows: string[] = [];
  // As many columns at once as a result may have; every reading comes in the table's own order.
  for (let from = 0; from < columns.length; from += COLUMNS_AT_ONCE) {
    const some = columns.slice(from, from + COLUMNS_AT_ONCE);
    const cells = some.map(quoted).flatMap((c) => [
      `typeof(${c})`,
      // The bytes of all but REALs, whose text is not exact.
      `CASE typeof(${c}) WHEN 'real' THEN ${c} ELSE CAST(${c} AS BLOB) END`,
    ]);
    const select = db.prepare(`SELECT ${cells.join(', ')} FROM ${quoted(table)} NOT INDEXED`).raw();
    let at = 0;
    for (const row of select.iterate() as Iterable<unknown[]>) {
      const shown = some.map((column, i) => `${column}=${cell(row[2 * i] as string, row[2 * i + 1])}`).join(' ');
      rows[at] = from === 0 ? shown : `${rows[at]} ${shown}`;
      at += 1;
    }
  }
  return rows.sort();
}

function cell(type: string, value: unknown): string {
  if (type === 'null') return type;
  if (type === 'real') {
    const bits = Buffer.alloc(8);
    bits.writeDoubleBE(value as number);
    return `real:${bits.toString('hex')}`;
  }
  const bytes = value as Buffer;
  if (type === 'integer') return `integer:${bytes.toString('latin1')}`;
  if (bytes.length > SHOWN_BYTES_MAX) {
    return `${type}:${bytes.length} bytes, sha256 ${createHash('sha256').update(bytes).digest('hex')}`;
  }
  return `${type}:${type === 'text' ? JSON.stringify(bytes.toString('latin1')) : bytes.toString('hex')}`;
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
