/**
 * The units that run a configuration's daemon: `sqlsync.service`; or the template `sqlsync@.service` with a drop-in for
 * an instance, where a machine has several configurations. What only the configuration knows (who owns the databases
 * and where they lie, how long a start and a stop can take) is written out, so `service install` again takes up changes.
 */
import { dirname } from 'node:path';
import { EXIT, SqlsyncError } from '../../errors.js';
import { CLOSED, placeLines, type RunAs, runAsLines } from './sandbox.js';
import type { ServiceConfig, ServiceHost, ServiceOptions, ServicePlan } from './service-host.js';
import { planTimers, timerNames } from './timer-units.js';
import { commandWord, literal, type Unit, unitFile, unitWord } from './unit-file.js';

/** Longer than any piece of work keeps the event loop of the daemon busy. */
const WATCHDOG_SECONDS = 90;
/** For what comes before and after the waits that the configuration allows. */
const MARGIN_SECONDS = 60;

/** No restart mends these: usage, bad data, a refusal, the configuration. */
const HOPELESS_EXITS = [EXIT.usage, EXIT.data, EXIT.refused, EXIT.configuration];

export const TEMPLATE = 'sqlsync@.service';

/** Every file that an installation may consist of, and what of it may be enabled. */
export function serviceNames(instance: string | null): { readonly files: string[]; readonly enabled: string[] } {
  const daemon = daemonName(instance);
  const timers = timerNames(instance);
  const files = instance === null ? [daemon] : [TEMPLATE, `${daemon}.d/sqlsync.conf`];
  return {
    files: [...files, ...timers.flatMap((timer) => [timer.replace(/timer$/, 'service'), timer])],
    enabled: [daemon, ...timers],
  };
}

function daemonName(instance: string | null): string {
  return instance === null ? 'sqlsync.service' : `sqlsync@${instance}.service`;
}

export function planTemplate(options: ServiceOptions, host: ServiceHost): Unit {
  return unitFile(TEMPLATE, {
    Unit: head('node %i'),
    Service: [
      ...daemonLines(options, host),
      'Environment=SQLSYNC_CONFIG=/etc/sqlsync/%i.yml',
      'DynamicUser=yes',
      ...CLOSED,
      'ProtectHome=yes',
      'PrivateTmp=yes',
    ],
    Install: ['WantedBy=multi-user.target'],
  });
}

/** Throws `usage` where it is not clear who is to run the daemon. */
export function planService(config: ServiceConfig, options: ServiceOptions, host: ServiceHost): ServicePlan {
  const { instance } = options;
  const own = instanceLines(config, options, host);
  const daemon = daemonName(instance);
  const units =
    instance === null
      ? [
          unitFile(daemon, {
            Unit: head(`node ${config.node}`),
            Service: [...daemonLines(options, host), ...own, ...CLOSED],
            Install: ['WantedBy=multi-user.target'],
          }),
        ]
      : [planTemplate(options, host), unitFile(`${daemon}.d/sqlsync.conf`, { Service: own })];
  const timers = options.withTimers
    ? planTimers(config, instance, { lines: own, command: commandOf(options, host) })
    : null;
  return {
    units: [...units, ...(timers?.units ?? [])],
    enabled: [daemon, ...(timers?.enabled ?? [])],
    warnings: [...warningsOf(config, options, host), ...(timers?.warnings ?? [])],
  };
}

function head(whose: string): string[] {
  return [
    `Description=sqlsync, replication of SQLite files (${whose})`,
    'Wants=network-online.target',
    'After=network-online.target time-sync.target',
  ];
}

function daemonLines(options: ServiceOptions, host: ServiceHost): string[] {
  return [
    'Type=notify',
    'NotifyAccess=all',
    `ExecStart=${commandOf(options, host)} start`,
    'ExecReload=/bin/kill -HUP $MAINPID',
    `WatchdogSec=${WATCHDOG_SECONDS}`,
    'Restart=on-failure',
    'RestartSec=5',
    `RestartPreventExitStatus=${HOPELESS_EXITS.join(' ')}`,
    'KillMode=mixed',
  ];
}

function commandOf({ program }: ServiceOptions, host: ServiceHost): string {
  return (program === null ? host.program : [program]).map(commandWord).join(' ');
}

/** What differs from one configuration to the next. */
function instanceLines(config: ServiceConfig, options: ServiceOptions, host: ServiceHost): string[] {
  const { file, databases, limits, secretFile } = config;
  const runAs = runAsOf(config, options, host);
  const startSeconds = Math.ceil((databases.length * limits.lockWaitMsMax) / 1000) + MARGIN_SECONDS;
  const credential =
    'dynamic' in runAs && secretFile !== null
      ? [`LoadCredential=secret:${literal(host.realPath(secretFile))}`, 'Environment=SQLSYNC_SECRET_FILE=%d/secret']
      : [];
  return [
    `Environment=${unitWord(`SQLSYNC_CONFIG=${file}`)}`,
    `TimeoutStartSec=${startSeconds}`,
    `TimeoutStopSec=${limits.drainSecondsMax + MARGIN_SECONDS}`,
    ...runAsLines(runAs),
    ...credential,
    ...placeLines({
      written: foldersOf(config, host),
      writtenIfThere: backupFolder(config).map(host.realPath),
      read: [file, host.realPath(file), ...host.program, ...host.program.map(host.realPath)],
    }),
  ];
}

function foldersOf({ databases }: ServiceConfig, host: ServiceHost): string[] {
  return [...new Set(databases.map(({ path }) => dirname(host.realPath(path))))];
}

/** None where backups go to another machine. */
function backupFolder({ backup }: ServiceConfig): string[] {
  return backup === null || /^[a-z0-9+]+:\/\//.test(backup.to) ? [] : [backup.to];
}

function runAsOf({ databases }: ServiceConfig, { user, isDynamic }: ServiceOptions, host: ServiceHost): RunAs {
  const owners = databases.map(({ path }) => host.ownerOf(path)).filter((owner) => owner !== null);
  if (isDynamic) return { dynamic: true, groups: [...new Set(owners.map(({ gid }) => host.groupName(gid)))] };
  if (user !== null) return { user, group: null };
  const uids = [...new Set(owners.map(({ uid }) => uid))];
  const gids = [...new Set(owners.map(({ gid }) => gid))];
  const [uid] = uids;
  if (uid === undefined || uids.length > 1) {
    const found = uids.length === 0 ? 'there is no database to tell' : uids.map(host.userName).join(', ');
    throw new SqlsyncError('usage', `which user is to run the daemon? ${found}`, {
      hint: 'Name one that may write all databases and their folders: --user NAME',
    });
  }
  const [gid] = gids;
  return { user: host.userName(uid), group: gid === undefined || gids.length > 1 ? null : host.groupName(gid) };
}

function warningsOf(config: ServiceConfig, options: ServiceOptions, host: ServiceHost): string[] {
  const missing = backupFolder(config).filter((folder) => host.ownerOf(folder) === null);
  const key = config.tls?.key ?? null;
  return [
    ...missing.map((folder) => `make the folder of the backups, since the unit cannot: ${folder}`),
    ...(options.isDynamic
      ? ['databases and their folders must be writable for their group, which the daemon is in']
      : []),
    ...(options.isDynamic && key !== null ? [`the group must be able to read ${key}`] : []),
    ...(options.isDynamic
      ? ['a secret is exchanged by a restart, since systemd hands it in when the daemon starts']
      : []),
  ];
}
