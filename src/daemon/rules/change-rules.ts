/**
 * Changes the rules of the data set from this node, as rule-changes.ts tells: has everybody exchange until all have the
 * same, freezes all, decides if that is still so, and tells all. What fails before the decision has changed nothing; what
 * fails after it is made good by itself, as soon as the two meet again.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type ErrorCode, SqlsyncError } from '../../errors.js';
import type { InclusionRequest } from '../../replication/inclusion-request.js';
import type { RuleAnswer } from '../../replication/rule-messages.js';
import type { RuleRequest } from '../../replication/rule-request.js';
import type { RuleChange } from '../../replication/rules.js';
import type { DatabaseService } from '../database/database-service.js';
import type { PeerTarget } from '../peer/peer-target.js';
import { askMember, type MissingMember, membersAtHand, notAtHand } from './members-at-hand.js';
import { hearOutcome } from './rule-outcome.js';

export interface RuleChangeOptions {
  readonly service: DatabaseService;
  /** Those who can be spoken to now. */
  readonly targets: () => readonly PeerTarget[];
  readonly request: RuleRequest | InclusionRequest;
  /** Who types it, and how: for the record of operations. */
  readonly operator: string;
  readonly command: string;
  readonly signal: AbortSignal;
}

/** Tries at a moment in which nobody has what others lack, and rounds of exchange before each. */
const ATTEMPTS_MAX = 10;
const ROUNDS_MAX = 4;
/** Votes after each exchange, and what is between two of them at least. */
const VOTES_MAX = 40;
const VOTE_PAUSE_MS_MIN = 50;
/** Two nodes that change the rules at once must not march in step: with every try the pause may be longer by this. */
const PAUSE_STEP_MS = 100;

/** What passes, so that it is worth another try. */
const PASSING: readonly ErrorCode[] = [
  'rules-changing',
  'rules-differ',
  'catching-up',
  'batch-outdated',
  'unsent-changes',
];
const OUT_OF_REACH: readonly ErrorCode[] = ['peer-unreachable', 'peer-timeout', 'peer-paused', 'interrupted'];

/** Whether anything had to be changed, or why it has not come about so far. */
type Outcome = { readonly changed: boolean } | { readonly why: SqlsyncError };

/**
 * Says whether anything had to be changed. Throws 'peer-unreachable' and names who is missing, 'rules-changing' when another
 * change does not come to its end, or 'rules-not-agreed'.
 */
export async function changeRules(options: RuleChangeOptions): Promise<boolean> {
  const { signal } = options;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await orUnderWay(() => tryToChange(options));
    if ('changed' in outcome) return outcome.changed;
    if (attempt === ATTEMPTS_MAX) throw outcome.why;
    await delay(Math.random() * attempt * PAUSE_STEP_MS, undefined, { signal }).catch(() => {});
    signal.throwIfAborted();
  }
}

/** Two nodes that change the rules at once have their turns: that another's change is under way passes. */
async function orUnderWay(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SqlsyncError && error.code === 'rules-changing') return { why: error };
    throw error;
  }
}

async function tryToChange(options: RuleChangeOptions): Promise<Outcome> {
  const { service, targets, signal } = options;
  if ((await propose(options)) === null) return { changed: false };
  const members = await membersAtHand(service, targets());
  const obstacle = await exchangeWithAll(service, members, signal);
  return obstacle === null ? voteUntilAgreed(members, options) : { why: notAgreed(obstacle) };
}

function notAgreed(why: string): SqlsyncError {
  return new SqlsyncError('rules-not-agreed', `the members did not come to have the same: ${why}`, {
    hint: 'Nothing was changed. Type it again when less is written, or look at `sqlsync status` on the nodes it names.',
  });
}

/**
 * Where all nodes are written to, all have the same only for moments, and what an exchange takes under that load is many of
 * them. A vote takes a few hundredths of a second, so several find such a moment where one would miss it.
 */
async function voteUntilAgreed(members: readonly PeerTarget[], options: RuleChangeOptions): Promise<Outcome> {
  let why = '';
  for (let vote = 1; vote <= VOTES_MAX; vote += 1) {
    // Others may have changed the rules meanwhile.
    const change = await propose(options);
    if (change === null) return { changed: false };
    const obstacle = await attemptChange(change, members, options);
    if (obstacle === null) return { changed: true };
    why = obstacle;
    // Whoever has been let go of takes in what has come meanwhile.
    await delay(VOTE_PAUSE_MS_MIN + Math.random() * VOTE_PAUSE_MS_MIN, undefined, { signal: options.signal }).catch(
      () => {},
    );
    options.signal.throwIfAborted();
  }
  return { why: notAgreed(why) };
}

/** Null: it is in effect. */
async function propose({ service, request }: RuleChangeOptions): Promise<RuleChange | null> {
  const { rule, isInEffect } = await service.work(() => service.replica.rules.request(request));
  if (isInEffect) return null;
  return { id: randomBytes(16).toString('hex'), node: service.replica.node, at: Date.now(), rules: [rule] };
}

/** Null: all have the same, or nearly. */
async function exchangeWithAll(
  service: DatabaseService,
  members: readonly PeerTarget[],
  signal: AbortSignal,
): Promise<string | null> {
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    const failures = await failuresOf(members, (member) => member.exchange(() => {}, signal));
    signal.throwIfAborted();
    const missing = failures.filter(({ error }) => !PASSING.includes(error.code));
    if (missing.length > 0) throw notAtHand(missing.map(toMissing));
    const [passing] = failures;
    if (passing !== undefined) return `${passing.member.peer.name}: ${passing.error.message}`;
    if (await service.work(() => service.replica.rules.isAgreedAsHeard())) break;
  }
  return null;
}

interface Failure {
  readonly member: PeerTarget;
  readonly error: SqlsyncError;
}

const toMissing = ({ member, error }: Failure): MissingMember => ({ name: member.peer.name, why: error.message });

/** Does it with all of them at once. What is no error of the registry is thrown. */
async function failuresOf(
  members: readonly PeerTarget[],
  work: (member: PeerTarget) => Promise<unknown>,
): Promise<Failure[]> {
  const results = await Promise.allSettled(members.map(work));
  return results.flatMap((result, i) => {
    if (result.status === 'fulfilled') return [];
    if (!(result.reason instanceof SqlsyncError)) throw result.reason;
    return [{ member: members[i] as PeerTarget, error: result.reason }];
  });
}

/** Null: the change is made. */
async function attemptChange(
  change: RuleChange,
  members: readonly PeerTarget[],
  { service, operator, command, signal }: RuleChangeOptions,
): Promise<string | null> {
  const { rules, node } = service.replica;
  const operation = { id: randomBytes(16).toString('hex'), node, operator, command, detail: change, result: 'done' };
  let isDecided = false;
  await service.work(() => rules.begin(change));
  try {
    const request = { verb: 'prepare', change, base: rules.hash } as const;
    const votes: RuleAnswer[] = [];
    const failures = await failuresOf(members, async (member) => {
      votes.push(await askMember(member, request, signal));
    });
    signal.throwIfAborted();
    if (failures.length > 0) return await obstacleAmong(failures, service);
    const obstacle = await service.work(() => rules.decide(votes, operation));
    isDecided = obstacle === null;
    return obstacle;
  } finally {
    // Whatever keeps the file from being worked on: this is in memory alone.
    if (!isDecided) rules.giveUp();
    await tellAll(isDecided ? 'commit' : 'abort', change.id, members);
    service.tellRules();
  }
}

/** Throws what does not pass. */
async function obstacleAmong(failures: readonly Failure[], service: DatabaseService): Promise<string> {
  for (const { member, error } of failures) {
    if (error.code === 'rules-changing') await hearOutcomeFrom(member, service);
  }
  const missing = failures.filter(({ error }) => OUT_OF_REACH.includes(error.code));
  if (missing.length > 0) throw notAtHand(missing.map(toMissing));
  const lasting = failures.find(({ error }) => !PASSING.includes(error.code));
  if (lasting !== undefined) throw lasting.error;
  return failures.map(({ member, error }) => `${member.peer.name}: ${error.message}`).join('; ');
}

/** It may wait for this node, which has given up or decided since. */
async function hearOutcomeFrom(member: PeerTarget, service: DatabaseService): Promise<void> {
  const { signal } = new AbortController();
  try {
    await hearOutcome(service, (question) => member.askRules(question, signal));
  } catch (error) {
    // Then it asks by itself.
    if (!(error instanceof SqlsyncError)) throw error;
  }
}

/** Whoever does not say that it has heard is connected to anew, and asks then. */
export async function tellAll(verb: 'commit' | 'abort', change: string, members: readonly PeerTarget[]): Promise<void> {
  const unheard = await failuresOf(members, (member) => askMember(member, { verb, change }));
  for (const { member } of unheard) member.peer.connection?.close();
}
