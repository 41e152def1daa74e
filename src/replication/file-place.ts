/**
 * Where a file was when it was last served. A file that is found at another path, and is another one for the file system
 * too, may be a copy: it must not speak in the original's name before somebody has said what it is.
 */
import type { Database } from 'better-sqlite3';
import { PREFIX } from './metadata-schema.js';

export interface FilePlace {
  /** The real path. */
  readonly path: string;
  /** Device and inode. */
  readonly file: string;
}

/** Null: the file has not been served yet, or by a version that did not keep it. */
export function parsePlace(stored: string | undefined): FilePlace | null {
  return stored ? (JSON.parse(stored) as FilePlace) : null;
}

/**
 * Is this a place that the file can have come to only by a copy or a move over a border of file systems? A rename keeps
 * the inode, and what puts an older file back keeps the path.
 */
export function isOtherPlace(known: FilePlace | null, now: FilePlace): boolean {
  return known !== null && known.path !== now.path && known.file !== now.file;
}

export function readPlace(db: Database): FilePlace | null {
  return parsePlace(db.prepare<[], string>(`SELECT value FROM ${PREFIX}state WHERE name = 'place'`).pluck().get());
}

export function writePlace(db: Database, place: FilePlace | null): void {
  db.prepare(
    `INSERT INTO ${PREFIX}state(name, value) VALUES('place', ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value`,
  ).run(place === null ? '' : JSON.stringify(place));
}
