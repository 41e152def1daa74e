/** The programs that have the file open: which SQLite each brings, and who of them is sqlsync. */

import { shellWord } from '../../shell-word.js';
import { type DatabaseFinding, found, listed } from './finding.js';
import type { FileHolder, SqliteBuild } from './host.js';

export interface ProgramFacts {
  readonly path: string;
  /** Those that have the file open, sqlsync's own left out. */
  readonly applications: readonly (FileHolder & { readonly builds: readonly SqliteBuild[] | null })[];
  /** Processes that could not be looked into; null: none could. */
  readonly hidden: number | null;
  /** The bug needs a write-ahead log. */
  readonly isWal: boolean;
  /** Of the `sqlite3` shell; null: there is none. */
  readonly shellVersion: string | null;
  readonly daemon: DaemonFacts;
}

export interface DaemonFacts {
  /** Is there anything to serve? */
  readonly isInstalled: boolean;
  /** The daemon that answers; null: none does. */
  readonly answeringPid: number | null;
  /** Who is on record as the holder of the file's lock, if that process has the lock's file open. */
  readonly lockHolderPid: number | null;
  /** Does the record name a control socket? Then it is a daemon, else a command at work. */
  readonly isLockOfDaemon: boolean;
}

/**
 * SQLite before 3.51.3 could lose a commit where two connections met over the reset of a write-ahead log; mended in the
 * branches 3.50 and 3.44 too (https://sqlite.org/wal.html#walresetbug).
 */
export function hasWalResetBug(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (major !== 3 || minor < 7) return false;
  if (minor === 44) return patch < 6;
  if (minor === 50) return patch < 7;
  return minor < 51 || (minor === 51 && patch < 3);
}

export function checkPrograms(facts: ProgramFacts): DatabaseFinding[] {
  return [...inBuilds(facts), ...inSight(facts), ...inShell(facts), ...inDaemon(facts)];
}

const UPGRADE = 'upgrade it to SQLite 3.51.3, 3.50.7 or 3.44.6, or a package whose changelog names the WAL-reset bug';

function inBuilds({ applications, isWal }: ProgramFacts): DatabaseFinding[] {
  return applications.flatMap(({ pid, program, builds }) => {
    const who = `process ${pid} (${program})`;
    const known = (builds ?? []).filter(({ version }) => version !== null);
    if (known.length === 0) {
      const where =
        builds === null
          ? 'it cannot be looked into'
          : builds.length === 0
            ? 'none was found in it'
            : `${listed(builds.map(({ file }) => file))} does not tell`;
      return [
        found(
          'sqlite-build-unknown',
          `which SQLite ${who} brings is not known: ${where}`,
          'it should be 3.51.3, 3.50.7, 3.44.6 or later: SELECT sqlite_version()',
        ),
      ];
    }
    return known.flatMap(({ file, version }) => {
      if (version === null || !isWal || !hasWalResetBug(version)) return [];
      const message = `${who} writes with SQLite ${version} (${file}): its WAL-reset bug can damage a file in WAL mode that two connections write`;
      return [found('sqlite-wal-reset', message, UPGRADE)];
    });
  });
}

function inSight({ path, applications, hidden }: ProgramFacts): DatabaseFinding[] {
  if (hidden === null) {
    return [
      found('applications-unknown', `which programs have ${path} open is not known: this system has no /proc`, null),
    ];
  }
  if (hidden > 0) {
    const message = `${hidden} processes are other users', or those of other containers: whether they have ${path} open is not known`;
    return [found('applications-unknown', message, `look as root: sudo sqlsync doctor ${shellWord(path)}`)];
  }
  if (applications.length > 0) return [];
  const message = `no application has ${path} open just now: which SQLite it brings, and as whom it runs, is not known`;
  return [found('applications-unknown', message, 'look again while the application runs')];
}

function inShell({ shellVersion, isWal }: ProgramFacts): DatabaseFinding[] {
  if (shellVersion === null || !isWal || !hasWalResetBug(shellVersion)) return [];
  const message = `the sqlite3 shell is ${shellVersion}, which has the WAL-reset bug: do not write with it while others do`;
  return [found('sqlite-shell-wal-reset', message, UPGRADE)];
}

function inDaemon({ path, daemon }: ProgramFacts): DatabaseFinding[] {
  const { isInstalled, answeringPid, lockHolderPid, isLockOfDaemon } = daemon;
  if (answeringPid !== null) return [];
  if (lockHolderPid === null) {
    if (!isInstalled) return [];
    return [found('daemon-down', `no daemon serves ${path}: changes are recorded, and wait`, 'sqlsync start')];
  }
  if (!isLockOfDaemon)
    return [found('lock-held', `a sqlsync command (process ${lockHolderPid}) is at work on ${path}`, 'wait for it')];
  const message = `process ${lockHolderPid} holds the lock of ${path}, and does not answer on its control socket`;
  return [found('daemon-silent', message, `see its log; if it hangs: kill ${lockHolderPid}, then sqlsync start`)];
}
