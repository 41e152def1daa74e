/** What a random history looks at in its nodes' files. */
import type { Database } from 'better-sqlite3';
import type { EngineNode } from './engine-node.js';
import { FAMILY_VALUES } from './history-family.js';

/** Refusals that a history may meet: nothing has been exchanged, and nothing was changed. */
const REFUSALS = ['stale', 'batch-outdated', 'catching-up'];

const ALLOCATED = [
  ['counter', 'n'],
  ['book', 'title'],
  ['ticket', 'name'],
] as const;

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

/**
 * Values of which an application has written each to one row, in tables whose keys SQLite allocates. Not of rows that were
 * brought back as parents: another node may know of one under a newer key.
 */
export function valuesOfAllocated(db: Database): string[] {
  const isBack = db.prepare(
    `SELECT 1 FROM _sqlsync_conflict WHERE kind = 'orphan' AND detail ->> '$.rule' = 'restore-parent'
      AND detail ->> '$.parent.table' = ? AND detail ->> '$.parent.key.id' = ?`,
  );
  return ALLOCATED.flatMap(([table, column]) => {
    const sql = `SELECT id, ${column} FROM ${table} WHERE ${column} IS NOT NULL`;
    const rows = db.prepare(sql).raw().all() as [number, string][];
    return rows.filter(([id]) => isBack.get(table, id) === undefined).map(([, value]) => value);
  });
}
