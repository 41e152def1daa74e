/** Where the configuration is looked for when nobody names it. */
import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Environment } from './config-document.js';
import { SqlsyncError } from './errors.js';
import { shellWord } from './shell-word.js';

export const CONFIG_NAME = 'sqlsync.yml';

export interface SearchOptions {
  /** The file that --config or SQLSYNC_CONFIG names: then no other is looked for. */
  readonly file?: string | undefined;
  readonly cwd?: string;
  readonly env?: Environment;
  readonly uid?: number | undefined;
}

/** The absolute path of the configuration file. It exists and can be read. */
export function findConfigFile(options: SearchOptions = {}): string {
  const { cwd = process.cwd(), env = process.env, uid = process.getuid?.() } = options;
  const named = options.file ?? (env.SQLSYNC_CONFIG || undefined);
  if (named !== undefined) return assertReadable(resolve(cwd, named));

  const here = join(cwd, CONFIG_NAME);
  const foreign = ownerOf(here);
  // Whoever can write to a shared folder could otherwise have us run with a configuration of theirs.
  const isOurs = foreign === uid || foreign === 0 || uid === undefined;
  if (foreign !== null && isOurs) return assertReadable(here);

  const places = [
    join(env.XDG_CONFIG_HOME || join(env.HOME ?? homedir(), '.config'), 'sqlsync', CONFIG_NAME),
    join('/etc/sqlsync', CONFIG_NAME),
  ];
  const found = places.find((place) => ownerOf(place) !== null);
  if (found) return assertReadable(found);

  if (foreign !== null) {
    throw new SqlsyncError('config-missing', `${here} belongs to another user and was not taken`, {
      hint: `If you trust it, name it: --config ${here}`,
    });
  }
  throw new SqlsyncError('config-missing', `no configuration in ${[here, ...places].join(', ')}`, {
    hint: '`sqlsync init DB` writes one; --config names one elsewhere.',
  });
}

/** The user a file belongs to; null: there is none, as far as this user may look (a HOME can be another user's). */
function ownerOf(path: string): number | null {
  try {
    return statSync(path, { throwIfNoEntry: false })?.uid ?? null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return null;
    throw error;
  }
}

function assertReadable(path: string): string {
  try {
    accessSync(path, constants.R_OK);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const message = missing ? `there is no configuration file ${path}` : `${path} cannot be read`;
    const hint = missing ? '`sqlsync init DB` writes one.' : 'Check its permissions and those of its folder.';
    throw new SqlsyncError('config-missing', message, { hint, cause });
  }
  if (!statSync(path).isDirectory()) return path;
  throw new SqlsyncError('config-missing', `${path} is a folder, and no configuration file`, {
    hint: `Name the file: --config ${shellWord(join(path, CONFIG_NAME))}`,
  });
}
