/**
 * Where backups are kept: a folder, or a bucket of an object store. A backup is two files, and it counts from the moment
 * in which both are there under their names; the manifest comes first, so that a large file is never there without it.
 */
import type { Readable } from 'node:stream';
import type { BackupName } from './backup-name.js';

export interface StoredFile {
  readonly name: string;
  readonly bytes: number;
}

export interface WrittenFile {
  readonly bytes: number;
  readonly sha256: string;
}

export interface BackupUpload {
  readonly name: string;
  readonly data: Readable;
  /** The manifest's text, once it is known what has been written. */
  readonly manifest: (written: WrittenFile) => string;
}

export interface BackupStore {
  /** As it is told to people, and as a path of one of its files. */
  pathOf(name: string): string;
  /** Stores both, durably, or leaves nothing. Throws disk-full, disk-io, backup-store. */
  put(upload: BackupUpload): Promise<WrittenFile>;
  /** All that is there, whatever it is, in no order. */
  list(): Promise<StoredFile[]>;
  /** Throws backup-missing, backup-store. */
  read(name: string): Promise<Readable>;
  readText(name: string): Promise<string>;
  /** One that is not there is no error. */
  remove(name: string): Promise<void>;
  /** Removes what runs have left that died over a backup. Only who makes that node's backups may. */
  removeLeftovers(owner: Pick<BackupName, 'database' | 'node'>): Promise<void>;
}

/** No manifest is larger. */
export const MANIFEST_BYTES_MAX = 64 * 1024 * 1024;
