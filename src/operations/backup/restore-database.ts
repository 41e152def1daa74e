/**
 * Puts a backup in a file's place, once it has been proven whole. A file that is there is never lost: it gets a name of
 * its own beside the new one. What the new one is to be:
 *   rejoin    the node that was backed up, which goes on from there; what it lacks comes from the others
 *   rollback  the first member of a new data set; the others must join it anew
 *   copy      an ordinary file, with nothing of sqlsync in it
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { Config } from '../../config.js';
import { SqlsyncError } from '../../errors.js';
import { readNodeIdentity } from '../../replication/file-contents.js';
import type { FilePlace } from '../../replication/file-place.js';
import { enterOperation } from '../../replication/operation-record.js';
import { beginNewDataset, settleRejoining } from '../../replication/restored-file.js';
import { readRowsAside } from '../../replication/rows-aside.js';
import { uninstallCapture } from '../../replication/uninstall-capture.js';
import { upgradeFormat } from '../../replication/upgrade-format.js';
import { configuredDatabase } from '../configuration-target.js';
import type { FileLock } from '../database-files.js';
import type { Machine } from '../machine.js';
import { asidePathFor, placeDatabase } from '../place-database.js';
import { operationRecord } from '../record-operation.js';
import { readReplica } from '../replica-figures.js';
import type { BackupKey } from './backup-key.js';
import type { ManifestContents } from './backup-manifest.js';
import type { FoundBackup } from './open-store.js';
import { assertReplaceable, clearSpentJournals } from './replaced-file.js';
import { damagedBackup } from './store-errors.js';
import { unpackBackup } from './unpack-backup.js';
import { checkUnpacked } from './verify-backup.js';

export const RESTORE_PURPOSES = ['rejoin', 'rollback', 'copy'] as const;
export type RestorePurpose = (typeof RESTORE_PURPOSES)[number];

export interface RestoreRequest {
  readonly backup: FoundBackup;
  readonly key: BackupKey | null;
  readonly path: string;
  readonly as: RestorePurpose;
  /** Null: there is none. */
  readonly config: Config | null;
  /** Prove the backup and the place, and put nothing there. */
  readonly dryRun: boolean;
  /** As it was typed, for the record of operations. */
  readonly command: string;
  readonly onBytes: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

export interface RestoreReport {
  readonly path: string;
  readonly as: RestorePurpose;
  readonly backup: string;
  /** When the state was that is back now. */
  readonly at: string;
  readonly database: string;
  readonly node: string;
  /** The data set that the file belongs to from now on; null: to none. */
  readonly dataset: string | null;
  readonly rows: number;
  /** Where the file that was there is now; null: there was none. */
  readonly setAside: string | null;
  /**
   * Changes by table of the file that was there which are neither in the backup nor, as far as it knew, on another node.
   * Null: there was none, or it cannot tell.
   */
  readonly onlyInSetAside: Readonly<Record<string, number>> | null;
  /** Members of the old data set, who must join the new one. */
  readonly mustJoin: readonly string[];
  /** Row versions that were in no table of the application, and are not in a copy. */
  readonly leftOut: number;
  readonly restored: boolean;
  /** Is the file in the configuration, so that a daemon can serve it? */
  readonly configured: boolean;
  /** Can others come to this node, by its configuration? */
  readonly listens: boolean;
  readonly durationMs: number;
}

/** Will a file be replaced? Then whoever asks for it should be sure. */
export function isReplacing({ path }: Pick<RestoreRequest, 'path'>): boolean {
  return existsSync(resolve(path));
}

/**
 * Throws database-in-use, database-locked, journal-remains for the place; backup-missing, backup-damaged, backup-key and
 * what the store throws for the backup. Nothing has changed then.
 */
export async function restoreDatabase(request: RestoreRequest, machine: Machine): Promise<RestoreReport> {
  const startedMs = machine.now().getTime();
  const lock = machine.files.lock(resolve(request.path));
  try {
    assertReplaceable(lock.path, machine.files);
    const { backup, key, onBytes, signal } = request;
    const manifest = await unpackBackup({ ...backup, key, path: lock.draftPath, onBytes, signal });
    const draft = await prepareDraft(lock, manifest, request, machine);
    const onlyInSetAside = draft.setAside === null ? null : unsentBeyond(lock.path, manifest.vector, machine);
    if (request.dryRun) lock.abandon();
    else putInPlace(lock, draft, machine);
    if (!request.dryRun && request.as === 'copy') lock.removeFolder();
    else if (!request.dryRun) lock.release();
    return {
      path: lock.path,
      as: request.as,
      backup: backup.store.pathOf(backup.name),
      at: manifest.at,
      database: manifest.database,
      node: manifest.node,
      rows: manifest.rowsTotal,
      ...draft,
      onlyInSetAside,
      restored: !request.dryRun,
      configured: isConfigured(lock.path, request.config),
      listens: request.config !== null && request.config.listen !== null,
      durationMs: machine.now().getTime() - startedMs,
    };
  } catch (error) {
    lock.abandon();
    throw error;
  }
}

/** As seen from the member that has heard the most of it. */
function unsentBeyond(path: string, kept: ManifestContents['vector'], machine: Machine) {
  const read = (db: Database): Record<string, number> | null => {
    if (readNodeIdentity(db) === null) return null;
    const replica = readReplica(db, machine);
    const others = replica.memberNames.filter((name) => name !== replica.node);
    const counts = others.map((name) => replica.unsentChanges(name, kept));
    return counts.sort((x, y) => totalOf(x) - totalOf(y))[0] ?? null;
  };
  try {
    return machine.files.withSnapshot(path, read);
  } catch (error) {
    // A file that is damaged is what a backup is for.
    if (error instanceof SqlsyncError) return null;
    throw error;
  }
}

function totalOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function isConfigured(path: string, config: Config | null): boolean {
  return config !== null && configuredDatabase({ file: config.file, existing: config }, path) !== null;
}

type Draft = Pick<RestoreReport, 'dataset' | 'setAside' | 'mustJoin' | 'leftOut'>;

async function prepareDraft(
  lock: FileLock,
  manifest: ManifestContents,
  request: RestoreRequest,
  machine: Machine,
): Promise<Draft> {
  const { files } = machine;
  const { problems } = await checkUnpacked(lock.draftPath, manifest, machine, request.signal);
  if (problems.length > 0) {
    const path = request.backup.store.pathOf(request.backup.name);
    throw damagedBackup(path, `does not hold what it should: ${problems.join('; ')}`);
  }
  if (request.as === 'rollback' && manifest.catchingUp) throw halfApplied(request);
  const setAside = existsSync(lock.path) ? asidePathFor(lock.path, machine.now(), 'restore') : null;
  if (request.as === 'copy') {
    const leftOut = files.withConnection(lock.draftPath, takeOut);
    return { dataset: null, setAside, mustJoin: [], leftOut };
  }
  const place = { path: lock.path, file: files.fileIdentity(lock.draftPath) };
  const becoming = { manifest, setAside, place };
  return files.withConnection(lock.draftPath, (db) =>
    db.transaction(() => becomeNode(db, becoming, request, machine)).immediate(),
  );
}

function becomeNode(
  db: Database,
  { manifest, setAside, place }: { manifest: ManifestContents; setAside: string | null; place: FilePlace },
  { as, backup, command }: RestoreRequest,
  machine: Machine,
): Draft {
  const nowMs = machine.now().getTime();
  // The backup itself stays as it is.
  upgradeFormat(db, 'the backup');
  const dataset = as === 'rejoin' ? manifest.dataset : machine.random.hex(16);
  let mustJoin: string[] = [];
  if (as === 'rejoin') settleRejoining(db, place);
  else mustJoin = beginNewDataset(db, { dataset, nodeId: machine.random.hex(16), place, nowMs });
  const detail = { as, backup: backup.name, at: manifest.at, before: manifest.dataset, setAside, mustJoin };
  enterOperation(db, operationRecord(manifest.node, { command, detail }, machine), nowMs);
  return { dataset, setAside, mustJoin, leftOut: 0 };
}

/** Returns how many row versions are in no table of the application, and so in no copy. */
function takeOut(db: Database): number {
  const { tables } = readRowsAside(db);
  uninstallCapture(db);
  return tables.reduce((sum, { waiting }) => sum + waiting, 0);
}

function putInPlace(lock: FileLock, { setAside }: Draft, { files }: Machine): void {
  // Somebody may have opened the file meanwhile.
  assertReplaceable(lock.path, files);
  clearSpentJournals(lock.path);
  placeDatabase(lock.draftPath, lock.path, setAside);
}

function halfApplied({ backup }: RestoreRequest): SqlsyncError {
  const path = backup.store.pathOf(backup.name);
  return new SqlsyncError(
    'changes-aside',
    `${path} was made in the middle of a large catch-up: rows of it are in no table`,
    {
      hint: 'take another backup, or --as rejoin: a member brings the rest',
    },
  );
}
