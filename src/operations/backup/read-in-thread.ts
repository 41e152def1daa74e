/**
 * Reads a database file in a thread of its own: what takes long in a large file (counting rows, checking its integrity)
 * must not keep the daemon from its other work. Only for files that no application uses.
 */
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { SqlsyncError } from '../../errors.js';

/** What a statement has given: its first column, row by row, or SQLite's words about why there is nothing. */
export type ThreadAnswer = { readonly values: readonly unknown[] } | { readonly error: string };

const VALUES_MAX = 1_000;

/** Text, since it runs as it is: a thread knows neither the loader of tests nor that of development. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const Database = require(workerData.driver);
const db = new Database(workerData.path, { fileMustExist: true });
db.pragma('query_only = ON');
const answers = workerData.statements.map((sql) => {
  try {
    const values = [];
    for (const [value] of db.prepare(sql).raw().iterate()) if (values.push(value) >= workerData.valuesMax) break;
    return { values };
  } catch (error) {
    return { error: error.message };
  }
});
db.close();
parentPort.postMessage(answers);
`;

export function readInThread(
  path: string,
  statements: readonly string[],
  signal?: AbortSignal,
): Promise<readonly ThreadAnswer[]> {
  const driver = createRequire(import.meta.url).resolve('better-sqlite3');
  const worker = new Worker(THREAD, { eval: true, workerData: { driver, path, statements, valuesMax: VALUES_MAX } });
  const stop = () => void worker.terminate();
  return new Promise<readonly ThreadAnswer[]>((resolve, reject) => {
    signal?.addEventListener('abort', stop, { once: true });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => {
      reject(signal?.aborted ? signal.reason : new SqlsyncError('disk-io', `${path} could not be read to its end`));
    });
  }).finally(() => signal?.removeEventListener('abort', stop));
}
