/** What of a database's history nobody needs goes by schedule, and whoever has been silent for too long is evicted. */
import type { Logger } from 'pino';
import { renderBytes } from '../../render-figures.js';
import type { DatabaseService } from '../database/database-service.js';
import { type PruneRequest, pruneDatabase } from '../database/prune-database.js';
import type { Job } from './job.js';

export interface PruneJobOptions {
  readonly schedule: string;
  readonly orderFor: (service: DatabaseService) => Omit<PruneRequest, 'dryRun'>;
  readonly logger: Logger;
}

export function pruneJob({ schedule, orderFor, logger }: PruneJobOptions): Job {
  return {
    kind: 'prune',
    schedule,
    run: async (service) => {
      const pruned = await pruneDatabase(service, { ...orderFor(service), dryRun: false });
      service.tellAdvanced();
      const { evicted, undecided, before, after } = pruned;
      const log = logger.child({ database: service.name });
      for (const member of evicted) log.warn({ member }, 'evicted: silent for longer than prune.peerTimeout');
      for (const member of undecided) log.warn({ member }, 'silent for longer than prune.peerTimeout');
      const history = after?.history ?? before.history;
      const rows = before.history.rows - history.rows;
      return {
        says: `history pruned: ${rows} rows gone, ${renderBytes(history.bytes)} left`,
        detail: { evicted, undecided, rows, bytesLeft: history.bytes },
      };
    },
  };
}
