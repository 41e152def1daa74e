/**
 * What the doctor asks of the machine. Whoever composes it brings the real one (daemon/host/this-host.ts). Null is always
 * "this host does not tell", and never "there is none".
 */
import type { MountPoint } from '../../mount-points.js';

export interface FileEntry {
  readonly bytes: number;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
}

export interface ProcessUser {
  readonly uid: number;
  /** The main group first. */
  readonly gids: readonly number[];
}

/** A range that a process has locked in a file. */
export interface FileLockRange {
  readonly exclusive: boolean;
  readonly start: number;
  readonly end: number;
}

export interface OpenFile {
  readonly path: string;
  readonly locks: readonly FileLockRange[];
}

/** A process that has one of the files in question open. */
export interface FileHolder extends ProcessUser {
  readonly pid: number;
  /** The program's name, as the system keeps it. */
  readonly program: string;
  readonly files: readonly OpenFile[];
}

export interface HolderSearch {
  /** Every process found, this one left out. */
  readonly holders: readonly FileHolder[];
  /** Processes that could not be looked into, since they are other users'; null: none could, there is no /proc. */
  readonly hidden: number | null;
}

/** A library or program that holds a SQLite. */
export interface SqliteBuild {
  readonly file: string;
  /** `3.40.1`; null: it holds one, and does not tell which. */
  readonly version: string | null;
}

export interface SideFolder {
  readonly path: string;
  readonly lockPath: string;
  /** Null: nobody is on record. Whether that process lives is another question. */
  readonly holder: { readonly pid: number; readonly isDaemon: boolean } | null;
}

export interface DoctorHost {
  readonly nodeVersion: string;
  /** Of the SQLite that sqlsync brings along. */
  readonly sqliteVersion: string;
  /** Who this process runs as; null on a system without users. */
  readonly user: ProcessUser | null;
  /** The folder beside a database, and who is on record there as the holder of its lock. */
  sideFolderOf(realPath: string): SideFolder;
  /** A user in words: `www-data`, or `uid 33` for one without a name. */
  userName(uid: number): string;
  /** Null: there is no such file, or this user may not ask. */
  entryOf(path: string): FileEntry | null;
  /** @param path with its symlinks resolved */
  mountOf(path: string): MountPoint | null;
  freeBytes(folder: string): number | null;
  /** Who has any of these files open. */
  findHolders(paths: readonly string[]): HolderSearch;
  /** The SQLites in a process's memory, as far as they can be told; null: it cannot be looked into. */
  sqliteBuilds(pid: number): readonly SqliteBuild[] | null;
  /** Is the clock kept by a time server? */
  isClockSynchronised(): Promise<boolean | null>;
  /** The version of the `sqlite3` shell that the search path leads to; null: none answers. */
  shellVersion(): Promise<string | null>;
  /** Resolves after so long. */
  pause(ms: number): Promise<void>;
}
