/**
 * Jobs by cron expression, in the machine's zone, five fields or six with seconds first. A job that is due while the
 * daemon was too busy to notice runs once when it notices; the job itself makes sure that it does not overlap.
 */
import { createTask } from 'node-cron';

export interface Scheduled {
  start(): void;
  stop(): void;
}

/** Prepares a job; it runs from `start` on. The expression has been validated with the configuration. */
export function schedule(expression: string, run: () => void): Scheduled {
  const task = createTask(expression, run, { suppressMissedWarning: true });
  return { start: () => void task.start(), stop: () => void task.stop() };
}

/** The next time after now that an expression names; null: it names none that comes. */
export function nextTimeOf(expression: string): Date | null {
  const task = createTask(expression, () => {});
  try {
    return task.getNextRuns(1)[0] ?? null;
  } finally {
    void task.destroy();
  }
}
