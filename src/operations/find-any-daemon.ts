/** One daemon serves all databases of a configuration: the first that answers for any of them is it. */
import type { DatabaseConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import type { DatabaseFiles } from './database-files.js';
import type { FindDaemon, RunningDaemon } from './running-daemon.js';

export interface FindAnyDaemonDeps {
  readonly files: Pick<DatabaseFiles, 'locate'>;
  readonly findDaemon: FindDaemon;
}

/** Null: none runs. A file that is not to be had has none; that is for others to tell. */
export async function findAnyDaemon(
  databases: readonly DatabaseConfig[],
  { files, findDaemon }: FindAnyDaemonDeps,
): Promise<RunningDaemon | null> {
  for (const { path } of databases) {
    const real = locateOrNull(path, files);
    const daemon = real === null ? null : await findDaemon(real);
    if (daemon !== null) return daemon;
  }
  return null;
}

function locateOrNull(path: string, files: FindAnyDaemonDeps['files']): string | null {
  try {
    return files.locate(path);
  } catch (error) {
    if (error instanceof SqlsyncError) return null;
    throw error;
  }
}

/** Does a daemon serve this database? Then what is written to it is shipped at once. */
export async function isServed(database: DatabaseConfig, deps: FindAnyDaemonDeps): Promise<boolean> {
  return (await findAnyDaemon([database], deps)) !== null;
}
