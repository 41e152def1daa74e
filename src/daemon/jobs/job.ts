/** Work that is done by schedule, for one database after the other. */
import type { JobKind } from '../../operations/job-record.js';
import type { DatabaseService } from '../database/database-service.js';

export interface Job {
  readonly kind: JobKind;
  /** A cron expression. */
  readonly schedule: string;
  /**
   * Throws what went wrong in words of the registry: that is the run's result, and no reason to stop. `interrupted` is
   * no result: the run counts as missed.
   */
  run(service: DatabaseService, signal: AbortSignal): Promise<JobOutcome>;
}

export interface JobOutcome {
  /** What has been done, for the log. */
  readonly says: string;
  /** For the record of operations. */
  readonly detail: unknown;
}
