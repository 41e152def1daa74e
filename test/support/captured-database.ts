/** Databases with capture installed, and their change log in words. */
import Database from 'better-sqlite3';
import { type InstallResult, installCapture } from '../../src/replication/install-capture.js';
import { FORMAT_VERSION, MASK_BITS, maskColumn, OP, PREFIX } from '../../src/replication/metadata-schema.js';
import { type CaptureOptions, planCapture } from '../../src/replication/plan-capture.js';
import { readRegistry } from '../../src/replication/registry.js';
import type { CapturedTable } from '../../src/replication/table-schema.js';

const NOW_MS = 1_700_000_000_000;
const OP_NAMES = new Map<number, string>(Object.entries(OP).map(([name, op]) => [op, name]));

export function install(db: Database.Database, options: Partial<CaptureOptions> = {}): InstallResult {
  const plan = planCapture(db, { include: [], exclude: [], ...options });
  return installCapture(db, plan, { nowMs: NOW_MS, facts: { format: FORMAT_VERSION, node: 'test', folded: 0 } });
}

/** A captured database of this schema, in memory unless a path says otherwise. */
export function captured(schema: string, path = ':memory:'): Database.Database {
  const db = new Database(path);
  db.exec(schema);
  install(db);
  return db;
}

export interface LoggedChange {
  readonly op: string;
  readonly table: string;
  readonly key: readonly unknown[];
  /** Names of the columns an update changed. */
  readonly columns: readonly string[];
}

type LogRow = Record<string, bigint | number | string | Buffer | null>;

/** All that the log holds beyond markers, in order. */
export function readChanges(
  db: Database.Database,
  captured: readonly CapturedTable[] = readRegistry(db),
): LoggedChange[] {
  const tables = new Map(captured.map((table) => [table.id, table]));
  const rows = db.prepare<[], LogRow>(`SELECT * FROM ${PREFIX}log ORDER BY hlc`).safeIntegers().all();
  return rows.flatMap((row) => {
    const op = OP_NAMES.get(Number(row.op)) ?? '?';
    const table = tables.get(Number(row.tbl));
    if (table === undefined) return [];
    const key = table.schema.identity.columns.map((_, i) => plainValue(row[`k${i + 1}`]));
    return [{ op, table: table.name, key, columns: op === 'update' ? changedNames(table, row) : [] }];
  });
}

const plainValue = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value);

function changedNames(table: CapturedTable, row: LogRow): string[] {
  const isSet = (id: number) => {
    const mask = row[maskColumn(Math.floor(id / MASK_BITS))];
    return typeof mask === 'bigint' && ((mask >> BigInt(id % MASK_BITS)) & 1n) === 1n;
  };
  return table.columns.filter(({ id }) => isSet(id)).map(({ name }) => name);
}

/** Forgets what the log holds, but for its newest entry. */
export function clearLog(db: Database.Database): void {
  db.exec(`DELETE FROM ${PREFIX}log WHERE hlc < (SELECT max(hlc) FROM ${PREFIX}log);
    UPDATE ${PREFIX}log SET tbl = NULL, op = ${OP.marker}`);
}

/** What `sql` logs, a line each: `update t(1): a, b`. */
export function changesOf(db: Database.Database, sql: string): string[] {
  clearLog(db);
  db.exec(sql);
  return readChanges(db).map(({ op, table, key, columns }) => {
    const where = `${op} ${table}(${key.map((part) => JSON.stringify(part)).join(', ')})`;
    return op === 'update' ? `${where}: ${columns.join(', ')}` : where;
  });
}
