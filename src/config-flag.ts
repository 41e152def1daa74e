/** Commands that are printed for an operator to type must meet the configuration that they are about. */
import { findConfigFile, type SearchOptions } from './config-search.js';
import { SqlsyncError } from './errors.js';
import { shellWord } from './shell-word.js';

/** ` -c FILE`, or nothing when that file is the one that is found without it. */
export function configFlag(file: string, search: Omit<SearchOptions, 'file'> = {}): string {
  return foundWithout(search) === file ? '' : ` -c ${shellWord(file)}`;
}

function foundWithout(search: SearchOptions): string | null {
  try {
    return findConfigFile(search);
  } catch (error) {
    if (error instanceof SqlsyncError) return null;
    throw error;
  }
}

/** Commands that are about one database, and ask which where the configuration has several. */
const OF_ONE_DATABASE = [
  'backup',
  'changes',
  'conflicts',
  'invite',
  'members',
  'operations',
  'quarantine',
  'rejoin',
  'repair',
  'rules',
  'verify',
];

/** The flag added to the commands in a hint: those in backquotes, or the hint as a whole. */
export function withConfigFlag(hint: string, flag: string): string {
  return completeCommands(hint, (command) => command + flag);
}

/** ` -d NAME` added to those commands in a hint that need it where several databases are configured. */
export function withDatabaseFlag(hint: string, database: string): string {
  return completeCommands(hint, (command) => {
    const [, verb = ''] = command.split(' ');
    const isComplete = !OF_ONE_DATABASE.includes(verb) || / (-d|--database) /.test(command);
    return isComplete ? command : `${command} -d ${shellWord(database)}`;
  });
}

function completeCommands(hint: string, complete: (command: string) => string): string {
  if (/^sqlsync [^;,:\n]+$/.test(hint)) return complete(hint);
  return hint.replaceAll(/`(sqlsync [^`]+)`/g, (_, command: string) => `\`${complete(command)}\``);
}
