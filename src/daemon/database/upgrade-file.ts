/**
 * Before a daemon serves a file of an older format: backs it up as it is, and upgrades it. A backup that fails leaves
 * the file as it was, and keeps the daemon from starting. The caller holds the file's lock; applications go on writing,
 * and what they write after the backup is in the upgraded file alone.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import Sqlite, { type Database } from 'better-sqlite3';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Config } from '../../config.js';
import type { DatabaseConfig } from '../../config-schema.js';
import { SqlsyncError } from '../../errors.js';
import { readBackupKey } from '../../operations/backup/backup-key.js';
import { manifestNameOf } from '../../operations/backup/backup-name.js';
import type { BackupStore } from '../../operations/backup/backup-store.js';
import { openStore } from '../../operations/backup/open-store.js';
import { lastLogEntry, type NodeIdentity, readNodeIdentity } from '../../replication/file-contents.js';
import { isOtherPlace, readPlace } from '../../replication/file-place.js';
import { FORMAT_VERSION } from '../../replication/metadata-schema.js';
import { enterOperation } from '../../replication/operation-record.js';
import { assertPrivateSchemaWorks } from '../../replication/private-schema.js';
import { upgradeFormat } from '../../replication/upgrade-format.js';
import { packCopy, removeCopy } from '../backup/pack-copy.js';
import { fileIdentity } from '../file/file-identity.js';
import { JobHistory } from '../file/job-history.js';
import { OnlineCopy } from '../file/online-copy.js';
import { BUSY_TIMEOUT_MS } from '../file/open-database.js';
import { type RetryOptions, retryWhileLocked } from '../file/retry-while-locked.js';
import { readJsonFile, type SideDirectory, tryToWriteJsonFile } from '../file/side-directory.js';
import { operatorName } from '../host/operator-name.js';
import { identityUnknown } from './service-errors.js';

export interface UpgradeFileOptions {
  readonly database: DatabaseConfig;
  /** This node's name in the configuration: a file of another's is not touched. */
  readonly node: string;
  /** Null: none is configured, and the backup goes into a folder beside the file. */
  readonly backup: Pick<NonNullable<Config['backup']>, 'to' | 'keyFile'> | null;
  readonly logger: Logger;
  /** How long an application's lock is waited for, and what ends that. */
  readonly waiting: RetryOptions;
}

/** A backup that was made for an upgrade which has not come to its end: kept beside the file. */
const madeSchema = z.object({
  place: z.string(),
  name: z.string(),
  path: z.string(),
  format: z.number(),
  /** The file's newest log entry, when it was made. */
  lastHlc: z.number(),
});
type MadeBackup = z.infer<typeof madeSchema>;

const COPY_ID = 'upgrade';

/** Does nothing to a file of this version's format, or of a newer one. Throws what keeps it from being upgraded. */
export async function upgradeFile(side: SideDirectory, options: UpgradeFileOptions): Promise<void> {
  const { logger, waiting, database } = options;
  const found = await retryWhileLocked(() => look(side, options), waiting);
  if (found !== null) {
    assertPrivateSchemaWorks();
    logger.info({ database: database.name }, `backs ${side.databasePath} up before it is upgraded`);
    const made = await backUpFirst(side, found, options);
    await upgrade(side, made, found, options);
  }
  rmSync(side.upgradePath, { force: true });
}

interface Found {
  readonly identity: NodeIdentity;
  readonly lastHlc: number;
}

/** Waits for locks no longer than a daemon's connections do: whoever needs more tries again. */
function withConnection<Result>(path: string, work: (db: Database) => Result): Result {
  const db = new Sqlite(path, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  try {
    return work(db);
  } finally {
    db.close();
  }
}

/** Null: there is nothing to upgrade, or whoever opens the file next says why not. */
function look(side: SideDirectory, { database, node }: UpgradeFileOptions): Found | null {
  const path = side.databasePath;
  return withConnection(path, (db) => {
    const identity = readNodeIdentity(db);
    if (identity === null || identity.formatVersion >= FORMAT_VERSION) return null;
    if (identity.node !== node) throw otherNode(path, identity.node, node);
    const place = readPlace(db);
    const isCopy = isOtherPlace(place, { path, file: fileIdentity(path) ?? '' });
    if (database.identity === 'ask' && isCopy) throw identityUnknown({ node, place }, path);
    return { identity, lastHlc: lastLogEntry(db) };
  });
}

async function backUpFirst(side: SideDirectory, found: Found, options: UpgradeFileOptions): Promise<MadeBackup> {
  try {
    const place = options.backup?.to ?? `${side.databasePath}.before-upgrade`;
    const store = openStore(place, process.env);
    const before = await standing(side, place, store);
    const { formatVersion: format } = found.identity;
    if (before !== null && before.format === format && before.lastHlc === found.lastHlc) return before;
    const made = await backUp(side, store, found, options);
    tryToWriteJsonFile(side.upgradePath, { place, format, lastHlc: found.lastHlc, ...made });
    // One of an upgrade that was cut short, before an application wrote once more: one is enough.
    if (before !== null) for (const name of [before.name, manifestNameOf(before.name)]) await store.remove(name);
    return { place, format, lastHlc: found.lastHlc, ...made };
  } catch (error) {
    throw error instanceof SqlsyncError && error !== options.waiting.signal.reason
      ? notBackedUp(side.databasePath, error)
      : error;
  }
}

/** The backup that an earlier run has made for the same upgrade; null: there is none, or it is gone. */
async function standing(side: SideDirectory, place: string, store: BackupStore): Promise<MadeBackup | null> {
  const made = madeSchema.safeParse(readJsonFile(side.upgradePath));
  if (!made.success || made.data.place !== place) return null;
  const names = (await store.list()).map(({ name }) => name);
  return [made.data.name, manifestNameOf(made.data.name)].every((name) => names.includes(name)) ? made.data : null;
}

async function backUp(
  side: SideDirectory,
  store: BackupStore,
  { identity }: Found,
  { database, backup, waiting }: UpgradeFileOptions,
): Promise<Pick<MadeBackup, 'name' | 'path'>> {
  const key = backup?.keyFile == null ? null : readBackupKey(backup.keyFile);
  const copyPath = side.snapshotPath(COPY_ID);
  const startedAt = new Date().toISOString();
  await removeCopy(copyPath);
  await store.removeLeftovers({ database: database.name, node: identity.node });
  const copy = () => copyAsItIs(side.databasePath, copyPath, waiting);
  const { signal } = waiting;
  const { name, path } = await packCopy({ database: database.name, copyPath, copy, store, key, onProgress, signal });
  const run = { startedAt, endedAt: new Date().toISOString(), result: 'done', message: null } as const;
  new JobHistory(side).addRun('backup', run);
  return { name, path };
}

/** Nobody waits for its progress. */
const onProgress = () => {};

/** With what is not folded yet: nobody can fold a file of an older format any more. */
async function copyAsItIs(path: string, copyPath: string, waiting: RetryOptions): Promise<{ at: Date; bytes: number }> {
  const source = await retryWhileLocked(() => OnlineCopy.open(path, copyPath), waiting);
  try {
    await source.checkSpace('free some space on the disk of the database');
    const at = new Date();
    const onStep = () => waiting.signal.throwIfAborted();
    await source.run({ onStep, lockWaitMsMax: waiting.waitMsMax });
    return { at, bytes: source.bytes };
  } finally {
    source.close();
  }
}

async function upgrade(
  side: SideDirectory,
  { path: backup }: MadeBackup,
  { identity: { node } }: Found,
  { database, logger, waiting }: UpgradeFileOptions,
): Promise<void> {
  const path = side.databasePath;
  const record = { id: randomBytes(16).toString('hex'), node, operator: operatorName(), command: 'sqlsync start' };
  const attempt = (db: Database) =>
    upgradeFormat(db, path, (format) => {
      const detail = { upgraded: { from: format, to: FORMAT_VERSION }, backup };
      enterOperation(db, { ...record, detail, result: 'done' }, Date.now());
    });
  const from = await retryWhileLocked(() => withConnection(path, attempt), waiting);
  logger.warn(
    { database: database.name, backup },
    `${path} is upgraded from format ${from} to ${FORMAT_VERSION}; as it was before it is in ${backup}`,
  );
}

function notBackedUp(path: string, { code, message, hint }: SqlsyncError): SqlsyncError {
  return new SqlsyncError(code, `${path} is not upgraded, since it cannot be backed up before: ${message}`, {
    hint: `${hint === null ? '' : `${hint}; `}the file is as it was. Backups go where backup.to in sqlsync.yml says. Then \`sqlsync start\` again`,
  });
}

/** A file that is not the configured node's. */
export function otherNode(path: string, inFile: string, configured: string): SqlsyncError {
  return new SqlsyncError(
    'config-invalid',
    `${path} belongs to node ${inFile}, the configuration is node ${configured}’s`,
    {
      hint: `set node: ${inFile}, or name the file that is meant`,
    },
  );
}
