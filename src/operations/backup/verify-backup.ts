/**
 * Proves a backup by unpacking it: every byte against the manifest, the database against SQLite's own check, what is in
 * it against the manifest. What is unpacked goes again.
 */
import { rm } from 'node:fs/promises';
import { SqlsyncError } from '../../errors.js';
import { assertNotNewer } from '../../replication/upgrade-format.js';
import type { Machine } from '../machine.js';
import type { BackupKey } from './backup-key.js';
import type { ManifestContents } from './backup-manifest.js';
import { checkSoundness, inspectCopy } from './inspect-copy.js';
import type { FoundBackup } from './open-store.js';
import { unpackBackup } from './unpack-backup.js';

export interface VerifiedBackup {
  readonly path: string;
  /** Is it what it was when it was made, and sound? */
  readonly ok: boolean;
  /** What is wrong; empty: nothing. */
  readonly problems: readonly string[];
  readonly database: string | null;
  readonly node: string | null;
  readonly at: string | null;
  readonly bytes: number | null;
  readonly rows: number | null;
  /** Rows whose foreign keys lead nowhere, as in the database that was backed up; null: not looked at. */
  readonly foreignKeyViolations: number | null;
  readonly durationMs: number;
}

export interface VerifyBackupOptions {
  readonly backup: FoundBackup;
  readonly key: BackupKey | null;
  /** Where it is unpacked to: a path that is nobody's, with room for the database. */
  readonly copyPath: string;
  readonly onBytes: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

type Deps = Pick<Machine, 'files' | 'now'>;

/** Throws what says nothing about the backup: backup-missing, backup-key, backup-store, disk-full, format-newer. */
export async function verifyBackup(options: VerifyBackupOptions, deps: Deps): Promise<VerifiedBackup> {
  const startedMs = deps.now().getTime();
  const { copyPath, key, onBytes, signal } = options;
  const { store, name } = options.backup;
  const path = store.pathOf(name);
  const took = () => deps.now().getTime() - startedMs;
  try {
    const manifest = await unpackBackup({ store, name, key, path: copyPath, onBytes, signal });
    const { problems, foreignKeyViolations } = await checkUnpacked(copyPath, manifest, deps, signal);
    const { database, node, at, bytes, rowsTotal: rows } = manifest;
    return {
      path,
      ok: problems.length === 0,
      problems,
      database,
      node,
      at,
      bytes,
      rows,
      foreignKeyViolations,
      durationMs: took(),
    };
  } catch (error) {
    if (!(error instanceof SqlsyncError) || error.code !== 'backup-damaged') throw error;
    const unknown = { database: null, node: null, at: null, bytes: null, rows: null, foreignKeyViolations: null };
    return { path, ok: false, problems: [error.message], ...unknown, durationMs: took() };
  } finally {
    for (const ending of ['', '-wal', '-shm', '-journal']) await rm(copyPath + ending, { force: true });
  }
}

/** What an unpacked backup lacks to be what its manifest says. */
export async function checkUnpacked(
  copyPath: string,
  manifest: ManifestContents,
  { files }: Pick<Machine, 'files'>,
  signal: AbortSignal,
): Promise<{ problems: readonly string[]; foreignKeyViolations: number }> {
  assertNotNewer(manifest.formatVersion, 'the backup');
  const { damage, foreignKeyViolations } = await checkSoundness(copyPath, signal);
  if (damage.length > 0) return { problems: damage, foreignKeyViolations };
  const { facts, rows } = await inspectCopy(copyPath, files, signal);
  const problems = Object.entries(manifest.rows).flatMap(([table, count]) =>
    rows[table] === count ? [] : [`table ${table} has ${rows[table] ?? 'no'} rows, and the manifest says ${count}`],
  );
  const { schemaHash, dataset, nodeId, vector } = manifest;
  const isSame =
    facts !== null &&
    JSON.stringify([facts.schemaHash, facts.dataset, facts.nodeId, facts.vector]) ===
      JSON.stringify([schemaHash, dataset, nodeId, vector]);
  if (!isSame) problems.push('schema, node or vector are not those of the manifest');
  return { problems, foreignKeyViolations };
}
