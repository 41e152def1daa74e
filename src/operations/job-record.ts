/** What is known of the jobs that run by schedule: kept beside each database, so that it outlasts daemons. */
import type { Config } from '../config.js';
import type { ErrorCode } from '../errors.js';

export const JOB_KINDS = ['backup', 'drill', 'prune', 'verify', 'optimise'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** Times are RFC 3339, UTC. */
export interface JobRecord {
  /** The schedule that `dueAt` was read from; null: it has only been run by hand. */
  readonly schedule: string | null;
  /** When it is to run next. One that lies in the past was missed. */
  readonly dueAt: string | null;
  /** The last run that came to an end; null: there was none. */
  readonly last: JobRun | null;
  readonly succeededAt: string | null;
}

export interface JobRun {
  readonly startedAt: string;
  readonly endedAt: string;
  readonly result: 'done' | ErrorCode;
  /** What went wrong; null: nothing. */
  readonly message: string | null;
}

export type JobRecords = Readonly<Partial<Record<JobKind, JobRecord>>>;

/** Which kinds a configuration has run, and when: cron expressions. */
export function schedulesOf({
  backup,
  prune,
  verify,
  optimise,
}: Pick<Config, 'backup' | 'prune' | 'verify' | 'optimise'>): Readonly<Record<JobKind, string | null>> {
  return {
    backup: backup?.schedule ?? null,
    drill: backup?.drill ?? null,
    prune: prune.schedule,
    verify: verify?.schedule ?? null,
    optimise: optimise?.schedule ?? null,
  };
}

/** What is scheduled or has run. What is not scheduled any more has no next time. */
export function jobsOf(
  records: JobRecords,
  schedules: ReturnType<typeof schedulesOf>,
): (JobRecord & { readonly kind: JobKind })[] {
  return JOB_KINDS.flatMap((kind) => {
    const schedule = schedules[kind];
    const record = records[kind] ?? (schedule === null ? undefined : NO_RUNS);
    if (record === undefined) return [];
    const dueAt = record.schedule === schedule ? record.dueAt : null;
    return [{ kind, ...record, schedule, dueAt }];
  });
}

/** By a database's real path. */
export interface JobHistories {
  read(realPath: string): JobRecords;
}

export const NO_RUNS: JobRecord = { schedule: null, dueAt: null, last: null, succeededAt: null };
