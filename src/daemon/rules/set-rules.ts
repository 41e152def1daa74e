/** What an operator asks of the rules, on a database that this process serves. */
import type {
  ChangedInclusion,
  ChangedRules,
  IncludeRequest,
  RecoveredRules,
  RulesRecovery,
  SetRulesRequest,
} from '../../operations/running-daemon.js';
import type { DatabaseService } from '../database/database-service.js';
import type { PeerTarget } from '../peer/peer-target.js';
import { changeRules } from './change-rules.js';
import { recoverRules } from './recover-rules.js';

export interface ServedRules {
  readonly service: DatabaseService;
  /** Those who can be spoken to now. */
  readonly targets: () => readonly PeerTarget[];
  readonly signal: AbortSignal;
}

export async function setServedRules(
  { rule, operator, command }: SetRulesRequest,
  served: ServedRules,
): Promise<ChangedRules> {
  const { replica } = served.service;
  const table = await served.service.work(() => replica.rules.request(rule).rule.table);
  const changed = await changeRules({ ...served, request: rule, operator, command });
  return served.service.work(() => {
    const { members } = replica.rulesStatus();
    return { changed, inEffect: true, rule: replica.rules.effective(table), members };
  });
}

/** Returns when this node has done what the rules say of its tables; the others do so by themselves. */
export async function includeServedTables(
  { tables, operator, command }: IncludeRequest,
  served: ServedRules,
): Promise<ChangedInclusion> {
  const { service } = served;
  const changed = await changeRules({ ...served, request: tables, operator, command });
  await service.fold();
  return service.work(() => ({ changed, members: service.replica.rulesStatus().members }));
}

export async function recoverServedRules(
  { operator, command }: RulesRecovery,
  served: ServedRules,
): Promise<RecoveredRules> {
  return { outcome: await recoverRules({ ...served, operator, command }) };
}
