/** What the commands of `service` are told: which units, for whom. */
import { resolve } from 'node:path';
import { Flags } from '@oclif/core';
import { SqlsyncError } from '../errors.js';
import { type ServiceOptions, SYSTEM_UNITS } from '../operations/service/service-host.js';

/** What systemd takes for an instance without escaping it, and we take for the name of a file. */
const INSTANCE = /^[a-zA-Z0-9][\w.-]{0,62}$/;

const instance = Flags.string({
  summary: 'Of several configurations: the instance NAME of the template sqlsync@.service.',
  helpValue: 'NAME',
  parse: async (text) => {
    if (INSTANCE.test(text)) return text;
    throw new SqlsyncError('usage', `"${text}" cannot name an instance`, { hint: 'Letters, digits, dots, _ and -' });
  },
});

/** Flags that say which units are meant. */
export const whichUnitsFlags = {
  instance,
  'unit-dir': Flags.string({
    summary: 'Folder of the units; another one is only written to, and systemd is not told.',
    helpValue: 'DIR',
    default: SYSTEM_UNITS,
    parse: async (path) => resolve(path),
  }),
};

/** Flags that say what is in them. */
export const unitContentFlags = {
  user: Flags.string({ summary: 'Run as this user, not as the owner of the databases.', helpValue: 'NAME' }),
  'dynamic-user': Flags.boolean({
    summary: 'Run as a user that systemd makes up, in the group of the databases.',
    exclusive: ['user'],
  }),
  timers: Flags.boolean({ summary: 'With timers for backup and prune, instead of schedules or cron.' }),
  program: Flags.string({
    summary: 'Command that the units run; this very program if left out.',
    helpValue: 'PATH',
    parse: async (path) => resolve(path),
  }),
};

interface ContentFlags {
  readonly user?: string | undefined;
  readonly 'dynamic-user': boolean;
  readonly timers: boolean;
  readonly program?: string | undefined;
  readonly instance?: string | undefined;
}

export function serviceOptions(flags: ContentFlags): ServiceOptions {
  return {
    user: flags.user ?? null,
    isDynamic: flags['dynamic-user'],
    instance: flags.instance ?? null,
    withTimers: flags.timers,
    program: flags.program ?? null,
  };
}
