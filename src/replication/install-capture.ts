/**
 * Installs capture in a file, and repairs it: what is there as it should be is left alone. All in one transaction, on an
 * ordinary connection (not one with a private schema). No table is read.
 */
import type { Database } from 'better-sqlite3';
import { type ColumnSurvey, surveyColumns, triggersDigest } from './column-survey.js';
import { nextHlc } from './hlc.js';
import {
  createLog,
  createMetadata,
  FIRST_TABLE_ID,
  INTERNAL_TABLES,
  keyColumn,
  LOCAL_TABLES,
  MASK_BITS,
  maskColumn,
  metadataTable,
  OP,
  PREFIX,
} from './metadata-schema.js';
import { addedColumns, enterNewValues, leaveUnsaid } from './new-columns.js';
import { type CapturePlan, hasCapture } from './plan-capture.js';
import { readSchema } from './read-schema.js';
import { type RegistryEntry, readRegistry, readRegistryEntries, updatedColumns } from './registry.js';
import { highestTableId, releaseTables } from './release-tables.js';
import { readRules } from './rules.js';
import type { CapturedTable, TableSchema } from './table-schema.js';
import { existingTriggers, triggerDrift } from './trigger-drift.js';
import { assertCurrentFormat, formatOf } from './upgrade-format.js';
import { createTables } from './write-tables.js';
import { type TriggerOnTable, writeTriggers } from './write-triggers.js';

export interface InstallOptions {
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** Rows of the state table, written when the file has none; `folded` becomes the HLC of the log's first entry. */
  readonly facts: Readonly<Record<string, string | number>>;
}

export interface InstallResult {
  /** Was anything changed in the file? */
  readonly changed: boolean;
  /** Did the file carry capture before? */
  readonly wasInstalled: boolean;
  /** Tables that are captured from now on. */
  readonly added: readonly string[];
  /** Tables whose triggers were missing or not as they should be: what was written in between is not known. */
  readonly repaired: readonly string[];
  /** The log was gone: a new one begins. */
  readonly logRecreated: boolean;
  /** Tables whose metadata was gone, or told of another key than they have now: what it knew is lost. */
  readonly rekeyed: readonly string[];
}

/**
 * Captures what the plan captures, as far as the schema still has it. Refused tables are passed over, and their triggers
 * removed: whether to go on without them is for the caller to decide (assertNoneRefused).
 */
export function installCapture(db: Database, plan: CapturePlan, options: InstallOptions): InstallResult {
  return db.transaction(() => install(db, plan, options)).immediate();
}

function install(db: Database, plan: CapturePlan, options: InstallOptions): InstallResult {
  const before = fingerprint(db);
  const wasInstalled = hasCapture(db);
  // Metadata that is not as this version writes it would be taken for another key's.
  if (wasInstalled) assertCurrentFormat(formatOf(db), db.name);
  if (wasInstalled) followRenames(db);
  else for (const sql of [...LOCAL_TABLES, ...INTERNAL_TABLES.map((table) => table.create)]) db.exec(sql);
  const schema = readSchema(db);
  const surveys = wasInstalled ? followColumns(db, schema.tables) : new Map<string, ColumnSurvey>();
  const columnsAdded = wasInstalled ? addedByTable(db, schema.tables, surveys) : new Map<string, readonly string[]>();
  if (wasInstalled) releaseTables(db);
  const added = updateRegistry(db, plan, [...schema.tables, ...schema.internal]);
  const tables = readRegistry(db, schema);
  const known = new Set(
    tables.filter(({ internal, name }) => !internal && !added.includes(name)).map(({ name }) => name),
  );
  const rekeyed = makeMetadata(db, tables).filter((name) => wasInstalled && known.has(name));
  const isNewLog = shapeLog(db, readRegistryEntries(db), tables);
  if (isNewLog || isLogEmpty(db)) {
    const folded = appendMarker(db, options.nowMs);
    if (!wasInstalled) writeFacts(db, { ...options.facts, folded });
  }
  recordExcluded(db, plan);
  const isBlind = (name: string) => !added.includes(name) && (!surveys.has(name) || isNewLog);
  const repaired = [...new Set([...repairTriggers(db, tables).filter(isBlind), ...rekeyed])];
  recordTriggers(db, tables);
  for (const table of tables) {
    leaveUnsaid(db, table, columnsAdded.get(table.name) ?? []);
    enterNewValues(db, table, surveys.get(table.name)?.added ?? [], options.nowMs);
  }
  const changed = fingerprint(db) !== before;
  return { changed, wasInstalled, added, repaired, logRecreated: isNewLog && wasInstalled, rekeyed };
}

/** Differs after any change to the schema or to a row. */
function fingerprint(db: Database): string {
  const changes = db.prepare<[], number>('SELECT total_changes()').safeIntegers(false).pluck().get();
  return `${changes} ${db.pragma('schema_version', { simple: true })}`;
}

/** A table that was renamed has taken its triggers along: it keeps its number, and with it what log and metadata say. */
function followRenames(db: Database): void {
  const present = new Set(
    db.prepare<[], string>(`SELECT name FROM main.sqlite_schema WHERE type = 'table'`).pluck().all(),
  );
  const entries = readRegistryEntries(db);
  const registered = new Set(entries.map((entry) => entry.name));
  const rename = db.prepare<[string, string, number]>(`UPDATE ${PREFIX}table SET name = ?, former = ? WHERE id = ?`);
  const triggers = existingTriggers(db);
  for (const entry of entries) {
    if (present.has(entry.name)) continue;
    const moved = triggers.find((trigger) => trigger.name.startsWith(`${PREFIX}${entry.id}_`))?.table;
    if (moved !== undefined && !registered.has(moved))
      rename.run(moved, JSON.stringify([...new Set([...entry.former, entry.name])]), entry.id);
  }
}

/**
 * Keeps the numbers of columns that were renamed. What it returns tells, of tables whose triggers have seen all that was
 * written to the columns they knew, which columns are new.
 */
function followColumns(db: Database, schemas: readonly TableSchema[]): Map<string, ColumnSurvey> {
  const rulesOf = readRules(db);
  const rename = db.prepare<[string, number]>(`UPDATE ${PREFIX}table SET columns = ? WHERE id = ?`);
  const digests = triggerDigests(db);
  const schemaOf = new Map(schemas.map((schema) => [schema.name, schema]));
  const surveys = new Map<string, ColumnSurvey>();
  for (const entry of readRegistryEntries(db)) {
    const schema = schemaOf.get(entry.name);
    if (schema === undefined) continue;
    const survey = surveyColumns(entry, schema, rulesOf(entry.name), digests.get(entry.name) ?? '');
    if (survey === null) continue;
    surveys.set(entry.name, survey);
    const columns = entry.columns.map((name) => (name === null ? null : (survey.renamed.get(name) ?? name)));
    if (survey.renamed.size > 0) rename.run(JSON.stringify(columns), entry.id);
  }
  return surveys;
}

/** Of tables that the registry knows by their present names: which columns it does not know. */
function addedByTable(
  db: Database,
  schemas: readonly TableSchema[],
  surveys: ReadonlyMap<string, ColumnSurvey>,
): Map<string, readonly string[]> {
  const schemaOf = new Map(schemas.map((schema) => [schema.name, schema]));
  return new Map(
    readRegistryEntries(db).flatMap((entry) => {
      const schema = schemaOf.get(entry.name);
      return schema === undefined ? [] : [[entry.name, addedColumns(entry, schema, surveys.get(entry.name))] as const];
    }),
  );
}

/** Remembers the triggers as they are now, to tell later whether anybody but SQLite has changed them. */
function recordTriggers(db: Database, tables: readonly CapturedTable[]): void {
  const digests = triggerDigests(db);
  const update = db.prepare<[string, number, string]>(
    `UPDATE ${PREFIX}table SET triggers = ? WHERE id = ? AND triggers <> ?`,
  );
  for (const { id, name, internal } of tables) {
    const digest = digests.get(name) ?? '';
    if (!internal) update.run(digest, id, digest);
  }
}

/** Table → digest of our triggers on it. */
function triggerDigests(db: Database): Map<string, string> {
  const byTable = new Map<string, TriggerOnTable[]>();
  for (const trigger of existingTriggers(db)) {
    const known = byTable.get(trigger.table);
    if (known === undefined) byTable.set(trigger.table, [trigger]);
    else known.push(trigger);
  }
  return new Map([...byTable].map(([table, triggers]) => [table, triggersDigest(triggers)]));
}

/** Registers the tables that the plan captures, with columns that are new. Says which tables are. */
function updateRegistry(db: Database, plan: CapturePlan, schemas: readonly TableSchema[]): string[] {
  const captured = new Set(plan.tables.filter((table) => table.status === 'captured').map((table) => table.name));
  const internalIds = new Map<string, number>(INTERNAL_TABLES.map((table) => [table.name, table.id]));
  const entries = new Map(readRegistryEntries(db).map((entry) => [entry.name, entry]));
  let nextId = Math.max(FIRST_TABLE_ID - 1, highestTableId(db)) + 1;
  const upsert = db.prepare<[number, string, string, string]>(
    `INSERT INTO ${PREFIX}table(id, name, columns, hash) VALUES(?, ?, ?, ?)
     ON CONFLICT(id) DO UPDATE SET columns = excluded.columns, hash = excluded.hash
     WHERE columns <> excluded.columns OR hash <> excluded.hash`,
  );
  const added: string[] = [];
  for (const schema of schemas) {
    const entry = entries.get(schema.name);
    const internalId = internalIds.get(schema.name);
    if (entry === undefined && internalId === undefined && !captured.has(schema.name)) continue;
    const id = entry?.id ?? internalId ?? nextId++;
    upsert.run(id, schema.name, JSON.stringify(updatedColumns(entry?.columns ?? [], schema)), schema.hash);
    if (entry === undefined && internalId === undefined) added.push(schema.name);
  }
  return added;
}

/** A metadata table for each captured table, under its present key. Says for which tables one was made. */
function makeMetadata(db: Database, tables: readonly CapturedTable[]): string[] {
  const present = new Map(
    db.prepare<[], [string, string]>(`SELECT name, sql FROM main.sqlite_schema WHERE type = 'table'`).raw().all(),
  );
  const create: string[] = [];
  const made = tables.flatMap((table) => {
    const wanted = createMetadata(table.id, table.schema.identity);
    const found = present.get(metadataTable(table.id));
    if (found === wanted) return [];
    if (found !== undefined) db.exec(`DROP TABLE ${metadataTable(table.id)}`);
    create.push(wanted);
    return [table.name];
  });
  createTables(db, create);
  return made;
}

/** Makes the log, or widens it to the widest table. Says whether it was made. */
function shapeLog(db: Database, entries: readonly RegistryEntry[], tables: readonly CapturedTable[]): boolean {
  const maskCount = Math.ceil(Math.max(1, ...entries.map((entry) => entry.columns.length)) / MASK_BITS);
  const keyWidth = Math.max(1, ...tables.map((table) => table.schema.identity.columns.length));
  const columns = db.prepare<[], string>(`SELECT name FROM pragma_table_info('${PREFIX}log', 'main')`).pluck().all();
  if (columns.length === 0) {
    db.exec(createLog(maskCount, keyWidth));
    return true;
  }
  const masks = Array.from({ length: maskCount }, (_, i) => maskColumn(i));
  const keys = Array.from({ length: keyWidth }, (_, i) => keyColumn(i));
  for (const column of [...masks, ...keys]) {
    if (!columns.includes(column)) db.exec(`ALTER TABLE main.${PREFIX}log ADD COLUMN ${column}`);
  }
  return false;
}

function isLogEmpty(db: Database): boolean {
  return db.prepare(`SELECT 1 FROM ${PREFIX}log LIMIT 1`).get() === undefined;
}

/** The first entry of a log: above every clock that the file has seen. Returns its HLC. */
function appendMarker(db: Database, nowMs: number): number {
  const sql = `SELECT max(coalesce((SELECT max(hlc) FROM ${PREFIX}session), 0), coalesce((SELECT max(horizon) FROM ${PREFIX}ack), 0),
    coalesce((SELECT max(value) FROM ${PREFIX}state WHERE name IN ('folded', 'horizon', 'dropped')), 0))`;
  const highest = db.prepare<[], number>(sql).safeIntegers(false).pluck().get() ?? 0;
  const hlc = nextHlc(highest, nowMs);
  db.prepare<[bigint, bigint]>(`INSERT INTO ${PREFIX}log(hlc, op) VALUES(?, ?)`).run(BigInt(hlc), BigInt(OP.marker));
  return hlc;
}

function writeFacts(db: Database, facts: Readonly<Record<string, string | number>>): void {
  const insert = db.prepare<[string, string | number]>(`INSERT INTO ${PREFIX}state(name, value) VALUES(?, ?)`);
  for (const [name, value] of Object.entries(facts)) insert.run(name, value);
}

/** Remembers what the plan leaves out, and forgets it where it no longer does. */
function recordExcluded(db: Database, plan: CapturePlan): void {
  const insert = db.prepare<[string, string]>(
    `INSERT INTO ${PREFIX}excluded(name, reason) VALUES(?, ?) ON CONFLICT DO UPDATE SET reason = excluded.reason WHERE reason <> excluded.reason`,
  );
  const remove = db.prepare<[string]>(`DELETE FROM ${PREFIX}excluded WHERE name = ?`);
  for (const { name, status, reason } of plan.tables) {
    if (status === 'excluded') insert.run(name, reason ?? '');
    else remove.run(name);
  }
}

/** Makes the triggers what they should be. Says on which tables any were missing or changed. */
function repairTriggers(db: Database, tables: readonly CapturedTable[]): string[] {
  const { missing, changed, extra } = triggerDrift(db, tables);
  const unwanted = [...changed, ...extra].map((trigger) => trigger.name);
  writeTriggers(db, unwanted, [...missing, ...changed]);
  return [...new Set([...changed, ...missing].map((trigger) => trigger.table))];
}
