/** Comparisons by schedule, with every peer of every database: how each ended is logged, and kept for the status. */
import type { Logger } from 'pino';
import { SqlsyncError } from '../../errors.js';
import type { VerifiedPeer } from '../../operations/verify-report.js';
import type { DatabaseService } from '../database/database-service.js';
import type { PeerTarget } from '../peer/peer-target.js';
import { type Scheduled, schedule } from '../timing/scheduler.js';
import type { Verification } from './verification.js';

export interface ScheduledVerificationOptions {
  /** A cron expression; null: never. */
  readonly schedule: string | null;
  readonly services: readonly DatabaseService[];
  readonly targetsOf: (database: string) => readonly PeerTarget[];
  readonly verification: Verification;
  readonly waitMsMax: number;
  readonly logger: Logger;
  readonly onBug: (error: unknown) => void;
}

export function scheduleVerification(options: ScheduledVerificationOptions): Scheduled {
  if (options.schedule === null) return { start: () => {}, stop: () => {} };
  let isRunning = false;
  return schedule(options.schedule, () => {
    // One that takes longer than the schedule leaves some out.
    if (isRunning) return;
    isRunning = true;
    verifyEverything(options)
      .catch(options.onBug)
      .finally(() => {
        isRunning = false;
      });
  });
}

async function verifyEverything({
  services,
  targetsOf,
  verification,
  waitMsMax,
  logger,
}: ScheduledVerificationOptions) {
  for (const { name, stopSignal: signal } of services) {
    const options = { tables: null, mode: 'verify', waitMsMax, onProgress: () => {}, signal } as const;
    try {
      for (const result of await verification.run(targetsOf(name), options))
        tell(logger.child({ database: name }), result);
    } catch (error) {
      if (!(error instanceof SqlsyncError)) throw error;
      if (error.code === 'interrupted') return;
      logger.warn({ database: name, code: error.code, hint: error.hint }, `nothing was compared: ${error.message}`);
    }
  }
}

function tell(logger: Logger, { name: peer, equal, reason, error, differencesTotal, tables }: VerifiedPeer): void {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  if (equal === true) logger.info({ peer, rows }, `equal to ${peer}`);
  else if (equal === false) {
    const hint = `sqlsync verify ${peer}`;
    logger.error({ peer, rows, code: 'nodes-differ', hint }, `${differencesTotal} rows differ from those of ${peer}`);
  } else logger.warn({ peer, code: error?.code ?? null }, `not known whether equal to ${peer}: ${reason}`);
}
