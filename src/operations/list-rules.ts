/** The rules of a data set, as this node goes by them and as far as it has heard of others. */
import type { DatabaseConfig } from '../config.js';
import { readNodeIdentity } from '../replication/file-contents.js';
import type { EffectiveRule } from '../replication/rules.js';
import type { RulesStatus } from '../replication/rules-status.js';
import { notInitialised } from './assert-initialised.js';
import { findAnyDaemon } from './find-any-daemon.js';
import type { StatusDeps } from './read-status.js';
import { readReplica } from './replica-figures.js';

export interface RulesReport {
  readonly items: readonly EffectiveRule[];
  readonly total: number;
  readonly nextCursor: null;
  /** Which tables replicate, beyond the defaults: of the rules that match a table the first decides. */
  readonly inclusion: readonly {
    readonly glob: string;
    readonly included: boolean;
    readonly node: string | null;
    readonly at: string | null;
  }[];
  /** Has each member adopted them? Null: not heard. */
  readonly members: RulesStatus['members'];
  /** A change whose outcome this node waits for, or that it makes; null: none. */
  readonly change: {
    readonly tables: readonly string[];
    readonly coordinator: string;
    readonly since: string | null;
  } | null;
}

export async function listRules(database: DatabaseConfig, deps: StatusDeps): Promise<RulesReport> {
  const { tables, inclusion, members, underWay } = await readRules(database, deps);
  const since = underWay?.since == null ? null : new Date(underWay.since).toISOString();
  return {
    items: tables,
    total: tables.length,
    nextCursor: null,
    inclusion: inclusion.map(({ at, ...rule }) => ({ ...rule, at: at === null ? null : new Date(at).toISOString() })),
    members,
    change: underWay && { tables: underWay.tables, coordinator: underWay.coordinator, since },
  };
}

/** A daemon has heard more than it has written down. */
async function readRules(database: DatabaseConfig, deps: StatusDeps): Promise<RulesStatus> {
  const daemon = await findAnyDaemon([database], deps);
  const status = await daemon?.status();
  const served = status?.databases.find(({ name }) => name === database.name)?.replica ?? null;
  if (served !== null) return served.rules;
  return deps.files.withSnapshot(database.path, (db) => {
    if (readNodeIdentity(db) === null) throw notInitialised(database.path);
    return readReplica(db, deps).rulesStatus();
  });
}
