/**
 * A process of its own that plays the application: plain SQLite, no word of sqlsync. It reads one JSON text of SQL a line
 * on stdin and answers each with a line of its rows, or of what SQLite said.
 */
import { createInterface } from 'node:readline';
import Sqlite from 'better-sqlite3';

const [path = ''] = process.argv.slice(2);
const db = new Sqlite(path, { fileMustExist: true, timeout: 5_000 });

function run(sql: string): unknown {
  const statement = db.prepare(sql);
  return statement.reader ? statement.all() : statement.run().changes;
}

function answer(sql: string): { readonly rows: unknown } | { readonly error: string } {
  try {
    return { rows: run(sql) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(line) as string))}\n`);
}
db.close();
