/**
 * Changes the rules of a data set, or brings to an end a change whose coordinator is gone: through the daemon that serves
 * the file, or by this process while none does.
 */
import type { DatabaseConfig } from '../config.js';
import { readNodeIdentity } from '../replication/file-contents.js';
import type { RuleRequest } from '../replication/rule-request.js';
import { effectiveRule } from '../replication/rules.js';
import { notInitialised } from './assert-initialised.js';
import { findAnyDaemon } from './find-any-daemon.js';
import type { Machine } from './machine.js';
import { readReplica } from './replica-figures.js';
import type {
  ChangedInclusion,
  ChangedRules,
  FindDaemon,
  IncludeRequest,
  RecoveredRules,
  RulesRecovery,
  SetRulesRequest,
} from './running-daemon.js';

export interface ChangeRulesDeps extends Pick<Machine, 'files' | 'operator' | 'now' | 'random'> {
  readonly findDaemon: FindDaemon;
  /** The same by this process, which takes the file's lock for it and reaches the peers of the configuration only. */
  readonly setOnce: (database: DatabaseConfig, request: SetRulesRequest) => Promise<ChangedRules>;
  readonly includeOnce: (database: DatabaseConfig, request: IncludeRequest) => Promise<ChangedInclusion>;
  readonly recoverOnce: (database: DatabaseConfig, request: RulesRecovery) => Promise<RecoveredRules>;
  readonly signal: AbortSignal;
}

export interface RuleReport extends ChangedRules {
  readonly database: string;
  readonly dryRun: boolean;
}

export interface RuleChangeRequest {
  readonly rule: RuleRequest;
  readonly dryRun: boolean;
  /** As it was typed. */
  readonly command: string;
}

/** Throws 'usage' for a rule that makes no sense, 'peer-unreachable' when a member is missing, 'rules-not-agreed'. */
export async function setRule(
  database: DatabaseConfig,
  { rule, dryRun, command }: RuleChangeRequest,
  deps: ChangeRulesDeps,
): Promise<RuleReport> {
  const { name } = database;
  const planned = planRule(database, rule, deps);
  if (dryRun || planned.inEffect) return { ...planned, database: name, dryRun };
  const daemon = await findAnyDaemon([database], deps);
  const request = { database: name, rule, operator: deps.operator, command };
  const done = await (daemon === null ? deps.setOnce(database, request) : daemon.setRules(request, deps.signal));
  return { ...done, database: name, dryRun };
}

/** What the file itself tells: whether it makes sense, and what it would come to. */
function planRule({ path }: DatabaseConfig, request: RuleRequest, deps: ChangeRulesDeps): ChangedRules {
  return deps.files.withSnapshot(path, (db) => {
    if (readNodeIdentity(db) === null) throw notInitialised(path);
    const replica = readReplica(db, deps);
    const { rule, after, isInEffect } = replica.rules.request(request);
    const { members } = replica.rulesStatus();
    return { changed: false, inEffect: isInEffect, rule: effectiveRule(rule.table, after, true), members };
  });
}

export interface RecoveryReport extends RecoveredRules {
  readonly database: string;
}

/** Throws 'rules-changing' while the coordinator still belongs, and 'peer-unreachable' when a member is missing. */
export async function recoverRules(
  database: DatabaseConfig,
  command: string,
  deps: ChangeRulesDeps,
): Promise<RecoveryReport> {
  const daemon = await findAnyDaemon([database], deps);
  const request = { database: database.name, operator: deps.operator, command };
  const done = await (daemon === null
    ? deps.recoverOnce(database, request)
    : daemon.recoverRules(request, deps.signal));
  return { ...done, database: database.name };
}
