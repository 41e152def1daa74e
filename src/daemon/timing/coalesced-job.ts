/**
 * Work that may be asked for at any time and any number of times, and runs once at a time: requests that come while it
 * runs make one more run. What an operator can mend (a SqlsyncError) becomes the job's problem and is tried again with a
 * growing pause; anything else is a bug and ends the daemon.
 */
import { SqlsyncError } from '../../errors.js';
import { Backoff } from './backoff.js';

export interface CoalescedJobOptions {
  readonly run: () => Promise<void>;
  /** Least time between the starts of two runs, so that a busy application is not answered commit by commit. */
  readonly gapMs?: number;
  readonly retryMsMin: number;
  readonly retryMsMax: number;
  /** Called when a run fails, and with null when one succeeds after that. */
  readonly onProblem: (error: SqlsyncError | null) => void;
  readonly onBug: (error: unknown) => void;
}

export class CoalescedJob {
  private readonly backoff: Backoff;
  private requested = false;
  private paused = false;
  private stopped = false;
  private failing = false;
  private running: Promise<void> | null = null;
  private timer: NodeJS.Timeout | null = null;
  private startedMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: CoalescedJobOptions) {
    this.backoff = new Backoff(options.retryMsMin, options.retryMsMax);
  }

  /** Runs at once when nothing is in the way. */
  request(): void {
    this.requested = true;
    if (this.stopped || this.paused || this.running !== null || this.timer !== null) return;
    const waitMs = this.startedMs + (this.options.gapMs ?? 0) - performance.now();
    if (waitMs <= 0) this.startRun();
    else this.runAfter(waitMs);
  }

  /** No run begins any more; resolves when the one under way is over. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.clearTimer();
    await this.running;
  }

  /** No run begins until `resume`; resolves when the one under way is over. */
  async pause(): Promise<void> {
    this.paused = true;
    this.clearTimer();
    await this.running;
  }

  /** Runs at once: what was asked for meanwhile is due. */
  resume(): void {
    this.paused = false;
    this.request();
  }

  private runNow(): void {
    this.clearTimer();
    this.startRun();
  }

  private runAfter(ms: number): void {
    this.timer = setTimeout(() => this.runNow(), ms);
  }

  private clearTimer(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private startRun(): void {
    this.requested = false;
    this.startedMs = performance.now();
    this.running = this.runOnce().finally(() => {
      this.running = null;
      if (this.stopped || this.paused) return;
      if (this.failing) this.runAfter(this.backoff.nextMs());
      else if (this.requested) this.request();
    });
  }

  private async runOnce(): Promise<void> {
    try {
      await this.options.run();
    } catch (error) {
      if (!(error instanceof SqlsyncError)) {
        this.stopped = true;
        this.options.onBug(error);
        return;
      }
      this.failing = true;
      this.options.onProblem(error);
      return;
    }
    if (this.failing) this.options.onProblem(null);
    this.failing = false;
    this.backoff.reset();
  }
}
