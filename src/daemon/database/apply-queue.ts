/**
 * Stages of one database on their way in, one at a time, in the order in which they came whole. A large one goes in
 * step by step; between two steps the application's writers get their turn. A stage that is half applied when the daemon
 * stops, or when a step fails, stays on the disk until it has been gone on with, or a later stream has brought the same.
 */
import { type ErrorCode, SqlsyncError } from '../../errors.js';
import type { Application } from '../../replication/application.js';
import type { Replica } from '../../replication/replica.js';
import type { LockedFile } from '../file/locked-file.js';
import type { StreamStage } from '../stream/stage.js';
import type { StageStore } from '../stream/stage-store.js';

export interface ApplyQueueOptions {
  readonly replica: Pick<Replica, 'beginApply' | 'endApply' | 'catchUp' | 'abandonStage'>;
  readonly stages: StageStore;
  readonly file: LockedFile;
  /** Called when a stage is in. */
  readonly onApplied: (applied: AppliedStage) => void;
  /** Called when a half applied stage cannot be gone on with: peers must bring it again. */
  readonly onAbandoned: (why: SqlsyncError) => void;
}

export interface AppliedStage {
  /** Rows that were written into tables: those that were known already are not among them. */
  readonly rows: number;
  /** How long it took, the pauses for others included. */
  readonly seconds: number;
}

/** What no later try at the same stage can mend. */
export const HOPELESS: readonly ErrorCode[] = [
  'batch-damaged',
  'batch-refused',
  'batch-outdated',
  'stale',
  'member-removed',
];

/** Called after each step with the rows of the stage that are in. */
export type ApplyProgress = (rows: number) => void;

export class ApplyQueue {
  private tail: Promise<void> = Promise.resolve();
  /** When the work under way last came a step further; null: there is none. */
  private movedMs: number | null = null;

  constructor(private readonly options: ApplyQueueOptions) {}

  /**
   * Applies the stage after all that came before it. Throws the engine's refusals (`stale`, `batch-refused` …),
   * `database-locked` after limits.lockWaitMsMax, and `interrupted` when the daemon stops.
   */
  apply(stage: StreamStage, onProgress: ApplyProgress = () => {}): Promise<void> {
    return this.enqueue(() => this.applyNow(stage, onProgress));
  }

  /** Goes on with the stage that an earlier run left half applied, if there is one, or gives it up. */
  resume(onProgress: ApplyProgress = () => {}): Promise<void> {
    return this.enqueue(async () => {
      const stageId = this.options.replica.catchUp?.stageId ?? null;
      if (stageId === null) return;
      const stage = await this.find(stageId);
      if (stage === null) return;
      try {
        await this.applyNow(stage, onProgress);
      } catch (error) {
        if (!(error instanceof SqlsyncError) || !HOPELESS.includes(error.code)) throw error;
        await this.abandon(stageId, error);
      }
    });
  }

  /** The stage on the disk; null once it has been given up, since it cannot be read any more. */
  private async find(stageId: string): Promise<StreamStage | null> {
    try {
      return this.options.stages.resume(stageId);
    } catch (error) {
      if (!(error instanceof SqlsyncError)) throw error;
      await this.abandon(stageId, error);
      return null;
    }
  }

  private async abandon(stageId: string, why: SqlsyncError): Promise<void> {
    const { replica, stages, file, onAbandoned } = this.options;
    // The stage may still be there when the process dies in between: then it is given up once more.
    await file.run(() => replica.abandonStage(stageId));
    stages.discard({ id: stageId });
    onAbandoned(why);
  }

  /** How long the step under way has lasted, its wait for a lock included; 0: nothing is being applied. */
  get stillMs(): number {
    return this.movedMs === null ? 0 : performance.now() - this.movedMs;
  }

  /** Resolves when nothing is being applied any more, once the file has been told to stop. */
  idle(): Promise<void> {
    return this.tail;
  }

  private enqueue(work: () => Promise<void>): Promise<void> {
    const job = this.tail.then(() => {
      this.movedMs = performance.now();
      return work().finally(() => {
        this.movedMs = null;
      });
    });
    // The next in the queue does not care how this one ended; whoever waits for `job` does.
    this.tail = job.catch(() => {});
    return job;
  }

  private async applyNow(stage: StreamStage, onProgress: ApplyProgress): Promise<void> {
    const { replica, stages, file, onApplied } = this.options;
    const startedMs = performance.now();
    try {
      file.stopSignal.throwIfAborted();
      const application = replica.beginApply(stage);
      await this.step(application, onProgress);
      if (stage.rows > 0)
        onApplied({ rows: application.counts.applied, seconds: (performance.now() - startedMs) / 1000 });
    } catch (error) {
      if (replica.catchUp?.stageId !== stage.id) stages.discard(stage);
      throw error;
    }
    stages.discard(stage);
  }

  /** Steps until it is done, or has thrown. */
  private async step(application: Application, onProgress: ApplyProgress): Promise<void> {
    const { replica, file } = this.options;
    try {
      for (;;) {
        const { done, rows } = await file.run(() => application.step());
        this.movedMs = performance.now();
        onProgress(rows);
        if (done) return;
        await file.gap();
      }
    } finally {
      replica.endApply(application);
    }
  }
}
