/** What a database's schema tells the checks: read in the caller's snapshot, without reading rows. */
import type { Database } from 'better-sqlite3';
import { classifyTriggers, type TriggerClassification } from '../../replication/classify-triggers.js';
import { type NodeIdentity, readNodeIdentity } from '../../replication/file-contents.js';
import { type ForeignKeyPlan, readForeignKeyPlans } from '../../replication/foreign-key-plans.js';
import { type CaptureInspection, inspectCapture } from '../../replication/inspect-capture.js';
import { PREFIX } from '../../replication/metadata-schema.js';
import { isWatching } from '../../replication/migration-watch.js';
import { type CapturePlan, planCapture } from '../../replication/plan-capture.js';
import { readSchema } from '../../replication/read-schema.js';
import { readRegistryEntries } from '../../replication/registry.js';
import { readRules } from '../../replication/rules.js';
import type { TableRules, TableSchema } from '../../replication/table-schema.js';

export interface SchemaFacts {
  /** The path as it was given. */
  readonly path: string;
  /** Null: sqlsync is not installed in the file. */
  readonly identity: NodeIdentity | null;
  /** As `init` would plan it now. */
  readonly plan: CapturePlan;
  readonly inspection: CaptureInspection;
  /** Are triggers lifted for a migration, or is it not known yet what it wrote? */
  readonly isMigrating: boolean;
  /** Tables that replicate, or would if `init` was run. */
  readonly tables: readonly TableSchema[];
  /** The rule of a table that replicates. */
  readonly rulesOf: (table: string) => Pick<TableRules, 'keyCollision'>;
  readonly foreignKeys: readonly ForeignKeyPlan[];
  readonly triggers: readonly TriggerClassification[];
  readonly virtualTables: readonly string[];
  /** The highest HLC in its log and its version vector; null: sqlsync is not installed. */
  readonly latestHlc: number | null;
  /** Columns of every table of the application, by its name. */
  readonly columns: ReadonlyMap<string, readonly string[]>;
}

export function readSchemaFacts(db: Database, path: string): SchemaFacts {
  const identity = readNodeIdentity(db);
  const plan = planCapture(db, { include: [], exclude: [] });
  const replicated = new Set(identity === null ? plannedNames(plan) : readRegistryEntries(db).map(({ name }) => name));
  const tables = readSchema(db).tables.filter(({ name }) => replicated.has(name));
  return {
    path,
    identity,
    plan,
    inspection: inspectCapture(db),
    isMigrating: isWatching(db),
    tables,
    rulesOf: identity === null ? () => ({ keyCollision: 'keep' }) : readRules(db),
    foreignKeys: readForeignKeyPlans(db),
    triggers: classifyTriggers(
      db,
      tables.map(({ name }) => name),
    ),
    virtualTables: db
      .prepare<[], string>(
        `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual' ORDER BY name`,
      )
      .pluck()
      .all(),
    latestHlc: identity === null ? null : readLatestHlc(db),
    columns: readColumns(db),
  };
}

function plannedNames({ tables }: CapturePlan): string[] {
  return tables.filter(({ status }) => status === 'captured').map(({ name }) => name);
}

function readLatestHlc(db: Database): number | null {
  const hasLog = db.prepare(`SELECT 1 FROM main.sqlite_schema WHERE name = '${PREFIX}log'`).get() !== undefined;
  const inLog = hasLog ? ` UNION ALL SELECT max(hlc) FROM ${PREFIX}log` : '';
  return db
    .prepare<[], number | null>(`SELECT max(hlc) FROM (SELECT max(hlc) AS hlc FROM ${PREFIX}session${inLog})`)
    .pluck()
    .get() as number | null;
}

function readColumns(db: Database): Map<string, string[]> {
  const columns = new Map<string, string[]>();
  const sql = `SELECT s.name AS tbl, x.name FROM main.sqlite_schema s JOIN pragma_table_xinfo(s.name, 'main') x
    WHERE s.type = 'table' ORDER BY s.name, x.cid`;
  for (const { tbl, name } of db.prepare<[], { tbl: string; name: string }>(sql).all()) {
    columns.set(tbl, [...(columns.get(tbl) ?? []), name]);
  }
  return columns;
}
