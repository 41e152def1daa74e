/** What the doctor needs, and what it looks at. */
import type { Config, DatabaseConfig } from '../../config.js';
import type { Machine } from '../machine.js';
import type { FindDaemon } from '../running-daemon.js';
import type { DoctorHost } from './host.js';

export interface DoctorDeps extends Pick<Machine, 'files' | 'now' | 'random' | 'env'> {
  readonly host: DoctorHost;
  readonly findDaemon: FindDaemon;
  /** Of sqlsync. */
  readonly version: string;
}

export interface DoctorTarget {
  /** Its name in the configuration, or its path. */
  readonly label: string;
  readonly path: string;
  /** Null: the configuration does not have it. */
  readonly configured: DatabaseConfig | null;
}

export interface DoctorContext {
  /** Null: there is none that could be read. */
  readonly config: Config | null;
  /** Reads the file whole. */
  readonly deep: boolean;
}
