/**
 * The sponsor's side of a join: a consistent copy of the whole file, sent as a stream (hello, header, data, end).
 *
 * The copy is made by SQLite's online backup, in steps between which everybody else gets their turn. In WAL mode a read
 * transaction pins what is copied, and writers go on. In rollback mode such a reader would keep the application from
 * committing, so the backup runs without one, and begins anew whenever somebody has written; if that happens too often,
 * it finishes under a read lock. The copy has no name once it is being read, so nothing of it survives this process.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import Sqlite, { type Database } from 'better-sqlite3';
import type { Limits } from '../../config-limits.js';
import { SqlsyncError } from '../../errors.js';
import { PAYLOAD } from '../../replication/wire-frames.js';
import type { EndMarker, Hello } from '../../replication/wire-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import { databaseError } from '../file/database-error.js';
import { BUSY_TIMEOUT_MS } from '../file/open-database.js';
import { FrameSender, messagePayload } from './send-stream.js';
import type { SnapshotHeader } from './snapshot-request.js';
import { writableSink } from './writable-sink.js';

/** Pages copied in one go: some 10 ms. */
const STEP_PAGES = 250;
/** How often a backup in rollback mode begins anew before it takes a read lock. */
const RESTARTS_MAX = 3;
/** Between two tries at a file that a writer has to itself. */
const LOCKED_PAUSE_MS = 20;
const DATA_BYTES = 512 * 1024;
const SNAPSHOTS_MAX = 4;

type SponsorLimits = Pick<Limits, 'heartbeatMs' | 'idleTimeoutMs' | 'lockWaitMsMax'>;

let underWay = 0;

/** Begins to send a snapshot. What refuses it is thrown before a byte has gone: `disk-full`, `peer-timeout`. */
export async function sponsorSnapshot(service: DatabaseService, limits: SponsorLimits): Promise<Readable> {
  if (underWay >= SNAPSHOTS_MAX) {
    throw new SqlsyncError('peer-timeout', `${underWay} snapshots are being made here already`, {
      hint: 'try again later',
    });
  }
  const hello = await service.hello();
  const copyPath = service.side.snapshotPath(randomBytes(8).toString('hex'));
  const source = await service.work(() => SnapshotSource.open(service.path, copyPath));
  try {
    await source.checkSpace();
  } catch (error) {
    source.close();
    throw databaseError(error, service.path);
  }
  const body = new PassThrough({ highWaterMark: DATA_BYTES });
  // Whoever reads the body hears of its failure; until somebody does, it must not end the process.
  body.on('error', () => {});
  underWay += 1;
  send(source, hello, body, limits)
    .then(
      () => body.end(),
      (error: Error) => body.destroy(error),
    )
    .finally(() => {
      underWay -= 1;
      source.close();
    });
  return body;
}

async function send(source: SnapshotSource, hello: Hello, body: PassThrough, limits: SponsorLimits): Promise<void> {
  const frames = new FrameSender(writableSink(body, limits.idleTimeoutMs));
  const header: SnapshotHeader = { bytes: source.bytes };
  await frames.send(messagePayload('hello', hello));
  await frames.send(messagePayload('header', header));
  // Empty pieces keep the connection from looking idle while the copy is made.
  const heartbeat = setInterval(() => void frames.send(Buffer.of(PAYLOAD.data)).catch(() => {}), limits.heartbeatMs);
  let file: FileHandle;
  try {
    file = await source.copy({ isAbandoned: () => body.destroyed, lockWaitMsMax: limits.lockWaitMsMax });
  } finally {
    clearInterval(heartbeat);
  }
  try {
    for await (const piece of piecesOf(file)) await frames.send(Buffer.concat([Buffer.of(PAYLOAD.data), piece]));
  } finally {
    await file.close();
  }
  await frames.end(endOf(hello));
}

/** A snapshot carries its own vector; the end marker repeats what the sponsor said at the beginning. */
function endOf({ clockMs, vector, folded, horizon, dropped, hold, session, acknowledged }: Hello): EndMarker {
  return { clockMs, vector, folded, horizon, dropped, hold, session, acknowledged, cursor: 0, rows: 0 };
}

async function* piecesOf(file: FileHandle): AsyncGenerator<Buffer, void, undefined> {
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(DATA_BYTES), 0, DATA_BYTES);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

interface CopyOptions {
  /** Does nobody wait for it any more? */
  readonly isAbandoned: () => boolean;
  readonly lockWaitMsMax: number;
}

/** A connection of its own to the file that is copied. */
class SnapshotSource {
  /** The file's size now, or as the copy will have it. */
  readonly bytes: number;
  private isPinned = false;
  private restarts = 0;

  private constructor(
    private readonly db: Database,
    private readonly copyPath: string,
  ) {
    if (db.pragma('journal_mode', { simple: true }) === 'wal') this.pin();
    const pages = db.pragma('page_count', { simple: true }) as number;
    this.bytes = pages * (db.pragma('page_size', { simple: true }) as number);
  }

  /** Throws SQLite's busy error when a writer has the file to itself. */
  static open(databasePath: string, copyPath: string): SnapshotSource {
    const db = new Sqlite(databasePath, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    try {
      return new SnapshotSource(db, copyPath);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  close(): void {
    this.db.close();
  }

  async checkSpace(): Promise<void> {
    const { bavail, bsize } = await statfs(dirname(this.copyPath));
    if (bavail * bsize >= this.bytes) return;
    throw new SqlsyncError('disk-full', `a snapshot takes ${this.bytes} bytes, and the disk has ${bavail * bsize}`, {
      hint: 'free some space on the sponsor’s disk, or join another node',
    });
  }

  /** The copy, open for reading and without a name. */
  async copy({ isAbandoned, lockWaitMsMax }: CopyOptions): Promise<FileHandle> {
    const startedMs = performance.now();
    try {
      while ((await this.backUp(isAbandoned)) === 'locked') {
        if (performance.now() - startedMs > lockWaitMsMax) throw neverFree(this.db.name);
        await delay(LOCKED_PAUSE_MS);
      }
      return await open(this.copyPath, 'r');
    } catch (error) {
      throw databaseError(error, this.copyPath);
    } finally {
      await rm(this.copyPath, { force: true });
    }
  }

  private async backUp(isAbandoned: () => boolean): Promise<'done' | 'locked'> {
    let last = Number.POSITIVE_INFINITY;
    const { totalPages } = await this.db.backup(this.copyPath, {
      progress: ({ remainingPages }) => {
        if (isAbandoned()) throw new SqlsyncError('peer-unreachable', 'the newcomer has gone away');
        if (remainingPages > last) this.restarts += 1;
        last = remainingPages;
        if (this.restarts > RESTARTS_MAX) this.tryToPin();
        return STEP_PAGES;
      },
    });
    // A first step that meets a writer has seen no pages, and better-sqlite3 takes none left for the end.
    return totalPages === 0 ? 'locked' : 'done';
  }

  /** Holds what is read now until the connection closes. */
  private pin(): void {
    if (this.isPinned) return;
    this.db.exec('BEGIN');
    this.db.prepare('SELECT count(*) FROM sqlite_schema').get();
    this.isPinned = true;
  }

  /** The same, or after the next step if a writer has the file to itself just now. */
  private tryToPin(): void {
    try {
      this.pin();
    } catch (error) {
      if (!(error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY'))) throw error;
      this.db.exec('ROLLBACK');
    }
  }
}

function neverFree(path: string): SqlsyncError {
  return new SqlsyncError('database-locked', `${path} is never free to be copied`, { hint: 'try again' });
}
