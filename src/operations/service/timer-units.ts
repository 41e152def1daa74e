/**
 * Timers for backup and prune, for those who want them in `systemctl list-timers` and not in the daemon: an alternative
 * to the configuration's schedules and to cron. A run that was missed while the machine was off is made up for.
 */
import { CLOSED } from './sandbox.js';
import type { ServiceConfig, ServicePlan } from './service-host.js';
import { commandWord, unitFile } from './unit-file.js';

interface Errand {
  readonly name: string;
  readonly what: string;
  /** As systemd.time(7) has it. */
  readonly onCalendar: string;
  /** Is it done to one database at a time? */
  readonly isForEach: boolean;
  /** The configuration's own schedule for the same. */
  readonly schedule: (config: ServiceConfig) => string | null;
}

const ERRANDS: readonly Errand[] = [
  {
    name: 'backup',
    what: 'backup of the databases',
    onCalendar: '*-*-* 03:00:00',
    isForEach: true,
    schedule: ({ backup }) => backup?.schedule ?? null,
  },
  {
    name: 'prune',
    what: 'removal of history that nobody needs',
    onCalendar: '*-*-* 03:30:00',
    isForEach: false,
    schedule: ({ prune }) => prune.schedule,
  },
];

const prefixOf = (instance: string | null) => (instance === null ? 'sqlsync' : `sqlsync-${instance}`);

export function timerNames(instance: string | null): string[] {
  return ERRANDS.map(({ name }) => `${prefixOf(instance)}-${name}.timer`);
}

/** @param like what the errands have in common with the daemon: user, places, and the command */
export function planTimers(
  config: ServiceConfig,
  instance: string | null,
  like: { readonly lines: readonly string[]; readonly command: string },
): ServicePlan {
  const exec = (name: string) => (flag: string) => `ExecStart=${like.command} ${name}${flag} --quiet --no-input`;
  const errands = ERRANDS.filter(({ name }) => name !== 'backup' || config.backup !== null);
  const prefix = prefixOf(instance);
  const lines = like.lines.filter((line) => !line.startsWith('Timeout'));
  const units = errands.flatMap(({ name, what, onCalendar, isForEach }) => [
    unitFile(`${prefix}-${name}.service`, {
      Unit: [`Description=sqlsync, ${what} (node ${config.node})`, 'After=time-sync.target'],
      Service: ['Type=oneshot', ...namedIn(isForEach ? config.databases : []).map(exec(name)), ...lines, ...CLOSED],
    }),
    unitFile(`${prefix}-${name}.timer`, {
      Unit: [`Description=sqlsync, ${what} (node ${config.node})`],
      Timer: [`OnCalendar=${onCalendar}`, 'RandomizedDelaySec=10min', 'Persistent=yes'],
      Install: ['WantedBy=timers.target'],
    }),
  ]);
  return {
    units,
    enabled: errands.map(({ name }) => `${prefix}-${name}.timer`),
    warnings: [
      ...(config.backup === null ? ['no timer for backups: the configuration has no `backup` section'] : []),
      ...errands
        .filter(({ schedule }) => schedule(config) !== null)
        .map(
          ({ name }) => `the daemon does it by itself too, unless the configuration says ${name}: { schedule: null }`,
        ),
    ],
  };
}

/** Flags that name each; where there is only one, it need not be named. */
function namedIn(databases: ServiceConfig['databases']): string[] {
  return databases.length > 1 ? databases.map(({ name }) => ` --database ${commandWord(name)}`) : [''];
}
