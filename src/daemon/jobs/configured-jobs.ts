/** The jobs that a configuration has a daemon do. */
import type { Config } from '../../config.js';
import { schedulesOf } from '../../operations/job-record.js';
import { backupJob, drillJob } from './backup-jobs.js';
import type { Job } from './job.js';
import { optimiseJob } from './optimise-job.js';
import { type VerifyJobOptions, verifyJob } from './verify-job.js';

export function configuredJobs(
  { backup, verify, optimise, limits }: Pick<Config, 'backup' | 'verify' | 'optimise' | 'limits'>,
  comparisons: Omit<VerifyJobOptions, 'schedule'>,
): Job[] {
  const schedules = schedulesOf({ backup, verify, optimise });
  const jobs: Job[] = [];
  if (backup !== null && schedules.backup !== null) {
    jobs.push(backupJob(schedules.backup, backup, limits.lockWaitMsMax));
  }
  if (backup !== null && schedules.drill !== null) jobs.push(drillJob(schedules.drill, backup));
  if (schedules.verify !== null) jobs.push(verifyJob({ ...comparisons, schedule: schedules.verify }));
  if (schedules.optimise !== null) jobs.push(optimiseJob(schedules.optimise));
  return jobs;
}
