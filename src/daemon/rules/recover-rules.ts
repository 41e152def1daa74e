/**
 * Brings to an end a change of the rules whose coordinator no longer belongs to the data set. Every member that is left
 * is first told that this node decides; after that none of them can hear a decision of the coordinator any more. If one
 * had heard it before, all go by it, else nobody does.
 */
import { randomBytes } from 'node:crypto';
import { SqlsyncError } from '../../errors.js';
import type { WaitingChange } from '../../replication/rule-freeze.js';
import type { DatabaseService } from '../database/database-service.js';
import type { PeerTarget } from '../peer/peer-target.js';
import { tellAll } from './change-rules.js';
import { askMember, membersAtHand } from './members-at-hand.js';

export interface RuleRecoveryOptions {
  readonly service: DatabaseService;
  readonly targets: () => readonly PeerTarget[];
  /** Who types it, and how: for the record of operations. */
  readonly operator: string;
  readonly command: string;
  readonly signal: AbortSignal;
}

/** What has become of the change; null: none was waited for here. Throws 'rules-changing' when its coordinator still belongs. */
export async function recoverRules(options: RuleRecoveryOptions): Promise<'adopted' | 'given up' | null> {
  const { service, targets, signal, operator, command } = options;
  const { rules, node } = service.replica;
  const { waiting } = rules;
  if (waiting === null) return null;
  await refuseWhileMember(service, waiting);
  const { id } = waiting.change;
  const members = await membersAtHand(service, targets());
  await service.work(() => rules.fence(id, node));
  const answers = await Promise.all(members.map((member) => askMember(member, { verb: 'fence', change: id }, signal)));
  const isDecided = answers.some(({ outcome }) => outcome === 'adopted');
  const outcome = isDecided ? 'adopted' : 'given up';
  const operation = { id: randomBytes(16).toString('hex'), node, operator, command, result: 'done' };
  await service.work(() => (isDecided ? rules.commit(id, node) : rules.abort(id, node)));
  await service.work(() =>
    service.replica.recordOperation({ ...operation, detail: { change: waiting.change, outcome } }),
  );
  await tellAll(isDecided ? 'commit' : 'abort', id, members);
  service.tellRules();
  return outcome;
}

async function refuseWhileMember(service: DatabaseService, { coordinator, change }: WaitingChange): Promise<void> {
  const members = await service.work(() => service.replica.memberNames);
  if (coordinator === service.replica.node || !members.includes(coordinator)) return;
  const hint =
    coordinator === change.node
      ? 'Start its daemon: it tells.'
      : `It has taken over: start its daemon, and type \`sqlsync rules recover\` there.`;
  throw new SqlsyncError('rules-changing', `${coordinator} belongs to the data set, and may have decided`, {
    hint: `${hint} If it is gone for good: sqlsync members remove ${coordinator}, then this again.`,
  });
}
