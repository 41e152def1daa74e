/**
 * `<database>.sqlsync/`, beside the file and open to its owner only: the lock of the process that serves the file, who
 * that is, streams that wait to be applied, snapshots on their way out, invitations, and the key by which the node is
 * known. All of it can be thrown away while no daemon runs, except a stage that is half applied, and the key of a node
 * that has no secret besides.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withDatabaseErrors } from './database-error.js';

const STAGE_PREFIX = 'stage-';
const SNAPSHOT_PREFIX = 'snapshot-';

export class SideDirectory {
  readonly path: string;

  private constructor(readonly databasePath: string) {
    this.path = sideDirectoryPath(databasePath);
  }

  /** The directory as it may be there; nothing is made. */
  static at(databasePath: string): SideDirectory {
    return new SideDirectory(databasePath);
  }

  /** Makes the directory if need be. `databasePath` is the file's real path, so that a symlink meets the same one. */
  static open(databasePath: string): SideDirectory {
    const directory = new SideDirectory(databasePath);
    withDatabaseErrors(directory.path, () => {
      mkdirSync(directory.path, { recursive: true, mode: 0o700 });
      // An umask cannot widen what mkdir gave, but the directory may have been there before.
      chmodSync(directory.path, 0o700);
    });
    return directory;
  }

  get lockPath(): string {
    return join(this.path, 'lock.db');
  }

  /** Who holds the lock: JSON, for people and for commands that look for the daemon. */
  get holderPath(): string {
    return join(this.path, 'daemon.json');
  }

  get controlSocketPath(): string {
    return join(this.path, 'control.sock');
  }

  /** Names of the peers that an operator has paused: JSON. */
  get pausedPath(): string {
    return join(this.path, 'paused.json');
  }

  /** Since when the daemon has been listening to others: JSON. */
  get presencePath(): string {
    return join(this.path, 'presence.json');
  }

  /** The key by which this node is known: JSON. */
  get memberKeyPath(): string {
    return join(this.path, 'member-key.json');
  }

  /** Invitations that have been made here, a file each. */
  get invitesPath(): string {
    return join(this.path, 'invites');
  }

  /** How the jobs of schedules went: JSON. */
  get jobsPath(): string {
    return join(this.path, 'jobs.json');
  }

  /** The backup that was made for an upgrade which is under way: JSON. */
  get upgradePath(): string {
    return join(this.path, 'upgrade.json');
  }

  stagePath(id: string): string {
    return join(this.path, `${STAGE_PREFIX}${id}`);
  }

  snapshotPath(id: string): string {
    return join(this.path, `${SNAPSHOT_PREFIX}${id}`);
  }

  /** Removes what a process that died left behind, but not the stage `keepStageId`, which is half applied. */
  removeLeftovers(keepStageId: string | null): void {
    const keep = keepStageId === null ? null : `${STAGE_PREFIX}${keepStageId}`;
    for (const name of readdirSync(this.path)) {
      if (name === keep) continue;
      if (name.startsWith(STAGE_PREFIX) || name.startsWith(SNAPSHOT_PREFIX))
        rmSync(join(this.path, name), { force: true });
    }
  }
}

export function sideDirectoryPath(databasePath: string): string {
  return `${databasePath}.sqlsync`;
}

/** Writes a small JSON file in one step: whoever reads it meets the old text or the new. */
export function writeJsonFile(path: string, value: unknown): void {
  const fresh = `${path}.${process.pid}.new`;
  writeFileSync(fresh, `${JSON.stringify(value)}\n`, { mode: 0o600 });
  renameSync(fresh, path);
}

/** The same for what a daemon can do without: a disk that is full ends none. */
export function tryToWriteJsonFile(path: string, value: unknown): void {
  try {
    writeJsonFile(path, value);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
  }
}

/** Reads a small JSON file; undefined when there is none or a process died over it. */
export function readJsonFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
