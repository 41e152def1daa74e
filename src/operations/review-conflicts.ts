/**
 * Goes through conflicts with a person, one by one. Each decision is carried out at once, so that whoever stops halfway
 * keeps what is decided; what was decided is entered into the log of operations when it is over, however it ends.
 */
import type { DatabaseConfig } from '../config.js';
import type { ResolutionOutcome } from '../replication/resolve-conflict.js';
import type { ConflictDetail, ResolveReport } from './conflict-report.js';
import { type DecisionWords, decideConflict, type Questions } from './decide-conflict.js';
import { nodeThatDecides } from './node-that-decides.js';
import { showConflict } from './read-conflicts.js';
import { enterReview, type ResolveDeps, reportOf, resolveOne } from './resolve-conflicts.js';

export interface ReviewDeps extends Omit<ResolveDeps, 'onProgress' | 'signal'> {
  readonly questions: Questions;
  readonly words: DecisionWords;
  /** Shows a conflict before it is asked about. */
  readonly present: (conflict: ConflictDetail, place: { readonly number: number; readonly total: number }) => void;
  /** Tells what became of a decision. */
  readonly tell: (outcome: ResolutionOutcome) => void;
}

export interface ReviewRequest {
  /** Write over what has been written since, unasked. */
  readonly force: boolean;
  /** Find out what would come of each decision, and change nothing. */
  readonly dryRun: boolean;
  /** The command as it was typed. */
  readonly command: string;
}

/** @param ids of conflicts, whole. The report is of those that were decided. */
export async function reviewConflicts(
  database: DatabaseConfig,
  ids: readonly string[],
  request: ReviewRequest,
  deps: ReviewDeps,
): Promise<ResolveReport> {
  const outcomes: ResolutionOutcome[] = [];
  deps.files.withSnapshot(database.path, (db) => nodeThatDecides(db, database.path));
  try {
    for (const [i, id] of ids.entries()) {
      const conflict = showConflict(database, id, deps.files);
      deps.present(conflict, { number: i + 1, total: ids.length });
      const outcome = await review(database, conflict, request, deps);
      if (outcome === 'stop') break;
      if (outcome !== 'leave') outcomes.push(outcome);
    }
  } finally {
    if (outcomes.length > 0 && !request.dryRun) enterReview(database, { command: request.command, outcomes }, deps);
  }
  return reportOf(database.name, outcomes, request.dryRun);
}

/** Asks until a decision can be carried out, or there is none. */
async function review(
  database: DatabaseConfig,
  conflict: ConflictDetail,
  { force, dryRun }: ReviewRequest,
  deps: ReviewDeps,
): Promise<ResolutionOutcome | 'leave' | 'stop'> {
  for (;;) {
    const decision = await decideConflict(conflict, deps.questions, deps.words);
    if (decision === 'leave' || decision === 'stop') return decision;
    let outcome = resolveOne(database, conflict.id, { decision, force, dryRun }, deps);
    if (outcome.status === 'skipped') {
      const isAgreed = await deps.questions.confirm(`${outcome.error?.message}. Write over that?`);
      if (isAgreed) outcome = resolveOne(database, conflict.id, { decision, force: true, dryRun }, deps);
    }
    deps.tell(outcome);
    if (outcome.status === 'resolved') return outcome;
  }
}
