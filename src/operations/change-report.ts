/** A change as programs and people read it, and what may be asked for. */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { parseJson } from '../parse-json.js';
import { type Change, type ChangeFilter, ChangeHistory, type ChangePlace } from '../replication/change-history.js';
import { HLC_PER_MS, hlcToMs } from '../replication/hlc.js';
import { fromJsonValue } from '../replication/json-values.js';
import { readRegistry } from '../replication/registry.js';
import type { SqlValue } from '../replication/row-version.js';
import type { CapturedTable } from '../replication/table-schema.js';

export interface ChangeReport {
  readonly database: string;
  readonly table: string;
  readonly key: Change['key'];
  readonly op: Change['op'];
  /** Columns that an update may have changed; null: all, or the row is gone. */
  readonly columns: readonly string[] | null;
  /** Where it was written; null: that is not known any more. */
  readonly node: string | null;
  readonly at: string;
  readonly hlc: number;
}

export interface ChangeQuery {
  /** Empty: all. */
  readonly tables: readonly string[];
  /** Of the one table that `tables` names, as JSON: an object of columns, or the value of the only column. */
  readonly key: string | undefined;
  readonly sinceMs: number | undefined;
}

export function changeReport(database: string, { place: _, ...change }: Change): ChangeReport {
  return { database, ...change, at: new Date(hlcToMs(change.hlc)).toISOString() };
}

/** A place as `cursor` has it: HLC, arrival, and the tag of the file in which it is one. */
export function formatPlace({ hlc, arrival }: ChangePlace, tag: string): string {
  return `${hlc}.${arrival}.${tag}`;
}

/** The place a cursor stands for, or an HLC alone: all that was written later, wherever. Throws `usage`. */
export function parsePlace(
  text: string,
): ChangePlace & { readonly sinceHlc: number /** Null: of any file. */; readonly tag: string | null } {
  const [, hlc, arrival, tag] = /^(\d{1,16})(?:\.(\d{1,16})\.([0-9a-f]{1,32}))?$/.exec(text) ?? [];
  if (hlc === undefined || !Number.isSafeInteger(Number(hlc))) {
    throw new SqlsyncError('usage', `"${text}" is no cursor of changes`, { hint: 'Take it as it stands in a change.' });
  }
  if (arrival === undefined || tag === undefined)
    return { hlc: Number(hlc), arrival: 0, sinceHlc: Number(hlc) + 1, tag: null };
  return { hlc: Number(hlc), arrival: Number(arrival), sinceHlc: 0, tag };
}

/** Prepares to read. Throws `usage` for a table that does not replicate, and for what is no key of it. */
export function openHistory(db: Database, query: ChangeQuery, sinceHlc = 0): ChangeHistory {
  const captured = readRegistry(db).filter(({ internal }) => !internal);
  const tables = query.tables.map((name) => tableNamed(captured, name));
  const filter: ChangeFilter = {
    tables: tables.length === 0 ? null : new Set(tables.map(({ name }) => name)),
    key: query.key === undefined ? null : keyFrom(query.key, tables),
    sinceHlc: Math.max(sinceHlc, (query.sinceMs ?? 0) * HLC_PER_MS),
  };
  return new ChangeHistory(db, filter);
}

function tableNamed(captured: readonly CapturedTable[], name: string): CapturedTable {
  const table = captured.find((one) => one.name === name);
  if (table !== undefined) return table;
  throw new SqlsyncError('usage', `no table "${name}" replicates here`, {
    hint: '`sqlsync init DB --dry-run` names those that do.',
  });
}

function keyFrom(text: string, tables: readonly CapturedTable[]): SqlValue[] {
  const [table] = tables;
  if (tables.length !== 1 || table === undefined) {
    throw new SqlsyncError('usage', 'a key belongs to a table', { hint: 'Name one with --table.' });
  }
  const names = table.schema.identity.columns.map(({ name }) => name);
  const json = parseJson(text);
  const isPlain = json === null || typeof json !== 'object' || Object.keys(json).some((name) => name.startsWith('$'));
  const row = (isPlain && names.length === 1 ? { [names[0] as string]: json } : json) as Record<string, unknown>;
  const values = names.map((name) => fromJsonValue(row?.[name]));
  const isKey = Object.keys(row ?? {}).length === names.length && !values.includes(undefined);
  if (isKey) return values as SqlValue[];
  throw new SqlsyncError('usage', `${text} is no key of ${table.name}`, {
    hint: `Write it as JSON: ${JSON.stringify(Object.fromEntries(names.map((name) => [name, '…'])))}`,
  });
}
