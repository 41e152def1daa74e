/** All members of a data set as they can be spoken to, for what needs every one of them. */
import { SqlsyncError } from '../../errors.js';
import type { RuleAnswer, RuleRequestMessage } from '../../replication/rule-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import type { PeerTarget } from '../peer/peer-target.js';

/** How long a member may take to say that it has done what it was asked. */
const ANSWER_MS_MAX = 10_000;

export interface MissingMember {
  readonly name: string;
  readonly why: string;
}

/** Every member but this node. Throws 'peer-unreachable', and names all those to whom no way leads. */
export async function membersAtHand(service: DatabaseService, targets: readonly PeerTarget[]): Promise<PeerTarget[]> {
  const members = await service.work(() => service.replica.memberNames);
  const found = members
    .filter((name) => name !== service.replica.node)
    .map((name) => ({ name, target: targets.find(({ peer }) => peer.name === name) }));
  const missing = found.flatMap(({ name, target }): MissingMember[] => {
    if (target === undefined) return [{ name, why: 'no peer of this node, and not connected to it' }];
    return target.peer.isPaused ? [{ name, why: 'exchange with it is paused' }] : [];
  });
  if (missing.length > 0) throw notAtHand(missing);
  return found.map(({ target }) => target as PeerTarget);
}

export function notAtHand(missing: readonly MissingMember[]): SqlsyncError {
  const names = missing.map(({ name, why }) => `${name} (${why})`).join(', ');
  return new SqlsyncError('peer-unreachable', `a change of the rules needs every member at hand; missing: ${names}`, {
    hint: 'Nothing was changed. Type it where every member is a peer or connected; `sqlsync members remove NAME` for one that is gone for good.',
  });
}

/** What one member says, once it has done what it was asked. Throws 'peer-timeout' when that takes too long. */
export async function askMember(
  member: PeerTarget,
  request: RuleRequestMessage,
  signal?: AbortSignal,
): Promise<RuleAnswer> {
  const { service, peer } = member;
  const timeout = AbortSignal.timeout(ANSWER_MS_MAX);
  const stop = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
  const question = await service.rules.question(request);
  const answer = await untilAborted(member.askRules(question, stop), stop, peer.name);
  await service.rules.take(answer);
  return answer;
}

async function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal, name: string): Promise<Result> {
  // Whoever gives up does not care any more how it ends.
  work.catch(() => {});
  const stopped = new Promise<never>((_, reject) => {
    const stop = () => reject(signal.reason instanceof SqlsyncError ? signal.reason : tooLate(name));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  return Promise.race([work, stopped]);
}

function tooLate(name: string): SqlsyncError {
  return new SqlsyncError('peer-timeout', `${name} does not answer within ${ANSWER_MS_MAX} ms`, {
    hint: 'see its status and load',
  });
}
