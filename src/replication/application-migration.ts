/**
 * An application's own migration, as the engine sees it: capture is lifted before, put back after, and what was written
 * in between is entered into the change log as this node's own writes, exactly. Nobody folds or applies meanwhile.
 *
 *   lift      tables are watched instead of captured; the caller keeps an image of the file as it is then
 *   put back  registry, metadata and triggers follow the new schema; from here on writes are captured again
 *   enter     what differs from the image goes into the log, before all that was captured since
 *   end       the watch is over
 *
 * Cut short anywhere in between, the watch table tells: whoever opens the file next puts the triggers back and notes
 * what may be missing (capture-repair.ts).
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { ChangeLog } from './change-log.js';
import { nextHlc } from './hlc.js';
import { inspectCapture } from './inspect-capture.js';
import {
  assertNotWatching,
  beginWatch,
  endWatch,
  isWatching,
  markTouched,
  readWatch,
  type WatchedTable,
} from './migration-watch.js';
import { enterOperation, type OperationRecord } from './operation-record.js';
import { planCapture } from './plan-capture.js';
import { readSchema } from './read-schema.js';
import { readRegistry } from './registry.js';
import { findRenamedColumns } from './renamed-by-value.js';
import { restoreCapture } from './restore-capture.js';
import { schemaHash } from './schema-hash.js';
import { quoteIdentifier } from './sql-text.js';
import { BEFORE, isRekeyed, type TablePair } from './table-differences.js';
import type { CapturedTable } from './table-schema.js';

/** Room in the log for rows that come while it is counted. */
const ROOM_SPARE = 10_000;

export interface MigrationStart {
  readonly tables: readonly CapturedTable[];
  readonly schemaHash: string;
}

/** What has become of a table: `untouched` and `dropped` leave nothing to compare. */
export type TableFate = 'untouched' | 'written' | 'made-anew' | 'rekeyed' | 'new' | 'dropped';

export interface MigratedTable {
  readonly name: string;
  readonly fate: TableFate;
  /** Null where there is nothing to compare. */
  readonly pair: TablePair | null;
}

export interface MigrationEnd {
  readonly tables: readonly MigratedTable[];
  /** Tables that have come, or have lost their key, and cannot replicate: why. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
  readonly schemaHash: string;
  /** HLCs between these two are free, for what was written meanwhile. */
  readonly room: { readonly after: number; readonly below: number };
}

const own = (tables: readonly CapturedTable[]) => tables.filter((table) => !table.internal);

/** The tables that a migration would be watched on. Throws `migrating` or `coverage-partial` where it cannot begin. */
export function readMigrationStart(db: Database): MigrationStart {
  assertNotWatching(db);
  const { tables, hasLog } = inspectCapture(db);
  const damaged = tables.find(({ missing, changed }) => missing.length + changed.length > 0);
  if (damaged !== undefined || !hasLog) {
    throw new SqlsyncError(
      'coverage-partial',
      `writes to ${damaged?.name ?? 'all tables'} are not all recorded as it is`,
      {
        hint: '`sqlsync init DB`, or a daemon, puts triggers back; migrate then',
      },
    );
  }
  const captured = own(readRegistry(db));
  return { tables: captured, schemaHash: schemaHash(captured.map(({ schema }) => schema)) };
}

/** Inside the caller's write transaction, on an ordinary connection, in which the image has been taken. */
export function liftCapture(db: Database): MigrationStart {
  const start = readMigrationStart(db);
  beginWatch(
    db,
    start.tables.map(({ id }) => id),
  );
  return start;
}

export interface PutBackOptions {
  readonly start: MigrationStart;
  /** A connection that reads the file as it was as `before`. */
  readonly probe: Database;
  /** Compare tables that nobody was seen to write to as well. */
  readonly all: boolean;
  readonly nowMs: () => number;
}

/**
 * Puts the triggers back, in one short transaction. Null: somebody else has done so already, since the migration was no
 * longer known to be under way; what may be missing is noted in the file.
 */
export function putBackCapture(db: Database, { start, probe, all, nowMs }: PutBackOptions): MigrationEnd | null {
  const renamed = renamedColumns(db, probe, start);
  const count = countRows(db, probe);
  return db
    .transaction(() => {
      if (start.tables.length > 0 && !isWatching(db)) return null;
      const plan = planCapture(db, { include: [], exclude: [] });
      const { watched } = restoreCapture(db, plan, { nowMs: nowMs(), renamed });
      const captured = own(readRegistry(db));
      const tables = fatesOf(start, watched, captured, all);
      const fresh = tables.filter(({ fate }) => fate === 'new');
      markTouched(
        db,
        fresh.flatMap(({ pair }) => (pair === null ? [] : [pair.after.id])),
      );
      const refused = plan.tables.flatMap(({ name, status, reason }) =>
        status === 'refused' ? [{ name, reason: reason ?? '' }] : [],
      );
      const log = new ChangeLog(db);
      const after = log.last();
      const below = nextHlc(after + count + ROOM_SPARE, nowMs());
      log.appendMarker(below);
      return { tables, refused, schemaHash: schemaHash(captured.map(({ schema }) => schema)), room: { after, below } };
    })
    .immediate();
}

/** All that was written is in the log, and so is that there was a migration. */
export function endMigration(db: Database, operation: OperationRecord, nowMs: number): void {
  db.transaction(() => {
    endWatch(db);
    enterOperation(db, operation, nowMs);
  }).immediate();
}

/** Triggers tell of columns that were renamed; in a table that was made anew they are gone, and values have to tell. */
function renamedColumns(
  db: Database,
  probe: Database,
  { tables }: MigrationStart,
): Map<number, ReadonlyMap<string, string>> {
  const anew = readWatch(db).filter(({ nameNow }) => nameNow === null);
  if (anew.length === 0) return new Map();
  const schemas = new Map(readSchema(db).tables.map((table) => [table.name, table]));
  return new Map(
    anew.flatMap(({ id, name }) => {
      const [before, after] = [tables.find((table) => table.id === id), schemas.get(name)];
      return before === undefined || after === undefined
        ? []
        : [[id, findRenamedColumns(probe, before, after)] as const];
    }),
  );
}

/** No more rows than these can have been written to tables that have to be compared. */
function countRows(db: Database, probe: Database): number {
  const watched = readWatch(db);
  const touched = watched.filter((table) => table.touched || table.nameNow === null);
  const names = new Set(watched.map((table) => table.nameNow ?? table.name));
  const present = readSchema(db).tables.map(({ name }) => name);
  const compared = new Set(touched.map((table) => table.nameNow ?? table.name));
  const counts = [
    ...touched.map(({ name }) => countIn(probe, BEFORE, name)),
    ...present.filter((name) => compared.has(name) || !names.has(name)).map((name) => countIn(db, 'main', name)),
  ];
  return counts.reduce((sum, rows) => sum + rows, 0);
}

function countIn(db: Database, schema: string, table: string): number {
  const sql = `SELECT count(*) FROM ${schema}.${quoteIdentifier(table)}`;
  return db.prepare<[], number>(sql).safeIntegers(false).pluck().get() ?? 0;
}

function fatesOf(
  { tables }: MigrationStart,
  watched: readonly WatchedTable[],
  captured: readonly CapturedTable[],
  all: boolean,
): MigratedTable[] {
  const known = new Map(tables.map((table) => [table.id, table]));
  const kept = tables.map((before): MigratedTable => {
    const after = captured.find(({ id }) => id === before.id);
    if (after === undefined) return { name: before.name, fate: 'dropped', pair: null };
    const pair = { before, after };
    const watch = watched.find(({ id }) => id === before.id);
    const fate = fateOf(watch, pair);
    return { name: after.name, fate, pair: fate === 'untouched' && !all ? null : pair };
  });
  const fresh = captured.filter(({ id }) => !known.has(id));
  return [
    ...kept,
    ...fresh.map((after): MigratedTable => ({ name: after.name, fate: 'new', pair: { before: null, after } })),
  ];
}

/** A table that is not known to have been watched is compared. */
function fateOf(watch: WatchedTable | undefined, pair: TablePair): TableFate {
  if (isRekeyed(pair)) return 'rekeyed';
  if (watch === undefined || watch.nameNow === null) return 'made-anew';
  return watch.touched ? 'written' : 'untouched';
}
