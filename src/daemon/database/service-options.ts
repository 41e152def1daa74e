/** What a database's service is given. */
import type { Logger } from 'pino';
import type { Limits } from '../../config-limits.js';
import type { DatabaseConfig } from '../../config-schema.js';
import type { WireVersions } from '../../replication/older-wire.js';
import type { RetryOptions } from '../file/retry-while-locked.js';
import type { SideDirectory } from '../file/side-directory.js';

export interface DatabaseServiceOptions {
  /** The database's name in the data set's configuration. */
  readonly name: string;
  readonly path: string;
  /** What to do about a file that may be a copy: ask the operator, or take it for the original that has moved. */
  readonly identity: DatabaseConfig['identity'];
  readonly limits: Limits;
  /** What it speaks with peers; what this version does if it is left out. */
  readonly wire?: WireVersions | undefined;
  readonly logger: Logger;
  /** Brings a file of an older format up to date, once its lock is taken. Without it such a file is refused. */
  readonly upgrade?: (side: SideDirectory, waiting: RetryOptions) => Promise<void>;
  /** Ends the wait for a lock that keeps the file from being opened. */
  readonly signal: AbortSignal;
  /** A bug, or a file that is no longer the one that was opened: the daemon must stop. */
  readonly onFatal: (error: unknown) => void;
}
