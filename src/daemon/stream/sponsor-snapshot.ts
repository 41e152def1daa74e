/**
 * The sponsor's side of a join: a consistent copy of the whole file (file/online-copy.ts), sent as a stream (hello,
 * header, data, end). The copy has no name once it is being read, so nothing of it survives this process.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { PassThrough, type Readable } from 'node:stream';
import type { Limits } from '../../config-limits.js';
import { SqlsyncError } from '../../errors.js';
import { PAYLOAD } from '../../replication/wire-frames.js';
import type { EndMarker, Hello } from '../../replication/wire-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import { databaseError } from '../file/database-error.js';
import { OnlineCopy } from '../file/online-copy.js';
import { FrameSender, messagePayload } from './send-stream.js';
import type { SnapshotHeader } from './snapshot-request.js';
import { writableSink } from './writable-sink.js';

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
  const source = await service.work(() => OnlineCopy.open(service.path, copyPath));
  try {
    await source.checkSpace('free some space on the sponsor’s disk, or join another node');
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

async function send(source: OnlineCopy, hello: Hello, body: PassThrough, limits: SponsorLimits): Promise<void> {
  const frames = new FrameSender(writableSink(body, limits.idleTimeoutMs));
  const header: SnapshotHeader = { bytes: source.bytes };
  await frames.send(messagePayload('hello', hello));
  await frames.send(messagePayload('header', header));
  // Empty pieces keep the connection from looking idle while the copy is made.
  const heartbeat = setInterval(() => void frames.send(Buffer.of(PAYLOAD.data)).catch(() => {}), limits.heartbeatMs);
  let file: FileHandle;
  try {
    file = await copyWithoutName(source, () => body.destroyed, limits.lockWaitMsMax);
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

/** The copy, open for reading. */
async function copyWithoutName(
  source: OnlineCopy,
  isAbandoned: () => boolean,
  lockWaitMsMax: number,
): Promise<FileHandle> {
  const onStep = () => {
    if (isAbandoned()) throw new SqlsyncError('peer-unreachable', 'the newcomer has gone away');
  };
  try {
    await source.run({ onStep, lockWaitMsMax });
    return await open(source.copyPath, 'r');
  } finally {
    await rm(source.copyPath, { force: true });
  }
}
