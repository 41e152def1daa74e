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

/** The flag added to the commands in a hint: those in backquotes, or the hint as a whole. */
export function withConfigFlag(hint: string, flag: string): string {
  if (/^sqlsync [^;,:\n]+$/.test(hint)) return hint + flag;
  return hint.replaceAll(/`(sqlsync [^`]+)`/g, (_, command) => `\`${command}${flag}\``);
}
