/**
 * The evidence for what triggers see: which of them are as they should be, whether the log is there, and which tables
 * nobody has decided about. Reads the schema only.
 */
import type { Database } from 'better-sqlite3';
import { inclusionBy } from './included-tables.js';
import { metadataTable, PREFIX } from './metadata-schema.js';
import { isMigrationTable } from './migration-tables.js';
import { hasNullKey, NULL_KEYS } from './null-keys.js';
import { hasCapture } from './plan-capture.js';
import { isOurs, readSchema } from './read-schema.js';
import { readRegistry, readRegistryEntries, updatedColumns } from './registry.js';
import { readRuleRows } from './rules.js';
import type { TableSchema } from './table-schema.js';
import { triggerDrift } from './trigger-drift.js';

export interface TableInspection {
  readonly id: number;
  readonly name: string;
  /** Names of triggers that are not there, and of those that are not as they should be. */
  readonly missing: readonly string[];
  readonly changed: readonly string[];
  /** Are there columns that the registry does not know, or the other way round? */
  readonly columnsChanged: boolean;
  /** Is the table there that holds what is known of its rows? */
  readonly hasMetadata: boolean;
}

export interface CaptureInspection {
  /** Nothing is amiss in anything below. */
  readonly complete: boolean;
  readonly installed: boolean;
  readonly hasLog: boolean;
  /** Every captured table. */
  readonly tables: readonly TableInspection[];
  /** Triggers of ours that no captured table should have. */
  readonly extra: readonly { readonly name: string; readonly table: string }[];
  /** Registered tables that are gone, or have lost their identity. */
  readonly lost: readonly string[];
  /** Tables that are neither captured nor left out by rule. */
  readonly undecided: readonly string[];
  /** Of these, the ones that were left out once, and that the rules take in by now. */
  readonly included: readonly string[];
  /** Of the undecided, and of those that were captured once, the ones that cannot be as they are now, and why. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
}

export function inspectCapture(db: Database): CaptureInspection {
  if (!hasCapture(db))
    return {
      complete: false,
      installed: false,
      hasLog: false,
      tables: [],
      extra: [],
      lost: [],
      undecided: [],
      included: [],
      refused: [],
    };
  const entries = readRegistryEntries(db);
  const registry = new Map(entries.map((entry) => [entry.id, entry]));
  const schema = readSchema(db);
  const tables = readRegistry(db, schema).filter((table) => !table.internal);
  const drift = triggerDrift(db, tables);
  const present = tableNames(db);
  const namesOn = (triggers: readonly { name: string; table: string }[], table: string) =>
    triggers.filter((trigger) => trigger.table === table).map((trigger) => trigger.name);
  const inspections = tables.map((table): TableInspection => {
    const columns = registry.get(table.id)?.columns ?? [];
    const columnsChanged = JSON.stringify(updatedColumns(columns, table.schema)) !== JSON.stringify(columns);
    const { id, name } = table;
    return {
      id,
      name,
      missing: namesOn(drift.missing, name),
      changed: namesOn(drift.changed, name),
      columnsChanged,
      hasMetadata: present.has(metadataTable(id)),
    };
  });
  const captured = new Set(tables.map((table) => table.name));
  const isTakenIn = takenInByRule(db, schema.tables);
  const once = db.prepare<[], string>(`SELECT name FROM ${PREFIX}excluded`).pluck().all();
  const excluded = once.filter((name) => !isTakenIn(name));
  const registered = entries.map((entry) => entry.name).filter((name) => !isOurs(name));
  const decided = new Set([...registered, ...excluded]);
  const isUndecided = ({ name }: { readonly name: string }) => !decided.has(name) && !isOurs(name);
  const undecided = [...schema.tables, ...schema.refused].filter(isUndecided).map(({ name }) => name);
  const inspection = {
    installed: true,
    hasLog: present.has(`${PREFIX}log`),
    tables: inspections,
    extra: drift.extra,
    lost: registered.filter((name) => !captured.has(name)),
    undecided,
    included: undecided.filter((name) => once.includes(name)),
    refused: [
      ...schema.refused.filter(({ name }) => !excluded.includes(name) && !isOurs(name)),
      ...schema.tables.filter((table) => isUndecided(table) && hasNullKey(db, table)).map(nullKeys),
    ].map(({ name, reason }) => ({ name, reason })),
  };
  return { ...inspection, complete: isComplete(inspection) };
}

/** A glob does not take in what a migration tool keeps for itself. */
function takenInByRule(db: Database, tables: readonly TableSchema[]): (name: string) => boolean {
  const ruleFor = inclusionBy(readRuleRows(db));
  const columnsOf = new Map(tables.map(({ name, columns }) => [name, columns]));
  return (name) => {
    const rule = ruleFor(name);
    if (rule?.included !== true) return false;
    return rule.isOwn || !isMigrationTable(name, columnsOf.get(name) ?? []);
  };
}

const nullKeys = ({ name }: { readonly name: string }) => ({ name, reason: NULL_KEYS });

/** Of a table that is gone nothing can go unrecorded. */
function isComplete({ hasLog, tables, extra, undecided, refused }: Omit<CaptureInspection, 'complete'>): boolean {
  const isWhole = (table: TableInspection) =>
    table.missing.length === 0 && table.changed.length === 0 && !table.columnsChanged && table.hasMetadata;
  return hasLog && tables.every(isWhole) && extra.length + undecided.length + refused.length === 0;
}

/** Those of all tables, read at once: no index finds a name in a schema, which may be of many thousand tables. */
export function tableNames(db: Database): Set<string> {
  return new Set(db.prepare<[], string>(`SELECT name FROM main.sqlite_schema WHERE type = 'table'`).pluck().all());
}
