/** The records of a database's jobs, in a file beside it. See operations/job-record.ts. */
import { z } from 'zod';
import { isErrorCode } from '../../errors.js';
import {
  JOB_KINDS,
  type JobKind,
  type JobRecord,
  type JobRecords,
  type JobRun,
  NO_RUNS,
} from '../../operations/job-record.js';
import { readJsonFile, type SideDirectory, tryToWriteJsonFile } from './side-directory.js';

const time = z.string().refine((text) => !Number.isNaN(Date.parse(text)));

const recordSchema = z.object({
  schedule: z.string().nullable(),
  dueAt: time.nullable(),
  last: z
    .object({
      startedAt: time,
      endedAt: time,
      result: z.custom<JobRun['result']>((text) => typeof text === 'string' && (text === 'done' || isErrorCode(text))),
      message: z.string().nullable(),
    })
    .nullable(),
  succeededAt: time.nullable(),
});

export class JobHistory {
  constructor(private readonly side: Pick<SideDirectory, 'jobsPath'>) {}

  /** A record that cannot be read, or could not be written, is none: a job may run once too often for it. */
  all(): JobRecords {
    const written = readJsonFile(this.side.jobsPath) as Partial<Record<JobKind, unknown>> | undefined;
    return Object.fromEntries(
      JOB_KINDS.flatMap((kind) => {
        const parsed = recordSchema.safeParse(written?.[kind]);
        return parsed.success ? [[kind, parsed.data]] : [];
      }),
    );
  }

  of(kind: JobKind): JobRecord {
    return this.all()[kind] ?? NO_RUNS;
  }

  setDue(kind: JobKind, schedule: string, dueAt: Date | null): void {
    this.write(kind, { ...this.of(kind), schedule, dueAt: dueAt?.toISOString() ?? null });
  }

  addRun(kind: JobKind, run: JobRun): void {
    const before = this.of(kind);
    const succeededAt = run.result === 'done' ? run.endedAt : before.succeededAt;
    this.write(kind, { ...before, last: run, succeededAt });
  }

  private write(kind: JobKind, record: JobRecord): void {
    tryToWriteJsonFile(this.side.jobsPath, { ...this.all(), [kind]: record });
  }
}
