/** What `backup` needs of this machine. Without a daemon this process serves the file for as long as the backup takes. */
import type { Config } from '../../config.js';
import type { BackUpDeps } from '../../operations/backup/back-up-database.js';
import { createLogger } from '../logger.js';
import { serveOnce } from '../serve-once.js';
import { findDaemon, thisMachine } from '../this-machine.js';
import { backUpOnRequest } from './requested-backup.js';

export function backUpDeps(
  { limits }: Pick<Config, 'limits'>,
  watch: Pick<BackUpDeps, 'onProgress' | 'signal'>,
): BackUpDeps {
  const logger = createLogger({ level: 'silent', format: 'json', destination: process.stderr, environment: {} });
  const { signal } = watch;
  return {
    ...thisMachine,
    ...watch,
    findDaemon,
    operator: thisMachine.operator,
    backUpOnce: (database, request) =>
      serveOnce(database, { limits, logger, signal }, (service) =>
        backUpOnRequest(service, request, { limits, ...watch }),
      ),
  };
}
