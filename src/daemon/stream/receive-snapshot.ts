/**
 * The newcomer's side of a join: downloads a sponsor's snapshot into a file that nobody uses yet, and checks it whole.
 * Making a node of it and putting it in its place is for the caller.
 */
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { Limits } from '../../config-limits.js';
import { SqlsyncError } from '../../errors.js';
import { StreamReader } from '../../replication/stream-reader.js';
import { FrameParser, unpackFrame } from '../../replication/wire-frames.js';
import type { Hello } from '../../replication/wire-messages.js';
import { databaseError } from '../file/database-error.js';
import type { HttpPeer } from '../peer/http-peer.js';
import { type SnapshotRequest, snapshotHeaderSchema } from './snapshot-request.js';
import { TrickleGuard } from './trickle-guard.js';

export interface SnapshotProgress {
  readonly bytes: number;
  /** Null until the sponsor has said. */
  readonly bytesTotal: number | null;
}

export interface ReceiveSnapshotOptions {
  readonly client: Pick<HttpPeer, 'snapshot'>;
  readonly request: SnapshotRequest;
  /** The file to make; one that is there is replaced. */
  readonly path: string;
  readonly limits: Pick<Limits, 'frameBytesMax' | 'frameUnpackedBytesMax' | 'streamBytesMax' | 'idleTimeoutMs'>;
  readonly onProgress?: (progress: SnapshotProgress) => void;
  readonly signal?: AbortSignal;
}

/** Returns what the sponsor says of itself. When it throws, the file is gone. */
export async function receiveSnapshot(options: ReceiveSnapshotOptions): Promise<Hello> {
  const { path } = options;
  await rm(path, { force: true });
  try {
    const file = await open(path, 'wx');
    try {
      const sponsor = await download(file, options);
      await file.sync();
      return sponsor;
    } finally {
      await file.close();
    }
  } catch (error) {
    await rm(path, { force: true });
    throw databaseError(error, path);
  }
}

async function download(
  file: FileHandle,
  { client, request, limits, onProgress, signal }: ReceiveSnapshotOptions,
): Promise<Hello> {
  const parser = new FrameParser(limits.frameBytesMax);
  const reader = new StreamReader({ carries: 'snapshot' });
  let sponsor: Hello | null = null;
  let bytesTotal: number | null = null;
  let bytes = 0;
  const trickle = new TrickleGuard(limits.idleTimeoutMs);
  for await (const piece of client.snapshot(request, signal)) {
    let frames = 0;
    for (const frame of parser.feed(piece)) {
      frames += 1;
      const event = reader.accept(frame, await unpackFrame(frame, limits.frameUnpackedBytesMax));
      if (event.kind === 'hello') sponsor = event.hello;
      if (event.kind === 'header') bytesTotal = readHeader(event.header);
      if (event.kind !== 'data') continue;
      bytes += event.bytes.length;
      if (bytes > limits.streamBytesMax) throw tooLarge(limits.streamBytesMax);
      await file.writeFile(event.bytes);
    }
    trickle.note(piece.length, frames > 0);
    onProgress?.({ bytes, bytesTotal });
  }
  parser.finish();
  reader.finish();
  if (sponsor === null || bytes === 0) throw new SqlsyncError('batch-damaged', 'the snapshot is empty');
  return sponsor;
}

function readHeader(header: unknown): number {
  const parsed = snapshotHeaderSchema.safeParse(header);
  if (parsed.success) return parsed.data.bytes;
  throw new SqlsyncError('batch-damaged', 'the snapshot’s header is not one');
}

function tooLarge(streamBytesMax: number): SqlsyncError {
  return new SqlsyncError('batch-oversized', `the snapshot has more than ${streamBytesMax} bytes`, {
    hint: 'raise limits.streamBytesMax, and have the disk space for it',
  });
}
