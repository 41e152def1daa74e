/** What backups there are, told by names and sizes alone; and taking away those that are not to be kept any longer. */
import { type BackupName, manifestNameOf, parseBackupName } from './backup-name.js';
import type { BackupStore } from './backup-store.js';
import { type BackupsKept, expiredBackups } from './retention.js';

export interface BackupItem {
  readonly path: string;
  readonly database: string;
  readonly node: string;
  readonly at: string;
  readonly bytes: number;
  readonly encrypted: boolean;
  /** False: its manifest is missing, so it can neither be verified nor restored. */
  readonly complete: boolean;
}

interface Found {
  readonly name: string;
  readonly parsed: BackupName;
  readonly bytes: number;
  readonly complete: boolean;
}

export type BackupOwner = Pick<BackupName, 'database' | 'node'>;

/** Newest first. */
export async function listBackups(store: BackupStore): Promise<BackupItem[]> {
  return (await findBackups(store)).map((found) => itemOf(store, found));
}

/** The newest whole backup that this node has made; null: there is none. */
export async function newestBackup(store: BackupStore, owner: BackupOwner): Promise<{ name: string; at: Date } | null> {
  const newest = (await findBackups(store)).find((found) => found.complete && isOf(owner, found));
  return newest === undefined ? null : { name: newest.name, at: newest.parsed.at };
}

/**
 * Takes away what is not to be kept of one node's backups of one database. Without a manifest a file is nobody's: it
 * neither counts nor goes.
 * @returns what went, or with `dryRun` would go
 */
export async function pruneBackups(
  store: BackupStore,
  owner: BackupOwner,
  keep: BackupsKept,
  dryRun: boolean,
): Promise<BackupItem[]> {
  const own = (await findBackups(store)).filter((found) => found.complete && isOf(owner, found));
  const expired = expiredBackups(own, ({ parsed }) => parsed.at, keep);
  for (const { name } of dryRun ? [] : expired) {
    // In this order: what is left of a removal that breaks off is no backup, and goes as a leftover.
    await store.remove(name);
    await store.remove(manifestNameOf(name));
  }
  return expired.map((found) => itemOf(store, found));
}

async function findBackups(store: BackupStore): Promise<Found[]> {
  const files = await store.list();
  const names = new Set(files.map(({ name }) => name));
  const found = files.flatMap(({ name, bytes }) => {
    const parsed = parseBackupName(name);
    return parsed === null ? [] : [{ name, parsed, bytes, complete: names.has(manifestNameOf(name)) }];
  });
  return found.sort((x, y) => y.parsed.at.getTime() - x.parsed.at.getTime() || (x.name < y.name ? -1 : 1));
}

function isOf({ database, node }: BackupOwner, { parsed }: Found): boolean {
  return parsed.database === database && parsed.node === node;
}

function itemOf(store: BackupStore, { name, parsed, bytes, complete }: Found): BackupItem {
  const { database, node, at, isEncrypted: encrypted } = parsed;
  return { path: store.pathOf(name), database, node, at: at.toISOString(), bytes, encrypted, complete };
}
