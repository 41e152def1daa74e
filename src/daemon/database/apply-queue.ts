/**
 * Stages of one database on their way in, one at a time, in the order in which they came whole. A large one goes in
 * step by step; between two steps the application's writers get their turn. A stage that is half applied when the daemon
 * stops, or when a step fails, stays on the disk until it has been gone on with, or a later stream has brought the same.
 */
import type { Replica } from '../../replication/replica.js';
import type { LockedFile } from '../file/locked-file.js';
import type { StreamStage } from '../stream/stage.js';
import type { StageStore } from '../stream/stage-store.js';

export interface ApplyQueueOptions {
  readonly replica: Pick<Replica, 'beginApply' | 'catchUp'>;
  readonly stages: StageStore;
  readonly file: LockedFile;
  /** Called when a stage is in. */
  readonly onApplied: (applied: AppliedStage) => void;
}

export interface AppliedStage {
  /** Rows that were written into tables: those that were known already are not among them. */
  readonly rows: number;
  /** How long it took, the pauses for others included. */
  readonly seconds: number;
}

/** Called after each step with the rows of the stage that are in. */
export type ApplyProgress = (rows: number) => void;

export class ApplyQueue {
  private tail: Promise<void> = Promise.resolve();

  constructor(private readonly options: ApplyQueueOptions) {}

  /**
   * Applies the stage after all that came before it. Throws the engine's refusals (`stale`, `batch-refused` …),
   * `database-locked` after limits.lockWaitMsMax, and `interrupted` when the daemon stops.
   */
  apply(stage: StreamStage, onProgress: ApplyProgress = () => {}): Promise<void> {
    return this.enqueue(() => this.applyNow(stage, onProgress));
  }

  /** Goes on with the stage that an earlier run left half applied, if there is one. */
  resume(onProgress: ApplyProgress = () => {}): Promise<void> {
    return this.enqueue(async () => {
      const { catchUp } = this.options.replica;
      if (catchUp !== null) await this.applyNow(this.options.stages.resume(catchUp.stageId), onProgress);
    });
  }

  /** Resolves when nothing is being applied any more, once the file has been told to stop. */
  idle(): Promise<void> {
    return this.tail;
  }

  private enqueue(work: () => Promise<void>): Promise<void> {
    const job = this.tail.then(work);
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
      for (;;) {
        const { done, rows } = await file.run(() => application.step());
        onProgress(rows);
        if (done) break;
        await file.gap();
      }
      if (stage.rows > 0)
        onApplied({ rows: application.counts.applied, seconds: (performance.now() - startedMs) / 1000 });
    } catch (error) {
      if (replica.catchUp?.stageId !== stage.id) stages.discard(stage);
      throw error;
    }
    stages.discard(stage);
  }
}
