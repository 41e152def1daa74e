/** A comparison with every peer, by schedule. How each ended is logged, and kept for the status. */
import type { Logger } from 'pino';
import { SqlsyncError } from '../../errors.js';
import type { VerifiedPeer } from '../../operations/verify-report.js';
import { renderCount } from '../../render-figures.js';
import type { Verification } from '../compare/verification.js';
import type { PeerTarget } from '../peer/peer-target.js';
import type { Job, JobOutcome } from './job.js';

export interface VerifyJobOptions {
  readonly schedule: string;
  readonly targetsOf: (database: string) => readonly PeerTarget[];
  readonly verification: Verification;
  readonly waitMsMax: number;
  readonly logger: Logger;
}

export function verifyJob({ schedule, targetsOf, verification, waitMsMax, logger }: VerifyJobOptions): Job {
  return {
    kind: 'verify',
    schedule,
    run: async ({ name }, signal) => {
      const options = { tables: null, mode: 'verify', waitMsMax, onProgress: () => {}, signal } as const;
      const results = await verification.run(targetsOf(name), options);
      for (const result of results) tell(logger.child({ database: name }), result);
      return outcomeOf(results);
    },
  };
}

function tell(logger: Logger, { name: peer, equal, reason, error, differencesTotal, tables }: VerifiedPeer): void {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  if (equal === true) logger.info({ peer, rows }, `equal to ${peer}`);
  else if (equal === false) {
    const hint = `sqlsync verify ${peer}`;
    logger.error({ peer, rows, code: 'nodes-differ', hint }, `${differencesTotal} rows differ from those of ${peer}`);
  } else logger.warn({ peer, code: error?.code ?? null }, `not known whether equal to ${peer}: ${reason}`);
}

/** Throws nodes-differ, or for peers of which it is not known what kept them from being compared. */
function outcomeOf(results: readonly VerifiedPeer[]): JobOutcome {
  const different = results.filter(({ equal }) => equal === false).map(({ name }) => name);
  if (different.length > 0) {
    throw new SqlsyncError('nodes-differ', `rows differ from those of ${different.join(', ')}`, {
      hint: `sqlsync verify ${different[0]}`,
    });
  }
  const unknown = results.find(({ equal }) => equal === null);
  if (unknown !== undefined) {
    const why = unknown.reason ?? unknown.error?.message ?? 'not compared';
    const hint = `sqlsync verify ${unknown.name}`;
    throw new SqlsyncError(unknown.error?.code ?? 'timed-out', `not known whether equal to ${unknown.name}: ${why}`, {
      hint,
    });
  }
  return {
    says: `equal to ${renderCount(results.length, 'peer')}`,
    detail: { peers: results.map(({ name }) => name) },
  };
}
