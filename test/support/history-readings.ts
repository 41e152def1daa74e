/** What a random history looks at in its nodes' files. */
import type { Database } from 'better-sqlite3';
import type { EngineNode } from './engine-node.js';
import { FAMILY_VALUES } from './history-family.js';

/** Refusals that a history may meet: nothing has been exchanged, and nothing was changed. */
const REFUSALS = ['stale', 'batch-outdated', 'catching-up'];

/** Versions that a node could not write. */
export function keptIn({ app }: EngineNode): number {
  return app.prepare('SELECT count(*) FROM _sqlsync_quarantine').pluck().get() as number;
}

export function trailsIn(db: Database): number {
  return db.prepare('SELECT count(*) FROM trail').pluck().get() as number;
}

/** What an exchange says, or the code by which it was refused. */
export function refusedOr(exchange: () => number | string): number | string {
  try {
    return exchange();
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined || !REFUSALS.includes(code)) throw error;
    return code;
  }
}

/** Every value an application wrote that can be seen now; keys and unique values are not among them, they come again. */
export function valuesIn(db: Database): Set<string> {
  const rows = [
    ...(db.prepare('SELECT a, b FROM item').raw().all() as string[][]),
    ...(db.prepare('SELECT n FROM counter').raw().all() as string[][]),
    ...(db.prepare('SELECT v FROM pair').raw().all() as string[][]),
    ...(db.prepare('SELECT note FROM span').raw().all() as string[][]),
    ...FAMILY_VALUES.flatMap((sql) => db.prepare(sql).raw().all() as string[][]),
  ];
  return new Set(rows.flat().filter((value) => typeof value === 'string' && value.startsWith('v')));
}

/** Values of which an application has written each to one row, in tables whose keys SQLite allocates. */
export function valuesOfAllocated(db: Database): string[] {
  const sql =
    'SELECT n FROM counter WHERE n IS NOT NULL UNION ALL SELECT title FROM book WHERE title IS NOT NULL UNION ALL SELECT name FROM ticket';
  return db.prepare(sql).pluck().all() as string[];
}
