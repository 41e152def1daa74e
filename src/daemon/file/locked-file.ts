/**
 * One application's file as the daemon works on it: each piece of work waits its turn for the file's lock without
 * blocking the event loop, is done on the file that was opened and no other, and fails in the registry's words.
 */
import type { Limits } from '../../config-limits.js';
import { SqlsyncError } from '../../errors.js';
import { databaseError } from './database-error.js';
import { fileIdentity } from './file-identity.js';
import { pause, retryWhileLocked } from './retry-while-locked.js';

/** How long it is taken for granted that the path still leads to the same file: the pieces of one exchange. */
const LOOK_EVERY_MS = 5;

export class LockedFile {
  private readonly identity: string | null;
  private readonly stopping = new AbortController();
  private lookedMs = performance.now();
  private heldBack: SqlsyncError | null = null;

  constructor(
    readonly path: string,
    private readonly limits: Pick<Limits, 'lockWaitMsMax' | 'lockGapMs'>,
    /** Called when what is in the file is not what was opened: whoever works on it has to begin anew. */
    private readonly onReplaced: (error: SqlsyncError) => void = () => {},
  ) {
    this.identity = fileIdentity(path);
  }

  /** Aborts when nothing more is to be done on the file. */
  get stopSignal(): AbortSignal {
    return this.stopping.signal;
  }

  /** Whoever waits for the lock or between two steps gets `interrupted`. */
  stop(): void {
    this.stopping.abort(new SqlsyncError('interrupted', 'the daemon is stopping'));
  }

  /** From here on no work is done on the file, and whoever asks for some gets this error; null: work goes on. */
  hold(reason: SqlsyncError | null): void {
    this.heldBack = reason;
  }

  /** Does one piece of work, as soon as it gets the lock. Throws `database-locked` after limits.lockWaitMsMax, or sooner. */
  async run<Result>(attempt: () => Result, waitMsMax = this.limits.lockWaitMsMax): Promise<Result> {
    const attemptHere = () => {
      if (this.heldBack !== null) throw this.heldBack;
      this.assertNotReplaced();
      return attempt();
    };
    try {
      return await retryWhileLocked(attemptHere, { waitMsMax, signal: this.stopSignal });
    } catch (error) {
      throw this.told(databaseError(error, this.path));
    }
  }

  private told(error: unknown): unknown {
    if (error instanceof SqlsyncError && error.code === 'database-replaced') this.onReplaced(error);
    return error;
  }

  /** Steps that each take the write lock for a bounded time; between two of them others have their turn. */
  async runSteps(step: () => { readonly more: boolean }): Promise<void> {
    while ((await this.run(step)).more) await this.gap();
  }

  /** The time between two steps. */
  gap(): Promise<void> {
    return pause(this.limits.lockGapMs, this.stopSignal);
  }

  /** A file that has been replaced is written to no more: what went into it now would be lost. */
  private assertNotReplaced(): void {
    const nowMs = performance.now();
    if (nowMs - this.lookedMs < LOOK_EVERY_MS) return;
    if (fileIdentity(this.path) !== this.identity) throw replacedError(this.path);
    this.lookedMs = nowMs;
  }
}

export function replacedError(path: string): SqlsyncError {
  return new SqlsyncError('database-replaced', `${path} has been replaced or removed while it was served`, {
    hint: 'stop the daemon before a file is replaced; start it again if the new file is meant',
  });
}
