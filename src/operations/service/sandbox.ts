/**
 * What a unit of sqlsync may do: run as the owner of the databases, write where they lie, and speak to its peers. All
 * else is closed (systemd.exec(5)). Memory that is written and executed stays allowed, since V8 compiles.
 */
import { isWithin } from '../../mount-points.js';
import { unitWord } from './unit-file.js';

/** Who the unit runs as. `dynamic`: a user that systemd makes up, in the groups that let it at the files. */
export type RunAs =
  | { readonly user: string; readonly group: string | null }
  | { readonly dynamic: true; readonly groups: readonly string[] };

export interface SandboxPlaces {
  /** Folders that are written to, and must be there. */
  readonly written: readonly string[];
  /** Folders that are written to once they are there. */
  readonly writtenIfThere: readonly string[];
  /** Files and folders that are read: the program, the configuration. */
  readonly read: readonly string[];
}

/** The same for every unit. */
export const CLOSED: readonly string[] = [
  'NoNewPrivileges=yes',
  'CapabilityBoundingSet=',
  'AmbientCapabilities=',
  'ProtectSystem=strict',
  'PrivateDevices=yes',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'ProtectProc=invisible',
  'LockPersonality=yes',
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'RemoveIPC=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service @pkey',
  'SystemCallFilter=~@privileged @resources',
  'SystemCallErrorNumber=EPERM',
  'LimitCORE=0',
  'UMask=0077',
];

const HOMES = ['/home', '/root', '/run/user'];
const SCRATCH = ['/tmp', '/var/tmp'];

export function runAsLines(runAs: RunAs): string[] {
  if ('dynamic' in runAs) {
    const groups = runAs.groups.length === 0 ? [] : [`SupplementaryGroups=${runAs.groups.join(' ')}`];
    return ['DynamicUser=yes', ...groups];
  }
  return ['DynamicUser=no', `User=${runAs.user}`, ...(runAs.group === null ? [] : [`Group=${runAs.group}`])];
}

/** Home folders and scratch folders are out of sight unless something of ours is in them. */
export function placeLines({ written, writtenIfThere, read }: SandboxPlaces): string[] {
  const all = [...written, ...writtenIfThere, ...read];
  const isUsed = (roots: readonly string[]) =>
    all.some((path) => roots.some((root) => path === root || isWithin(path, root)));
  const words = [...written.map(unitWord), ...writtenIfThere.map((path) => unitWord(`-${path}`))];
  return [
    `ProtectHome=${isUsed(HOMES) ? 'read-only' : 'yes'}`,
    `PrivateTmp=${isUsed(SCRATCH) ? 'no' : 'yes'}`,
    ...(words.length === 0 ? [] : [`ReadWritePaths=${words.join(' ')}`]),
  ];
}
