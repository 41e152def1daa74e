/**
 * The jobs that keep one database going, each asked for when there may be something to do, and what keeps them from doing
 * it. A problem is told when it comes, when it changes and when it goes.
 */
import type { Logger } from 'pino';
import type { Limits } from '../../config-limits.js';
import type { SqlsyncError } from '../../errors.js';
import { CoalescedJob } from '../timing/coalesced-job.js';

/** After a fold the next waits so long: a busy application is folded in batches. */
const FOLD_GAP_MS = 3;
/** Settling saves space and writes down what peers have acknowledged; no one waits for either. */
const SETTLE_GAP_MS = 5_000;

export interface UpkeepOptions {
  /** What each job does. */
  readonly work: {
    /** Takes in what the application has committed. */
    readonly fold: () => Promise<void>;
    /** Drops what every member has. */
    readonly settle: () => Promise<void>;
    /** Goes on with a stage that is half applied. */
    readonly resume: () => Promise<void>;
  };
  readonly limits: Pick<Limits, 'retryMsMin' | 'retryMsMax'>;
  readonly logger: Logger;
  readonly onBug: (error: unknown) => void;
}

/** What keeps a job from being done, and since when. */
export interface OpenProblem {
  readonly error: SqlsyncError;
  readonly since: Date;
}

export class Upkeep {
  readonly folding: CoalescedJob;
  readonly settling: CoalescedJob;
  readonly resuming: CoalescedJob;
  private readonly problems = new Map<string, OpenProblem>();
  private isStopping = false;
  private nextFold: NodeJS.Timeout | null = null;

  constructor(private readonly options: UpkeepOptions) {
    const { fold, settle, resume } = options.work;
    this.folding = this.job('fold', fold, FOLD_GAP_MS);
    this.settling = this.job('settle', settle, SETTLE_GAP_MS);
    this.resuming = this.job('catch up', resume);
  }

  /** No job begins any more; resolves when those under way are over. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.foldIn(null);
    await Promise.all(this.jobs.map((job) => job.stop()));
  }

  /** No job begins until `resume`; resolves when those under way are over. */
  async pause(): Promise<void> {
    await Promise.all(this.jobs.map((job) => job.pause()));
  }

  /** All jobs look at once whether there is something to do. */
  resume(): void {
    for (const job of this.jobs) job.resume();
  }

  /** Asks for a fold in so many milliseconds, whatever was asked for before; null: not by time. */
  foldIn(ms: number | null): void {
    if (this.nextFold !== null) clearTimeout(this.nextFold);
    this.nextFold = ms === null ? null : setTimeout(() => this.folding.request(), ms);
  }

  private get jobs(): readonly CoalescedJob[] {
    return [this.folding, this.settling, this.resuming];
  }

  /** What keeps the database from going on as it should. */
  get openProblems(): readonly OpenProblem[] {
    return [...this.problems.values()];
  }

  /** Null: the job goes on again. */
  note(job: string, error: SqlsyncError | null): void {
    if (this.isStopping) return;
    const before = this.problems.get(job);
    if (error === null) this.problems.delete(job);
    else this.problems.set(job, { error, since: before?.since ?? new Date() });
    if (before?.error.code === error?.code) return;
    if (error === null) this.options.logger.info({ job }, 'goes on');
    else this.options.logger.warn({ job, code: error.code, hint: error.hint }, error.message);
  }

  private job(name: string, run: () => Promise<void>, gapMs = 0): CoalescedJob {
    const { limits, onBug } = this.options;
    const { retryMsMin, retryMsMax } = limits;
    return new CoalescedJob({
      run,
      gapMs,
      retryMsMin,
      retryMsMax,
      onProblem: (error) => this.note(name, error),
      onBug,
    });
  }
}
