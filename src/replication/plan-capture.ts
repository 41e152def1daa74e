/**
 * Which of a file's tables will replicate, and what an operator should know of each before anything is installed.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { globMatcher } from './glob.js';
import { type DecidingRule, inclusionBy } from './included-tables.js';
import { PREFIX } from './metadata-schema.js';
import { isMigrationTable } from './migration-tables.js';
import { hasNullKey, NULL_KEYS, nullableKeyColumns } from './null-keys.js';
import { isOurs, readSchema } from './read-schema.js';
import { readRegistryEntries } from './registry.js';
import { readLeaving } from './release-tables.js';
import { type RuleRow, readRuleRows } from './rules.js';
import type { TableSchema } from './table-schema.js';

export interface CaptureOptions {
  /**
   * Globs (`*` and `?`, in whatever case) of the only tables to take; empty: all. A table's own name also brings back one
   * that is left out by default.
   */
  readonly include: readonly string[];
  /** Globs of tables to leave out. */
  readonly exclude: readonly string[];
  /** Rules of the data set in place of those that the file has. */
  readonly rules?: readonly RuleRow[];
}

export interface PlannedTable {
  readonly name: string;
  /** Key columns; empty where there is no identity. */
  readonly key: readonly string[];
  readonly status: 'captured' | 'excluded' | 'refused';
  /** Why it is excluded or refused. */
  readonly reason: string | null;
  /** SQLite allocates the keys: two nodes will give one key to two rows. */
  readonly keyRisk: boolean;
  readonly warnings: readonly string[];
}

export interface CapturePlan {
  /** In the order of their names. */
  readonly tables: readonly PlannedTable[];
}

/**
 * Plans the capture of a file, one that has it already or not: a table that is captured stays so, unless it is to be let
 * go of by a change of the rules.
 */
export function planCapture(db: Database, options: CaptureOptions): CapturePlan {
  const schema = readSchema(db);
  const isInstalled = hasCapture(db);
  const registered = new Set(isInstalled ? readRegistryEntries(db).map((entry) => entry.name) : []);
  const leaving = isInstalled ? readLeaving(db) : new Set();
  const reasonToExclude = exclusionRule(
    options,
    isInstalled ? readExcluded(db) : new Map(),
    inclusionBy(options.rules ?? (isInstalled ? readRuleRows(db) : [])),
  );
  const plan: PlannedTable[] = schema.local.map((name) =>
    leftOut(name, 'excluded', 'a virtual table, or part of one: each node keeps its own'),
  );
  if (!isInstalled) {
    const reason = `its name begins with ${PREFIX}, which is reserved`;
    plan.push(...clashingNames(db).map((name) => leftOut(name, 'refused', reason)));
  }
  for (const { name, reason } of schema.refused) {
    const excluded = reasonToExclude(name);
    if (!isOurs(name))
      plan.push(excluded === null ? leftOut(name, 'refused', reason) : leftOut(name, 'excluded', excluded));
  }
  for (const table of schema.tables) {
    const excluded = reasonToExclude(table.name, table.columns, registered.has(table.name) && !leaving.has(table.name));
    plan.push(excluded === null ? planTable(db, table) : { ...describe(table), status: 'excluded', reason: excluded });
  }
  return { tables: plan.sort((x, y) => (x.name < y.name ? -1 : 1)) };
}

/** Throws when tables are refused: names them, why, and how to leave them out. */
export function assertNoneRefused(plan: CapturePlan): void {
  const refused = plan.tables.filter((table) => table.status === 'refused');
  if (refused.length === 0) return;
  const reasons = refused.map(({ name, reason }) => `${name}: ${reason}`).join('\n');
  const clashing = refused.filter(({ name }) => isOurs(name));
  const others = refused.filter(({ name }) => !isOurs(name));
  const flags = others.map(({ name }) => `--exclude '${name.replaceAll("'", "'\\''")}'`).join(' ');
  throw new SqlsyncError('table-refused', `these tables cannot replicate:\n${reasons}`, {
    hint: [
      ...(others.length === 0 ? [] : [`give them a key, or leave them out with ${flags}`]),
      ...(clashing.length === 0
        ? []
        : [`rename ${clashing.map(({ name }) => name).join(', ')}: such names are sqlsync's own`]),
    ].join('\n'),
  });
}

/** Does the file carry sqlsync's registry? */
export function hasCapture(db: Database): boolean {
  const sql = `SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name IN ('${PREFIX}table', '${PREFIX}state')`;
  return db.prepare<[], number>(sql).safeIntegers(false).pluck().get() === 2;
}

function planTable(db: Database, table: TableSchema): PlannedTable {
  if (hasNullKey(db, table)) {
    return { ...describe(table), status: 'refused', reason: NULL_KEYS };
  }
  const nullable = nullableKeyColumns(table);
  const warnings =
    nullable.length === 0 ? [] : [`a row without ${nullable.join(', ')} would not replicate: the key may be NULL`];
  return { ...describe(table), status: 'captured', reason: null, warnings };
}

function describe(table: TableSchema): Omit<PlannedTable, 'status' | 'reason'> {
  const { source, columns } = table.identity;
  return {
    name: table.name,
    key: columns.map((column) => column.name),
    keyRisk: source === 'integer-primary-key',
    warnings: [],
  };
}

function leftOut(name: string, status: 'excluded' | 'refused', reason: string): PlannedTable {
  return { name, key: [], status, reason, keyRisk: false, warnings: [] };
}

/** Everything of whatever kind that has our prefix in a file which we have not touched. */
function clashingNames(db: Database): string[] {
  const names = db.prepare<[], string>('SELECT name FROM main.sqlite_schema').pluck().all();
  return names.filter(isOurs);
}

function readExcluded(db: Database): Map<string, string> {
  const rows = db.prepare<[], { name: string; reason: string }>(`SELECT name, reason FROM ${PREFIX}excluded`).all();
  return new Map(rows.map(({ name, reason }) => [name, reason]));
}

function exclusionRule(
  options: CaptureOptions,
  excluded: ReadonlyMap<string, string>,
  ruleFor: (name: string) => DecidingRule | null,
): (name: string, columns?: TableSchema['columns'], isCaptured?: boolean) => string | null {
  const isIncluded = globMatcher(options.include);
  const isExcluded = globMatcher(options.exclude);
  const named = new Set(options.include.map((glob) => glob.toLowerCase()));
  return (name, columns = [], isCaptured = false) => {
    const rule = ruleFor(name);
    if (isCaptured) return null;
    if (rule?.included === false) return 'left out by a rule of the data set';
    if (isExcluded(name)) return 'left out on request';
    const isNamed = rule?.isOwn === true || named.has(name.toLowerCase());
    if (!isNamed && isMigrationTable(name, columns)) return 'a migration tool keeps it for this file alone';
    if (isIncluded(name) || rule !== null) return null;
    return excluded.get(name) ?? (options.include.length === 0 ? null : 'not among the tables to take');
  };
}
