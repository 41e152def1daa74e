/**
 * Decisions about many conflicts, step by step: each step is one transaction of bounded time, so that writers of the
 * application are not locked out, and each conflict in it stands or fails by itself. Foreign keys are enforced, as for an
 * application.
 *
 * What a deferred constraint refuses shows only when a step commits: then its conflicts are gone through one by one.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { constraintOf } from './apply-context.js';
import { PREFIX } from './metadata-schema.js';
import type { Clock } from './node-state.js';
import { OperatorWrites } from './operator-writes.js';
import { ConflictResolver, type Decision, type ResolutionOutcome, type ResolverOptions } from './resolve-conflict.js';

export interface ResolutionRunOptions extends Omit<ResolverOptions, 'nowMs'> {
  readonly clock: Clock;
  readonly decision: Decision;
  /** Find out what would come of it, and change nothing. */
  readonly dryRun: boolean;
  /** How long one step holds the write lock, at most, one conflict aside. */
  readonly lockHoldMsMax: number;
  /** Called in the last step's transaction, with all outcomes; again if that was rolled back. Not in a dry run. */
  readonly atEnd: (writes: OperatorWrites, outcomes: readonly ResolutionOutcome[]) => void;
}

export class ResolutionRun {
  private readonly found: ResolutionOutcome[] = [];
  /** Up to here conflicts are gone through one by one. */
  private singlyUpTo = 0;
  private isEnded = false;

  constructor(
    private ids: readonly string[],
    private readonly options: ResolutionRunOptions,
  ) {}

  get outcomes(): readonly ResolutionOutcome[] {
    return this.found;
  }

  get isDone(): boolean {
    return this.isEnded;
  }

  /** Leaves out the conflicts that have not had their turn: what is left is to end. */
  cutShort(): void {
    this.ids = this.ids.slice(0, this.found.length);
  }

  /** One transaction. Throws 'catching-up' and what OperatorWrites throws, having changed nothing. */
  step(db: Database): void {
    const { clock, dryRun } = this.options;
    db.pragma('foreign_keys = ON');
    let tried: ResolutionOutcome[] = [];
    const work = (writes: OperatorWrites) => {
      tried = this.tryStretch(writes);
    };
    try {
      if (dryRun) OperatorWrites.rehearsal(db, clock.nowMs(), work);
      else OperatorWrites.transaction(db, clock.nowMs(), work);
      this.found.push(...tried);
      this.isEnded = this.found.length === this.ids.length;
    } catch (error) {
      this.takeCommitError(error, tried);
    }
  }

  private tryStretch(writes: OperatorWrites): ResolutionOutcome[] {
    const { clock, decision, lockHoldMsMax, dryRun, atEnd, ...options } = this.options;
    assertWhole(writes);
    const nowMs = clock.nowMs();
    const resolver = new ConflictResolver(writes, { ...options, nowMs });
    const deadline = nowMs + lockHoldMsMax;
    const first = this.found.length;
    const end = first < this.singlyUpTo ? first + 1 : this.ids.length;
    const tried: ResolutionOutcome[] = [];
    for (const id of this.ids.slice(first, end)) {
      tried.push(resolver.resolve(id, decision));
      if (clock.nowMs() >= deadline) break;
    }
    if (!dryRun && first + tried.length === this.ids.length) atEnd(writes, [...this.found, ...tried]);
    return tried;
  }

  /** Conflicts are judged within the transaction, so a constraint's error is that of the commit. */
  private takeCommitError(error: unknown, tried: readonly ResolutionOutcome[]): void {
    if (constraintOf(error) === null || tried.length === 0) throw error;
    const [only] = tried;
    if (tried.length > 1 || only === undefined) {
      this.singlyUpTo = this.found.length + tried.length;
      return;
    }
    const { message } = error as Error;
    const refused = { code: 'resolution-refused', message, hint: null } as const;
    this.found.push({ ...only, status: 'failed', choice: null, changes: [], error: refused });
  }
}

/** Half a catch-up may hold a record whose rows have not come yet: a write would not cover both sides. */
function assertWhole({ db }: OperatorWrites): void {
  const catchUp = db.prepare(`SELECT value FROM ${PREFIX}state WHERE name = 'catch_up'`).pluck().get();
  if (catchUp === '' || catchUp === undefined) return;
  throw new SqlsyncError('catching-up', 'the file is in the middle of a catch-up: rows of conflicts may be missing', {
    hint: 'Wait until `sqlsync status` says that it is over; without a daemon, `sqlsync sync` goes on with it.',
  });
}
