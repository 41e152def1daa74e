/** The jobs that a configuration has a daemon do. */
import type { Config } from '../../config.js';
import { schedulesOf } from '../../operations/job-record.js';
import { backupJob, drillJob } from './backup-jobs.js';
import type { Job } from './job.js';
import { optimiseJob } from './optimise-job.js';
import { type PruneJobOptions, pruneJob } from './prune-job.js';
import { type VerifyJobOptions, verifyJob } from './verify-job.js';

export function configuredJobs(
  { backup, prune, verify, optimise, limits }: Pick<Config, 'backup' | 'prune' | 'verify' | 'optimise' | 'limits'>,
  deps: Omit<VerifyJobOptions & PruneJobOptions, 'schedule'>,
): Job[] {
  const schedules = schedulesOf({ backup, prune, verify, optimise });
  const jobs: Job[] = [];
  if (backup !== null && schedules.backup !== null) {
    jobs.push(backupJob(schedules.backup, backup, limits.lockWaitMsMax));
  }
  if (backup !== null && schedules.drill !== null) jobs.push(drillJob(schedules.drill, backup));
  if (schedules.prune !== null) jobs.push(pruneJob({ ...deps, schedule: schedules.prune }));
  if (schedules.verify !== null) jobs.push(verifyJob({ ...deps, schedule: schedules.verify }));
  if (schedules.optimise !== null) jobs.push(optimiseJob(schedules.optimise));
  return jobs;
}
