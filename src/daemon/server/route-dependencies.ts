/** What the routes of peers need to do their work. */
import type { Logger } from 'pino';
import type { Limits } from '../../config-limits.js';
import type { ServedDatabases } from '../database/served-databases.js';

export interface RouteDependencies {
  readonly databases: ServedDatabases;
  readonly limits: Limits;
  readonly logger: Logger;
  /** What is no error of the registry: the daemon cannot go on. */
  readonly onBug: (error: unknown) => void;
}
