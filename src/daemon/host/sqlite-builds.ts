/**
 * Which SQLite a process has in its memory: the files mapped there are searched for SQLite's source id, and the version
 * that stands in the same file. Where several could be meant none is told.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { SqliteBuild } from '../../operations/doctor/host.js';
import { mappedFiles } from './process-table.js';

/** What a search reads at most, of one process. */
const FILES_MAX = 200;
const FILE_BYTES_MAX = 512 * 1024 ** 2;
const PIECE_BYTES = 1024 ** 2;
/** A text may lie across the border of two pieces. */
const OVERLAP_BYTES = 128;

/** `2022-12-28 14:03:47 df5c253c…`; who changes the source changes the end of the hash. */
const SOURCE_ID = /20\d\d-\d\d-\d\d \d\d:\d\d:\d\d [0-9a-f]{60}[0-9a-z]{4}/;
/** A text of its own: what is before it is no text, and what is after it ends it. */
const VERSION = /(?<![\x20-\x7e])(3\.\d{1,2}\.\d{1,2})(?=\0)/g;

/** Null: the process cannot be looked into. */
export function sqliteBuilds(pid: number, procFolder = '/proc'): SqliteBuild[] | null {
  const files = mappedFiles(pid, procFolder);
  if (files === null) return null;
  // A process in a container has a file system of its own.
  const readable = (file: string) => `${procFolder}/${pid}/root${file}`;
  const named = files.filter((file) => /sqlite/i.test(basename(file)));
  const found = buildsIn(named, readable);
  if (found.some(({ version }) => version !== null)) return found;
  return [
    ...found,
    ...buildsIn(
      files.filter((file) => !named.includes(file)),
      readable,
    ),
  ];
}

function buildsIn(files: readonly string[], readable: (file: string) => string): SqliteBuild[] {
  return files.slice(0, FILES_MAX).flatMap((file) => {
    const texts = textsOf(readable(file));
    if (texts === null || !texts.hasSourceId) return [];
    const [only] = texts.versions;
    return [{ file, version: texts.versions.size === 1 && only !== undefined ? only : null }];
  });
}

function textsOf(path: string): { readonly hasSourceId: boolean; readonly versions: ReadonlySet<string> } | null {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    if (!fstatSync(descriptor).isFile()) return null;
    return search(descriptor);
  } catch {
    return null;
  } finally {
    closeSync(descriptor);
  }
}

function search(descriptor: number): { hasSourceId: boolean; versions: Set<string> } {
  const piece = Buffer.alloc(PIECE_BYTES + OVERLAP_BYTES);
  const versions = new Set<string>();
  let hasSourceId = false;
  for (let at = 0; at < FILE_BYTES_MAX; at += PIECE_BYTES) {
    const bytes = readSync(descriptor, piece, 0, piece.length, at);
    const text = piece.toString('latin1', 0, bytes);
    hasSourceId ||= SOURCE_ID.test(text);
    for (const [, version] of text.matchAll(VERSION)) if (version !== undefined) versions.add(version);
    if (bytes < piece.length) break;
  }
  return { hasSourceId, versions };
}
