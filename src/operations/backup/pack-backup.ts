/** Makes a backup of a copy of a database: compressed, encrypted if there is a key, and stored with its manifest. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { SqlsyncError } from '../../errors.js';
import type { BackupFacts } from '../../replication/backup-facts.js';
import { type BackupKey, encrypt } from './backup-key.js';
import { type ManifestContents, renderManifest } from './backup-manifest.js';
import { formatBackupName } from './backup-name.js';
import type { BackupStore, WrittenFile } from './backup-store.js';
import type { CopyContents } from './inspect-copy.js';
import { storeError } from './store-errors.js';

/** Half as large again as the best costs a fifth of its time, which writers of the application would miss. */
const GZIP_LEVEL = 3;

export interface PackOptions {
  /** A database file that nobody else has open, with nothing of it in a log. */
  readonly copyPath: string;
  readonly contents: CopyContents;
  readonly database: string;
  /** When the state was that it holds. */
  readonly at: Date;
  readonly sqlsyncVersion: string;
  readonly store: BackupStore;
  /** Null: it is not encrypted. */
  readonly key: BackupKey | null;
  /** Bytes of the copy that have been taken in. */
  readonly onBytes: (done: number) => void;
  readonly signal: AbortSignal;
}

export interface PackedBackup extends WrittenFile {
  readonly name: string;
  readonly path: string;
}

export async function packBackup(options: PackOptions): Promise<PackedBackup> {
  const { contents, database, at, store, key } = options;
  if (contents.facts === null) throw new SqlsyncError('database-not-initialised', 'the copy is no node’s file');
  const name = formatBackupName({ database, node: contents.facts.node, at, isEncrypted: key !== null });
  const plain = { hash: createHash('sha256'), bytes: 0 };
  const compressed = new PassThrough();
  const data = key === null ? compressed : await encrypt(compressed, key);
  const reading = compress(options, plain, compressed).catch((error: unknown) => {
    // Whoever stores it hears of it.
    compressed.destroy(storeError(error, options.copyPath) as Error);
  });
  const manifest = (written: WrittenFile) =>
    renderManifest(manifestOf(options, contents.facts as BackupFacts, { name, written, plain }));
  try {
    const written = await store.put({ name, data, manifest });
    return { name, path: store.pathOf(name), ...written };
  } catch (error) {
    throw options.signal.aborted ? options.signal.reason : error;
  } finally {
    compressed.destroy();
    await reading;
  }
}

interface Counted {
  readonly hash: Hash;
  bytes: number;
}

function compress({ copyPath, onBytes, signal }: PackOptions, plain: Counted, into: PassThrough): Promise<void> {
  const count = async function* (pieces: AsyncIterable<Buffer>) {
    for await (const piece of pieces) {
      plain.hash.update(piece);
      plain.bytes += piece.length;
      onBytes(plain.bytes);
      yield piece;
    }
  };
  const from: Readable = createReadStream(copyPath, { highWaterMark: 256 * 1024 });
  return pipeline(from, count, createGzip({ level: GZIP_LEVEL }), into, { signal });
}

function manifestOf(
  { contents, database, at, key, sqlsyncVersion }: PackOptions,
  { node, nodeId, dataset, schemaHash, vector, catchingUp, formatVersion, sqliteVersion }: BackupFacts,
  { name, written, plain }: { name: string; written: WrittenFile; plain: Counted },
): ManifestContents {
  const { rows, rowsTotal } = contents;
  return {
    kind: 'sqlsync-backup',
    manifestVersion: 1,
    file: name,
    database,
    node,
    nodeId,
    dataset,
    at: at.toISOString(),
    bytes: written.bytes,
    sha256: written.sha256,
    encryption: key === null ? null : 'age',
    unpackedBytes: plain.bytes,
    unpackedSha256: plain.hash.digest('hex'),
    schemaHash,
    rows,
    rowsTotal,
    vector,
    catchingUp,
    formatVersion,
    sqlsyncVersion,
    sqliteVersion,
  };
}
