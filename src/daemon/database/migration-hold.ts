/**
 * A database that is left alone while the application's migration runs: what is under way comes to its end, all is folded,
 * and from then on whoever asks for something gets the reason, until it is released.
 */
import { SqlsyncError } from '../../errors.js';
import type { Replica } from '../../replication/replica.js';
import type { ReplicaStatus } from '../../replication/replica-status.js';
import type { LockedFile } from '../file/locked-file.js';
import type { ApplyQueue } from './apply-queue.js';
import type { ShippingGate } from './shipping-gate.js';
import type { OpenProblem, Upkeep } from './upkeep.js';

export interface MigrationHoldOptions {
  readonly replica: Pick<Replica, 'isCatchingUp' | 'fold'>;
  readonly file: LockedFile;
  readonly gate: ShippingGate;
  readonly queue: ApplyQueue;
  readonly upkeep: Upkeep;
  readonly readStatus: () => Promise<ReplicaStatus>;
}

export class MigrationHold {
  private problem: OpenProblem | null = null;
  private before: ReplicaStatus | null = null;

  constructor(private readonly options: MigrationHoldOptions) {}

  /** Why nothing is done; empty: nothing is held. */
  get problems(): readonly OpenProblem[] {
    return this.problem === null ? [] : [this.problem];
  }

  get isHeld(): boolean {
    return this.problem !== null;
  }

  /** What the status was before the file was left alone; null: it is not. */
  get status(): ReplicaStatus | null {
    return this.before;
  }

  assertNotHeld(): void {
    if (this.problem !== null) throw this.problem.error;
  }

  /** Throws `catching-up` in the middle of one, `migrating` when it is held already. */
  async begin(reason: SqlsyncError): Promise<void> {
    const { replica, file, gate, queue, upkeep, readStatus } = this.options;
    this.assertNotHeld();
    if (replica.isCatchingUp) throw inCatchUp(file.path);
    this.problem = { error: reason, since: new Date() };
    try {
      await gate.idle();
      await queue.idle();
      await upkeep.pause();
      await file.runSteps(() => replica.fold());
      this.before = await readStatus();
      file.hold(reason);
    } catch (error) {
      this.end();
      throw error;
    }
  }

  /** Work goes on; what has been written meanwhile is looked at at once. */
  end(): void {
    const { file, upkeep } = this.options;
    this.problem = null;
    this.before = null;
    file.hold(null);
    upkeep.resume();
  }
}

function inCatchUp(path: string): SqlsyncError {
  return new SqlsyncError('catching-up', `a large catch-up of ${path} is being applied`, {
    hint: 'wait until it is whole: sqlsync status',
  });
}
