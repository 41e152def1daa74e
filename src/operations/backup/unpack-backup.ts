/**
 * Makes a database file of a backup again, and checks on the way that it is what the manifest says: every byte that is
 * stored, and every byte that it unpacks to. Never more than the manifest says is written.
 */
import { createHash, type Hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { SqlsyncError } from '../../errors.js';
import { type BackupKey, decrypt } from './backup-key.js';
import { type ManifestContents, parseManifest } from './backup-manifest.js';
import { manifestNameOf } from './backup-name.js';
import type { BackupStore } from './backup-store.js';
import { damagedBackup, storeError } from './store-errors.js';

export interface UnpackOptions {
  readonly store: BackupStore;
  readonly name: string;
  readonly key: BackupKey | null;
  /** The file to make; one that is there is replaced. */
  readonly path: string;
  readonly onBytes: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** Throws backup-missing without a manifest. */
export async function readManifest(store: BackupStore, name: string): Promise<ManifestContents> {
  const manifestName = manifestNameOf(name);
  const path = store.pathOf(manifestName);
  const manifest = parseManifest(await store.readText(manifestName), path);
  if (manifest.file === name) return manifest;
  throw new SqlsyncError('backup-damaged', `${path} is the manifest of ${manifest.file}`, {
    hint: 'a backup keeps its name: rename both files back',
  });
}

/** When it throws (backup-damaged, backup-missing, backup-key, disk-full …), the file is gone. */
export async function unpackBackup(options: UnpackOptions): Promise<ManifestContents> {
  const { store, name, path } = options;
  const manifest = await readManifest(store, name);
  await rm(path, { force: true });
  try {
    await unpack(manifest, options);
    await syncFile(path);
    return manifest;
  } catch (error) {
    await rm(path, { force: true });
    throw options.signal.aborted ? options.signal.reason : toldError(error, options);
  }
}

interface Measured {
  readonly hash: Hash;
  bytes: number;
}

async function unpack(manifest: ManifestContents, options: UnpackOptions): Promise<void> {
  const { store, name, key, path, onBytes, signal } = options;
  const [stored, unpacked] = [measured(), measured()];
  const backup = store.pathOf(name);
  const open = async function* (pieces: AsyncIterable<Buffer>) {
    yield* manifest.encryption === null ? pieces : await decrypt(Readable.from(pieces), key, store.pathOf(name));
  };
  await pipeline(
    await store.read(name),
    counting(stored, manifest.bytes, (done) => onBytes(done, manifest.bytes)),
    open,
    createGunzip(),
    counting(unpacked, manifest.unpackedBytes),
    createWriteStream(path, { flags: 'wx', mode: 0o644 }),
    { signal },
  );
  if (stored.bytes !== manifest.bytes || stored.hash.digest('hex') !== manifest.sha256)
    throw damagedBackup(backup, 'is damaged');
  const isWhole = unpacked.bytes === manifest.unpackedBytes && unpacked.hash.digest('hex') === manifest.unpackedSha256;
  if (!isWhole) throw damagedBackup(backup, 'is damaged');
}

function measured(): Measured {
  return { hash: createHash('sha256'), bytes: 0 };
}

class TooLong extends Error {}

function counting(measure: Measured, bytesMax: number, onBytes: (done: number) => void = () => {}) {
  return async function* (pieces: AsyncIterable<Buffer>) {
    for await (const piece of pieces) {
      measure.hash.update(piece);
      measure.bytes += piece.length;
      if (measure.bytes > bytesMax) throw new TooLong();
      onBytes(measure.bytes);
      yield piece;
    }
  };
}

/** Whatever the file system has not said was said about the contents: by zlib, by the cipher, or by the counting. */
function toldError(error: unknown, { store, name, path }: UnpackOptions): unknown {
  const told = storeError(error, path);
  if (told instanceof SqlsyncError) return told;
  const { code = '', message } = error as NodeJS.ErrnoException;
  const isBug = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  const isContents = error instanceof TooLong || code.startsWith('Z_') || (code === '' && !isBug);
  return isContents ? damagedBackup(store.pathOf(name), `is damaged${message === '' ? '' : ` (${message})`}`) : error;
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
