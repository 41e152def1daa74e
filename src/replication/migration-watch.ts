/**
 * While an application's migration runs, its tables are watched instead of captured. The watching triggers name no
 * column that SQLite would not let go for it, so that DROP COLUMN, DROP INDEX and RENAME work in any order: three tell
 * that somebody has written to the table, and one, which does nothing, keeps the names of its columns. (RENAME COLUMN
 * changes them in the list of UPDATE OF; DROP COLUMN leaves that list alone.) What was written is found by comparing the
 * table with what it was before: table-differences.ts.
 *
 * As long as there are rows in the watch table, what was written to the tables it names is not in the log.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import type { Trigger } from './capture-triggers.js';
import { PREFIX } from './metadata-schema.js';
import { type RegistryEntry, readRegistryEntries } from './registry.js';
import { quoteIdentifier } from './sql-text.js';
import { isKeyword, tokenizeSql } from './sql-tokens.js';
import { existingTriggers } from './trigger-drift.js';
import { type TriggerOnTable, writeTriggers } from './write-triggers.js';

const WATCH_TABLE = `${PREFIX}watch`;

export interface WatchedTable {
  readonly id: number;
  /** By the registry: when the watch began. */
  readonly name: string;
  /** Its name now; null when its triggers are gone: it was made anew, or dropped. */
  readonly nameNow: string | null;
  /** Has anybody written to it? */
  readonly touched: boolean;
  /** Old name → new name of columns that were renamed, as far as the triggers tell. */
  readonly renamed: ReadonlyMap<string, string>;
}

const triggerName = (id: number, kind: string): string => `${PREFIX}${id}_watch_${kind}`;

/** The triggers that watch a table of the registry. */
function watchTriggers({ id, name, columns }: RegistryEntry): Trigger[] {
  const on = quoteIdentifier(name);
  const note = `UPDATE ${WATCH_TABLE} SET touched=1 WHERE tbl=${id} AND touched=0;`;
  const names = columns.filter((column) => column !== null).map(quoteIdentifier);
  const named = (kind: string, event: string, body: string) => {
    return {
      name: triggerName(id, kind),
      sql: `CREATE TRIGGER ${triggerName(id, kind)} AFTER ${event} ON ${on} ${body} END`,
    };
  };
  return [
    named('insert', 'INSERT', `BEGIN ${note}`),
    named('update', 'UPDATE', `BEGIN ${note}`),
    named('delete', 'DELETE', `BEGIN ${note}`),
    named('names', `UPDATE OF ${names.join(',')}`, 'WHEN 0 BEGIN SELECT 1;'),
  ];
}

/**
 * Replaces the triggers that capture these tables by triggers that watch them, inside the caller's transaction, on a
 * connection without a private schema.
 */
export function beginWatch(db: Database, tableIds: readonly number[]): void {
  const wanted = new Set(tableIds);
  const entries = readRegistryEntries(db).filter(({ id }) => wanted.has(id));
  const unwanted = existingTriggers(db).map(({ name }) => name);
  const create = entries.flatMap((entry): TriggerOnTable[] =>
    watchTriggers(entry).map((trigger) => ({ ...trigger, table: entry.name })),
  );
  writeTriggers(db, unwanted, create);
  const insert = db.prepare<[bigint]>(`INSERT INTO ${WATCH_TABLE}(tbl, touched) VALUES(?, 0)`);
  for (const { id } of entries) insert.run(BigInt(id));
}

/** Is a migration under way, or was one cut short? */
export function isWatching(db: Database): boolean {
  const hasTable = db.prepare(`SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?`).get(WATCH_TABLE);
  return hasTable !== undefined && db.prepare(`SELECT 1 FROM ${WATCH_TABLE} LIMIT 1`).get() !== undefined;
}

/** Throws `migrating` where what is written is not recorded, but found by comparing. */
export function assertNotWatching(db: Database): void {
  if (!isWatching(db)) return;
  throw new SqlsyncError('migrating', 'a migration of the application runs on this file, or was cut short', {
    hint: 'wait for it; if nothing runs any more, `sqlsync start` or `sqlsync init DB` puts the triggers back',
  });
}

/** What has become of the tables that are watched, in the order of their numbers; empty: none are. */
export function readWatch(db: Database): WatchedTable[] {
  if (!isWatching(db)) return [];
  const rows = db.prepare<[], { tbl: number; touched: number }>(`SELECT tbl, touched FROM ${WATCH_TABLE} ORDER BY tbl`);
  const entries = new Map(readRegistryEntries(db).map((entry) => [entry.id, entry]));
  const triggers = new Map(existingTriggers(db).map((trigger) => [trigger.name, trigger]));
  const tables = new Set(
    db.prepare<[], string>(`SELECT name FROM main.sqlite_schema WHERE type = 'table'`).pluck().all(),
  );
  return rows
    .safeIntegers(false)
    .all()
    .flatMap(({ tbl: id, touched }) => {
      const entry = entries.get(id);
      return entry === undefined ? [] : [watchedTable(entry, touched === 1, triggers, tables)];
    });
}

function watchedTable(
  entry: RegistryEntry,
  touched: boolean,
  triggers: ReadonlyMap<string, TriggerOnTable>,
  tables: ReadonlySet<string>,
): WatchedTable {
  const { id, name } = entry;
  const own = watchTriggers(entry).map((trigger) => triggers.get(trigger.name));
  const [first] = own;
  const isWhole = first !== undefined && own.every((trigger) => trigger?.table === first.table);
  // A table that has taken the triggers along under another name is not the one that bears the name now.
  const isElsewhere = isWhole && first.table !== name && tables.has(name);
  const nameNow = isWhole && !isElsewhere ? first.table : null;
  const names = nameNow === null ? undefined : triggers.get(triggerName(id, 'names'));
  return { id, name, nameNow, touched, renamed: names === undefined ? new Map() : renamesIn(entry, names.sql) };
}

/** The columns in the list of UPDATE OF stand in the order of the registry. */
function renamesIn({ columns }: RegistryEntry, sql: string): Map<string, string> {
  const tokens = tokenizeSql(sql);
  const from = tokens.findIndex((token) => isKeyword(token, 'OF')) + 1;
  const end = tokens.findIndex((token, i) => i >= from && isKeyword(token, 'ON'));
  const now = tokens.slice(from, end).filter((token) => token.text !== ',');
  const before = columns.filter((name): name is string => name !== null);
  const pairs = before.map((name, i): [string, string] => [name, now[i]?.value ?? name]);
  return new Map(pairs.filter(([name, other]) => name !== other));
}

/** Notes that what was written to these tables is to be found by comparing them. */
export function markTouched(db: Database, ids: readonly number[]): void {
  const upsert = db.prepare<[bigint]>(
    `INSERT INTO ${WATCH_TABLE}(tbl, touched) VALUES(?, 1) ON CONFLICT(tbl) DO UPDATE SET touched = 1`,
  );
  for (const id of ids) upsert.run(BigInt(id));
}

/** Capture is back: from here on only tables that have been written to are still in question. */
export function keepTouched(db: Database): void {
  db.prepare(`DELETE FROM ${WATCH_TABLE} WHERE touched = 0`).run();
}

/** All that was written is in the log, or known to be missing. */
export function endWatch(db: Database): void {
  db.prepare(`DELETE FROM ${WATCH_TABLE}`).run();
}
