import type { Logger } from 'pino';
import { SqlsyncError } from '../errors.js';

/** Says what a daemon stops for: in the words of the registry if it has any, else with where it came from. */
export function logFatal(logger: Logger, error: unknown): void {
  if (error instanceof SqlsyncError) {
    logger.fatal({ code: error.code, hint: error.hint }, `the daemon cannot go on: ${error.message}`);
  } else logger.fatal({ err: error }, 'the daemon cannot go on');
}
