/** Flags that every command takes, and those that several share. Each has an environment name. */
import { Flags } from '@oclif/core';
import { parseDurationMs } from './duration.js';
import { SqlsyncError } from './errors.js';

/** A thousand years: beyond it, arithmetic on times is a mistake. */
const DURATION_MS_MAX = 1000 * 365 * 86_400_000;

/** A flag that takes a duration and gives milliseconds. */
export const durationFlag = Flags.custom<number>({
  helpValue: 'DURATION',
  parse: async (text) => {
    const durationMs = parseDurationMs(text);
    if (durationMs !== null && durationMs <= DURATION_MS_MAX) return durationMs;
    throw new SqlsyncError('usage', `"${text}" is no duration`, { hint: 'Write it like 30s, 15m or 7d.' });
  },
});

/** For commands that destroy something: see BaseCommand.confirm. */
export const yesFlag = Flags.boolean({ char: 'y', summary: 'Do it without asking.', env: 'SQLSYNC_YES' });

/** For commands that change a database. */
export const dryRunFlag = Flags.boolean({ summary: 'Say what would be done, and change nothing.' });

const helpGroup = 'GLOBAL';

export const globalFlags = {
  config: Flags.string({
    char: 'c',
    summary: 'Configuration file.',
    helpValue: 'FILE',
    helpGroup,
    env: 'SQLSYNC_CONFIG',
  }),
  database: Flags.string({
    char: 'd',
    summary: 'Database, by its name in the configuration or by its path.',
    helpValue: 'NAME',
    helpGroup,
    env: 'SQLSYNC_DATABASE',
  }),
  json: Flags.boolean({ summary: 'Print one JSON document.', helpGroup, env: 'SQLSYNC_JSON' }),
  quiet: Flags.boolean({ char: 'q', summary: 'Print results and errors only.', helpGroup, env: 'SQLSYNC_QUIET' }),
  verbose: Flags.boolean({ char: 'v', summary: 'Print details.', helpGroup, env: 'SQLSYNC_VERBOSE' }),
  timeout: durationFlag({ summary: 'Give up after this long.', helpGroup, env: 'SQLSYNC_TIMEOUT' }),
  'no-color': Flags.boolean({ summary: 'Print no colors.', helpGroup, env: 'SQLSYNC_NO_COLOR' }),
  'no-input': Flags.boolean({ summary: 'Never ask.', helpGroup, env: 'SQLSYNC_NO_INPUT' }),
};
