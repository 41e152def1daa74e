/**
 * The daemon's side of an application's migration: for as long as the command that asks is there, one database is left
 * alone. Links to its peers rest, connections are closed, what is under way comes to its end, all is folded; and whoever
 * asks for something meanwhile gets `migrating`.
 */
import { once } from 'node:events';
import type { Logger } from 'pino';
import { SqlsyncError } from '../../errors.js';
import type { PeerLinks } from '../peer/peer-links.js';
import type { ServedDatabase } from './served-databases.js';

export interface HoldOptions {
  readonly links: PeerLinks;
  readonly logger: Logger;
  /** Called when the file is left alone. */
  readonly onHeld: () => void;
  /** Aborts when the asker has gone. */
  readonly gone: AbortSignal;
  /** Aborts when the daemon stops: then nothing goes on here any more. */
  readonly stopping: AbortSignal;
}

/** Resolves when it is over. Throws `catching-up`, `migrating` when it is held already, and what keeps it from being folded. */
export async function holdDatabase(served: ServedDatabase, options: HoldOptions): Promise<void> {
  const { links, onHeld, gone, stopping } = options;
  const { service } = served;
  const log = options.logger.child({ database: service.name });
  const reason = migrating(service.name);
  service.migration.assertNotHeld();
  await links.suspend(served);
  try {
    await service.migration.begin(reason);
    log.info('held for a migration');
    onHeld();
    const over = AbortSignal.any([gone, stopping]);
    if (!over.aborted) await once(over, 'abort');
  } finally {
    if (!stopping.aborted) {
      service.migration.end();
      links.takeUp(served);
      log.info('goes on');
    }
  }
}

export function migrating(name: string): SqlsyncError {
  return new SqlsyncError('migrating', `the application's migration of ${name} runs here`, {
    hint: 'wait until it is over; nothing is lost meanwhile',
  });
}
