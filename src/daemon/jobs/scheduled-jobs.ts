/**
 * Runs jobs by schedule. No two of a kind run at once: a time that comes while one runs is left out. A time that passed
 * while no daemon ran, or during a run that was cut off, is made good once after the start. How each run ended is kept
 * beside the database (for status and metrics), logged, and entered among the operations.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { SqlsyncError } from '../../errors.js';
import type { JobKind, JobRun } from '../../operations/job-record.js';
import type { DatabaseService } from '../database/database-service.js';
import { JobHistory } from '../file/job-history.js';
import { nextTimeOf, type Scheduled, schedule } from '../timing/scheduler.js';
import type { Job, JobOutcome } from './job.js';

export interface ScheduledJobsOptions {
  readonly jobs: readonly Job[];
  readonly services: readonly DatabaseService[];
  /** The system's name of the user that the daemon runs as. */
  readonly operator: string;
  readonly logger: Logger;
  readonly onBug: (error: unknown) => void;
}

type Ending = Pick<JobRun, 'result' | 'message'> & { readonly detail: unknown };

export class ScheduledJobs {
  private jobs: readonly Job[];
  private crons: readonly Scheduled[] = [];
  private readonly running = new Map<JobKind, Promise<void>>();
  private readonly stopping = new AbortController();

  constructor(private readonly options: ScheduledJobsOptions) {
    this.jobs = options.jobs;
  }

  /** From now on these run. What is under way is finished as it was begun. */
  configure(jobs: readonly Job[]): void {
    if (this.stopping.signal.aborted) return;
    for (const cron of this.crons) cron.stop();
    this.jobs = jobs;
    this.start();
  }

  /** What is due from before begins at once. */
  start(): void {
    this.crons = this.jobs.map((job) => schedule(job.schedule, () => this.run(job, this.options.services)));
    for (const job of this.jobs) {
      const missed = this.options.services.filter((service) => isMissed(job, service));
      for (const service of this.options.services) if (!missed.includes(service)) setNextDue(job, service);
      this.run(job, missed);
    }
    for (const cron of this.crons) cron.start();
  }

  /** Gives up what is under way; resolves when it has been. */
  async stop(): Promise<void> {
    for (const cron of this.crons) cron.stop();
    this.stopping.abort(new SqlsyncError('interrupted', 'the daemon is stopping'));
    await Promise.all(this.running.values());
  }

  private run(job: Job, services: readonly DatabaseService[]): void {
    if (this.running.has(job.kind) || this.stopping.signal.aborted) return;
    const done = this.runAll(job, services)
      .catch(this.options.onBug)
      .finally(() => this.running.delete(job.kind));
    this.running.set(job.kind, done);
  }

  private async runAll(job: Job, services: readonly DatabaseService[]): Promise<void> {
    for (const service of services) {
      if (this.stopping.signal.aborted) return;
      const startedAt = new Date().toISOString();
      const ending = await this.endingOf(job, service);
      if (ending === null) return;
      const { result, message, detail } = ending;
      const run = { startedAt, endedAt: new Date().toISOString(), result, message };
      new JobHistory(service.side).addRun(job.kind, run);
      // The schedule may be another by now.
      for (const { kind, schedule } of this.jobs) if (kind === job.kind) setNextDue({ kind, schedule }, service);
      await this.enter(job, service, run, detail);
    }
  }

  /** Null: it was interrupted. */
  private async endingOf(job: Job, service: DatabaseService): Promise<Ending | null> {
    const logger = this.options.logger.child({ database: service.name, job: job.kind });
    try {
      const signal = AbortSignal.any([this.stopping.signal, service.stopSignal]);
      const { says, detail }: JobOutcome = await job.run(service, signal);
      logger.info(says);
      return { result: 'done', message: null, detail };
    } catch (error) {
      if (!(error instanceof SqlsyncError)) throw error;
      if (error.code === 'interrupted') return null;
      const { code, message, hint } = error;
      logger.error({ code, hint }, message);
      return { result: code, message, detail: null };
    }
  }

  private async enter(job: Job, service: DatabaseService, run: JobRun, detail: unknown): Promise<void> {
    const { replica } = service;
    const { result, ...times } = run;
    const record = {
      id: randomBytes(16).toString('hex'),
      node: replica.node,
      operator: this.options.operator,
      command: `by schedule: ${job.kind}`,
      detail: { ...times, outcome: detail },
      result,
    };
    try {
      await service.work(() => replica.recordOperation(record));
      await service.fold();
    } catch (error) {
      // The run is on record beside the file; a file that cannot be written is a problem of its own.
      if (!(error instanceof SqlsyncError)) throw error;
    }
  }
}

function isMissed({ kind, schedule: expression }: Job, service: DatabaseService): boolean {
  const { schedule: known, dueAt } = new JobHistory(service.side).of(kind);
  return known === expression && dueAt !== null && Date.parse(dueAt) <= Date.now();
}

function setNextDue({ kind, schedule: expression }: Pick<Job, 'kind' | 'schedule'>, service: DatabaseService): void {
  new JobHistory(service.side).setDue(kind, expression, nextTimeOf(expression));
}
