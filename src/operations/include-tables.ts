/**
 * Takes tables into replication, or leaves them out, on every member of a data set: through the daemon that serves the
 * file, or by this process while none does.
 */
import type { Database } from 'better-sqlite3';
import type { DatabaseConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { readNodeIdentity } from '../replication/file-contents.js';
import { foreignKeysAmong } from '../replication/foreign-keys.js';
import { type InclusionPlan, type InclusionRequest, planInclusion } from '../replication/inclusion-request.js';
import { planCapture } from '../replication/plan-capture.js';
import { readRegistry } from '../replication/registry.js';
import { rowsAfter } from '../replication/rules.js';
import type { RulesStatus } from '../replication/rules-status.js';
import { notInitialised } from './assert-initialised.js';
import type { ChangeRulesDeps } from './change-rules.js';
import { findAnyDaemon } from './find-any-daemon.js';
import { readReplica } from './replica-figures.js';

export interface InclusionReport extends InclusionPlan {
  readonly database: string;
  readonly dryRun: boolean;
  readonly changed: boolean;
  /** Does the rule stand? Only a rehearsal leaves it at no. */
  readonly inEffect: boolean;
  readonly glob: string;
  readonly included: boolean;
  /** What an operator should know of tables that refer to each other. */
  readonly warnings: readonly string[];
  /** Who has adopted the rules. Null: not heard. */
  readonly members: RulesStatus['members'];
}

export interface InclusionChange {
  readonly tables: InclusionRequest;
  readonly dryRun: boolean;
  /** As it was typed. */
  readonly command: string;
}

/**
 * Throws 'usage' for a name that cannot be, 'table-refused' when this node's table cannot replicate, 'peer-unreachable'
 * when a member is missing, 'rules-not-agreed'.
 */
export async function includeTables(
  database: DatabaseConfig,
  { tables, dryRun, command }: InclusionChange,
  deps: ChangeRulesDeps,
): Promise<InclusionReport> {
  const planned = planTables(database, tables, deps);
  if (dryRun || planned.inEffect) return { ...planned, dryRun };
  if (planned.refused.length > 0) throw tablesRefused(planned);
  const daemon = await findAnyDaemon([database], deps);
  const request = { database: database.name, tables, operator: deps.operator, command };
  const done = await (daemon === null
    ? deps.includeOnce(database, request)
    : daemon.includeTables(request, deps.signal));
  return { ...planned, ...done, inEffect: true, dryRun };
}

/** What the file itself tells: what the rule would come to here. */
function planTables({ name, path }: DatabaseConfig, tables: InclusionRequest, deps: ChangeRulesDeps): Planned {
  return deps.files.withSnapshot(path, (db) => {
    if (readNodeIdentity(db) === null) throw notInitialised(path);
    const replica = readReplica(db, deps);
    const { rule, isInEffect } = replica.rules.request(tables);
    const rows = rowsAfter(replica.rules.rows(), { id: '', node: '', at: 0, rules: [rule] });
    const plan = planCapture(db, { include: [], exclude: [], rules: rows });
    const captured = new Set(replica.rules.tables.map((table) => table.name));
    const planned = planInclusion(rule, { plan, rows }, captured);
    const { members } = replica.rulesStatus();
    return {
      database: name,
      changed: false,
      inEffect: isInEffect,
      glob: rule.table,
      included: tables.included,
      ...planned,
      warnings: isInEffect ? [] : partedKeys(db, planned),
      members,
    };
  });
}

type Planned = Omit<InclusionReport, 'dryRun'>;

/** Foreign keys between a table that replicates and one that is left out. */
function partedKeys(db: Database, { leftOut }: InclusionPlan): string[] {
  const keys = foreignKeysAmong(readRegistry(db).filter(({ internal }) => !internal));
  const pairs = keys.filter(({ child, parent }) => leftOut.includes(child.name) !== leftOut.includes(parent.name));
  const texts = pairs.map(({ child, parent }) =>
    leftOut.includes(parent.name)
      ? `${child.name} refers to ${parent.name}: its rows reach nodes that may lack their parents`
      : `${child.name} refers to ${parent.name}: rows that other nodes delete from ${parent.name} leave those of ${child.name} behind here`,
  );
  return [...new Set(texts)];
}

function tablesRefused({ refused }: Planned): SqlsyncError {
  const reasons = refused.map(({ table, reason }) => `${table}: ${reason}`).join('\n');
  const [first] = refused;
  return new SqlsyncError('table-refused', `these tables cannot replicate:\n${reasons}`, {
    hint: `Give them a key, or leave them out first: \`sqlsync rules exclude '${first?.table.replaceAll("'", "'\\''")}'\``,
  });
}
