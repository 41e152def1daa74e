/** What the commands of `service` take from the machine (users, files, and systemd if it runs), and what they plan. */
import type { Config } from '../../config.js';
import type { Unit } from './unit-file.js';

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

export interface SystemctlResult {
  readonly exitCode: number;
  /** What it said on standard error. */
  readonly text: string;
}

export interface ServiceHost {
  readonly uid: number;
  /** The program and the script that run now, as they were called: the links of an installation stay links. */
  readonly program: readonly string[];
  /** Null: there is none. */
  readonly ownerOf: (path: string) => FileOwner | null;
  /** Symlinks resolved as far as there are files; a path that leads nowhere stays as it is. */
  readonly realPath: (path: string) => string;
  /** Numbers where there are no names. */
  readonly userName: (uid: number) => string;
  readonly groupName: (gid: number) => string;
  /** Where an administrator's units are: only there does systemd look. */
  readonly systemFolder: string;
  /** Does systemd manage this machine? */
  readonly isSystemdRunning: boolean;
  readonly systemctl: (words: readonly string[]) => Promise<SystemctlResult>;
}

/** Where an administrator's units are (systemd.unit(5)). */
export const SYSTEM_UNITS = '/etc/systemd/system';

export interface ServiceOptions {
  /** User to run as; null: the owner of the databases. */
  readonly user: string | null;
  /** A user that systemd makes up. */
  readonly isDynamic: boolean;
  /** The name behind the @; null: one unit, without a template. */
  readonly instance: string | null;
  /** Timers for backup and prune besides the daemon. */
  readonly withTimers: boolean;
  /** Absolute path of the command that units run; null: this very program. */
  readonly program: string | null;
}

/** A whole configuration, or none where a template alone is asked for. */
export type ServiceConfig = Pick<
  Config,
  'file' | 'node' | 'databases' | 'backup' | 'prune' | 'secretFile' | 'tls' | 'limits'
>;

export interface ServicePlan {
  readonly units: readonly Unit[];
  /** What is to be enabled, and disabled again: the daemon first. */
  readonly enabled: readonly string[];
  /** What will not work as it stands, and what to do. */
  readonly warnings: readonly string[];
}
