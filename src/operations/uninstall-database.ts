/**
 * Takes sqlsync out of a file: every trigger and table of ours, the folder beside it, and its entry in the configuration.
 * The file must not be served meanwhile. What no other node has yet stays in the application's tables; it only does not
 * travel any more, so that is refused unless it is forced. So are rows that are in no table of the application yet: those
 * that are parked for the time of a catch-up go back into theirs where they fit, and all others are lost here.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../config.js';
import { removeDatabaseFromFile } from '../config-edit.js';
import { SqlsyncError } from '../errors.js';
import { renderCount } from '../render-figures.js';
import { type NodeIdentity, readNodeIdentity } from '../replication/file-contents.js';
import { putParkedBack, type RowsAside, readRowsAside } from '../replication/rows-aside.js';
import { uninstallCapture } from '../replication/uninstall-capture.js';
import { configuredDatabase } from './configuration-target.js';
import type { Machine } from './machine.js';
import { readReplicaStatus } from './replica-figures.js';

export interface UninstallTarget {
  readonly path: string;
  /** Its name in the configuration; null: it is in none. */
  readonly database: string | null;
  /** Null: sqlsync is not installed in it. */
  readonly identity: NodeIdentity | null;
  /** Local changes that some member has not acknowledged. */
  readonly pendingChanges: number;
  /** Is a catch-up half applied? */
  readonly catchingUp: boolean;
  /** Tables of which row versions exist only in sqlsync's own: how many go back into their table, how many are lost. */
  readonly aside: readonly { readonly table: string; readonly placed: number; readonly lost: number }[];
}

export interface UninstallReport extends UninstallTarget {
  readonly uninstalled: boolean;
  /** The configuration that the database was taken out of; null: it was in none. */
  readonly configFile: string | null;
}

/**
 * What an uninstall is about to remove. Throws database-not-initialised when there is nothing of ours, and unless it is
 * forced unsent-changes when something would be left behind, changes-aside when something would be lost.
 * @param nameOrPath a configured database's name, or a path
 */
export function planUninstall(
  nameOrPath: string,
  force: boolean,
  config: Config | null,
  machine: Machine,
): UninstallTarget {
  const named = config?.databases.find(({ name }) => name === nameOrPath && !existsSync(nameOrPath));
  const path = named?.path ?? resolve(nameOrPath);
  const database = config && (configuredDatabase({ file: config.file, existing: config }, path)?.name ?? null);
  const found = machine.files.withSnapshot(path, (db) => {
    const identity = readNodeIdentity(db);
    if (identity === null) return { identity, pendingChanges: 0, catchingUp: false, aside: [] };
    const { isCatchingUp: catchingUp, tables } = readRowsAside(db);
    const placed = force && tables.some(({ parked }) => parked > 0) ? putParkedBack(db) : new Map();
    const aside = tables.map(({ table, parked, waiting }) => {
      const back: number = placed.get(table) ?? 0;
      return { table, placed: back, lost: parked + waiting - back };
    });
    if (!force) assertNothingAside(path, { isCatchingUp: catchingUp, tables });
    // A file of a newer format cannot be asked; whoever forces it does not ask.
    const pendingChanges = force ? 0 : readReplicaStatus(db, machine).pendingChanges;
    return { identity, pendingChanges, catchingUp, aside };
  });
  if (found.identity === null && database === null) {
    throw new SqlsyncError('database-not-initialised', `sqlsync is not installed in ${path}`, {
      hint: 'There is nothing to remove.',
    });
  }
  if (found.pendingChanges > 0) {
    const count = renderCount(found.pendingChanges, 'change');
    throw new SqlsyncError('unsent-changes', `${path} has ${count} that some other node lacks`, {
      hint: '`sqlsync sync` first; --force leaves them in this file only.',
    });
  }
  return { path, database, ...found };
}

function assertNothingAside(path: string, { isCatchingUp, tables }: RowsAside): void {
  if (tables.length === 0 && !isCatchingUp) return;
  const counts = tables.map(({ table, parked, waiting }) => `${table} ${parked + waiting}`);
  const rows = counts.length === 0 ? '' : `rows that are in no table of the application yet: ${counts.join(', ')}`;
  if (isCatchingUp) {
    const parked = rows === '' ? '' : `; ${rows}`;
    throw new SqlsyncError('changes-aside', `${path} is in the middle of a large catch-up${parked}`, {
      hint: '`sqlsync start` and wait until it is whole. --force puts such rows back where they fit; --dry-run with it says what is lost.',
    });
  }
  throw new SqlsyncError('changes-aside', `${path} keeps ${rows}`, {
    hint: 'See `sqlsync status` for what they wait for; --force loses them here, --dry-run with it says how many.',
  });
}

/** Throws database-in-use while a daemon serves the file. */
export function uninstallDatabase(target: UninstallTarget, config: Config | null, machine: Machine): UninstallReport {
  const { path, database, identity } = target;
  const lock = machine.files.lock(path);
  try {
    if (identity !== null) machine.files.withConnection(path, uninstallCapture);
  } catch (error) {
    lock.release();
    throw error;
  }
  lock.removeFolder();
  const configFile = database === null || config === null ? null : config.file;
  if (configFile !== null && database !== null) removeDatabaseFromFile(configFile, database, machine.env);
  return { ...target, uninstalled: true, configFile };
}
