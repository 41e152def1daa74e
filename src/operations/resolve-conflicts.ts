/**
 * Carries out a decision about conflicts, in transactions as bounded as the configuration says, with pauses between in
 * which writers of the application get their turn; a daemon notices the commits as it notices the application's. What was
 * done is entered once into the log of operations, also when it was cut short.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import type { DatabaseConfig, Limits } from '../config.js';
import { ERROR_CODES, EXIT, SqlsyncError } from '../errors.js';
import { renderCount } from '../render-figures.js';
import { OperatorWrites } from '../replication/operator-writes.js';
import { ResolutionRun, type ResolutionRunOptions } from '../replication/resolution-run.js';
import type { Decision, ResolutionOutcome } from '../replication/resolve-conflict.js';
import { identityIn } from './assert-initialised.js';
import type { ResolvedConflict, ResolveReport } from './conflict-report.js';
import type { Machine } from './machine.js';
import { nodeThatDecides } from './node-that-decides.js';

/** Of the ids in the log of operations, and of the command line. */
const OPERATION_IDS_MAX = 100;
const COMMAND_CHARS_MAX = 1_000;

export interface ResolveRequest {
  readonly decision: Decision;
  /** Write over what has been written since. */
  readonly force: boolean;
  /** Skip what somebody has decided by now. */
  readonly leaveDecided: boolean;
  readonly dryRun: boolean;
  /** The command as it was typed. */
  readonly command: string;
}

export interface ResolveDeps extends Pick<Machine, 'files' | 'now' | 'random' | 'operator'> {
  readonly limits: Pick<Limits, 'lockHoldMsMax' | 'lockGapMs'>;
  readonly onProgress: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** @param ids of conflicts, whole; what becomes of each is reported in their order */
export async function resolveConflicts(
  database: DatabaseConfig,
  ids: readonly string[],
  request: ResolveRequest,
  deps: ResolveDeps,
): Promise<ResolveReport> {
  const { files, signal } = deps;
  const node = files.withSnapshot(database.path, (db) => nodeThatDecides(db, database.path));
  const run = new ResolutionRun(ids, {
    ...runOptions(node, request, deps),
    atEnd: (writes, outcomes) => enterOperation(writes, { node, command: request.command, outcomes }, deps),
  });
  // One connection for all: the last to close a file writes its whole log back into it.
  const connection = files.connect(database.path);
  const step = () => connection.use((db) => run.step(db));
  try {
    while (ids.length > 0 && !run.isDone) {
      if (signal.aborted) {
        run.cutShort();
        if (run.outcomes.length > 0 && !request.dryRun) step();
        throw cutShort(signal.reason, run.outcomes.length, ids.length);
      }
      stepOrTell(step, run.outcomes.length, ids.length);
      deps.onProgress(run.outcomes.length, ids.length);
      if (!run.isDone) await delay(deps.limits.lockGapMs);
    }
  } finally {
    connection.close();
  }
  return reportOf(database.name, run.outcomes, request.dryRun);
}

/** One decision of a review, at once. What was done is entered when the review is over: enterReview. */
export function resolveOne(
  database: DatabaseConfig,
  id: string,
  request: Omit<ResolveRequest, 'command' | 'leaveDecided'>,
  deps: Omit<ResolveDeps, 'onProgress' | 'signal'>,
): ResolutionOutcome {
  return deps.files.withConnection(database.path, (db) => {
    const run = new ResolutionRun([id], {
      ...runOptions(nodeThatDecides(db, database.path), { ...request, leaveDecided: false }, deps),
      atEnd: () => {},
    });
    while (!run.isDone) run.step(db);
    return run.outcomes[0] as ResolutionOutcome;
  });
}

/** Enters into the log of operations what a review has decided. */
export function enterReview(
  database: DatabaseConfig,
  review: { readonly command: string; readonly outcomes: readonly ResolutionOutcome[] },
  deps: Pick<ResolveDeps, 'files' | 'now' | 'random' | 'operator'>,
): void {
  deps.files.withConnection(database.path, (db: Database) => {
    const { node } = identityIn(db, database.path);
    OperatorWrites.transaction(db, deps.now().getTime(), (writes) => enterOperation(writes, { node, ...review }, deps));
  });
}

function runOptions(
  node: string,
  { decision, force, leaveDecided, dryRun }: Omit<ResolveRequest, 'command'>,
  { operator, now, random, limits }: Omit<ResolveDeps, 'onProgress' | 'signal'>,
): Omit<ResolutionRunOptions, 'atEnd'> {
  return {
    node,
    operator,
    clock: { nowMs: () => now().getTime() },
    newId: () => random.hex(16),
    decision,
    force,
    leaveDecided,
    dryRun,
    lockHoldMsMax: limits.lockHoldMsMax,
  };
}

function enterOperation(
  writes: OperatorWrites,
  done: { readonly node: string; readonly command: string; readonly outcomes: readonly ResolutionOutcome[] },
  { operator, random }: Pick<ResolveDeps, 'operator' | 'random'>,
): void {
  const { node, command, outcomes } = done;
  const ids = outcomes.filter(({ status }) => status === 'resolved').map(({ id }) => id);
  writes.recordOperation({
    id: random.hex(16),
    node,
    operator,
    command: command.length > COMMAND_CHARS_MAX ? `${command.slice(0, COMMAND_CHARS_MAX)}…` : command,
    detail: { ...countsOf(outcomes), ids: ids.slice(0, OPERATION_IDS_MAX) },
    result: outcomes.find(({ error }) => error !== null)?.error?.code ?? 'done',
  });
}

/** What is decided before something fails stays, and is told. */
function stepOrTell(step: () => void, done: number, total: number): void {
  try {
    step();
  } catch (error) {
    throw done === 0 ? error : cutShort(error, done, total);
  }
}

function cutShort(reason: unknown, done: number, total: number): unknown {
  if (!(reason instanceof SqlsyncError)) return reason;
  const message = `${reason.message}: ${done.toLocaleString('en')} of ${renderCount(total, 'conflict')} had their turn`;
  return new SqlsyncError(reason.code, message, {
    hint: 'Those keep what was decided; type the same again for the rest.',
  });
}

function countsOf(outcomes: readonly ResolutionOutcome[]) {
  const count = (status: ResolutionOutcome['status']) => outcomes.filter((outcome) => outcome.status === status).length;
  return { resolved: count('resolved'), skipped: count('skipped'), failed: count('failed') };
}

export function reportOf(database: string, outcomes: readonly ResolutionOutcome[], dryRun: boolean): ResolveReport {
  const items = outcomes.map(toItem);
  return { items, total: items.length, nextCursor: null, database, dryRun, ...countsOf(outcomes) };
}

function toItem({ id, conflict, status, choice, changes, error }: ResolutionOutcome): ResolvedConflict {
  const { table = null, key = null, kind = null } = conflict ?? {};
  return { id, table, key, kind, status, choice, changes, error };
}

/** A single conflict that cannot be resolved ends with its own code; several, and those that are skipped, with "no". */
export function exitCodeOf({ items, resolved }: ResolveReport): number {
  if (resolved === items.length) return EXIT.done;
  const [only] = items;
  return items.length === 1 && only?.error ? ERROR_CODES[only.error.code] : EXIT.no;
}
