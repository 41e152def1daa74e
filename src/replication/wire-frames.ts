/**
 * Frames: what a stream is cut into (docs/protocol.md, "A stream"). A frame is a length, a CRC-32 and a gzip payload.
 *
 * FrameParser and unpackFrame read what a peer sent. What is damaged is SqlsyncError 'batch-damaged', what exceeds a bound
 * 'batch-oversized', and nothing is allocated on the word of a length: only bytes that have arrived take memory.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { crc32, gunzip, gunzipSync, gzip, gzipSync, type ZlibOptions } from 'node:zlib';
import { SqlsyncError } from '../errors.js';

/** The first byte of an unpacked payload says what it is. */
export const PAYLOAD = {
  hello: 0x01,
  table: 0x02,
  sessions: 0x03,
  rows: 0x04,
  end: 0x05,
  data: 0x06,
  header: 0x07,
} as const;

export type PayloadKind = keyof typeof PAYLOAD;

/** Bounds on frames, set by configuration. */
export interface FrameLimits {
  /** The compressed payload of one frame. */
  readonly frameBytesMax: number;
  /** The same, unpacked. */
  readonly frameUnpackedBytesMax: number;
}

const HEADER_BYTES = 8;
const LENGTH_MAX = 0xffff_ffff;

/** Below this, handing work to zlib's threads takes longer than doing it. */
const SYNC_BYTES_MAX = 16 * 1024;
const LEVEL = 1;

/** gzip's header and trailer around an empty deflate stream. */
const GZIP_BYTES_MIN = 20;
/** Deflate packs no better than this (https://zlib.net/zlib_tech.html). */
const DEFLATE_RATIO_MAX = 1032;
/** The smallest output buffer that node:zlib takes. */
const ZLIB_CHUNK_BYTES_MIN = 64;

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

/** A whole frame that has passed its checksum. */
export interface Frame {
  /** Its place among the frames of the stream, from 0. */
  readonly index: number;
  /** Header and payload, as they came. */
  readonly bytes: Buffer;
  /** The payload, still compressed. */
  readonly compressed: Buffer;
}

export async function encodeFrame(payload: Buffer, options: { readonly level?: number } = {}): Promise<Buffer> {
  const level = options.level ?? LEVEL;
  const compressed =
    payload.length < SYNC_BYTES_MAX ? gzipSync(payload, { level }) : await gzipAsync(payload, { level });
  if (compressed.length > LENGTH_MAX)
    throw new SqlsyncError('batch-oversized', `a payload of ${payload.length} bytes does not fit into a frame`);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + compressed.length);
  frame.writeUInt32BE(compressed.length, 0);
  frame.writeUInt32BE(crc32(compressed), 4);
  frame.set(compressed, HEADER_BYTES);
  return frame;
}

/** Cuts a stream that arrives in pieces of any size into frames. */
export class FrameParser {
  private readonly pieces: Buffer[] = [];
  private buffered = 0;
  private index = 0;
  /** Where the next frame begins in the stream. */
  private offset = 0;

  constructor(private readonly frameBytesMax: number) {}

  /** Takes the next piece of the stream, and yields the frames that it completes. */
  *feed(piece: Buffer): Generator<Frame, void, undefined> {
    if (piece.length > 0) this.pieces.push(piece);
    this.buffered += piece.length;
    for (;;) {
      if (this.buffered < HEADER_BYTES) return;
      const length = this.joined(HEADER_BYTES).readUInt32BE(0);
      if (length > this.frameBytesMax)
        throw new SqlsyncError(
          'batch-oversized',
          `${this.where()} announces ${length} bytes, more than the ${this.frameBytesMax} allowed`,
          { hint: 'raise limits.frameBytesMax if rows that large are meant to come' },
        );
      if (this.buffered < HEADER_BYTES + length) return;
      yield this.frame(HEADER_BYTES + length);
    }
  }

  /** To be called when no more comes: a frame that has begun must have ended. */
  finish(): void {
    if (this.buffered > 0)
      throw new SqlsyncError(
        'batch-damaged',
        `the stream breaks off within ${this.where()}, after ${this.buffered} bytes`,
      );
  }

  private frame(length: number): Frame {
    const bytes = this.joined(length).subarray(0, length);
    const compressed = bytes.subarray(HEADER_BYTES);
    if (crc32(compressed) !== bytes.readUInt32BE(4))
      throw new SqlsyncError('batch-damaged', `${this.where()} does not match its checksum`);
    const rest = (this.pieces[0] as Buffer).subarray(length);
    if (rest.length > 0) this.pieces[0] = rest;
    else this.pieces.shift();
    this.buffered -= length;
    this.offset += length;
    return { index: this.index++, bytes, compressed };
  }

  /** The buffered bytes' beginning as one piece, at least `length` long. */
  private joined(length: number): Buffer {
    const [first] = this.pieces;
    if (first !== undefined && first.length >= length) return first;
    const whole = Buffer.concat(this.pieces);
    this.pieces.splice(0, this.pieces.length, whole);
    return whole;
  }

  private where(): string {
    return `frame ${this.index} at byte ${this.offset}`;
  }
}

/** The payload of a frame, which must not unpack to more than `frameUnpackedBytesMax`. */
export async function unpackFrame(frame: Frame, frameUnpackedBytesMax: number): Promise<Buffer> {
  if (frame.compressed.length < SYNC_BYTES_MAX) return unpackFrameSync(frame, frameUnpackedBytesMax);
  const options = unpackOptions(frame, frameUnpackedBytesMax);
  try {
    return await gunzipAsync(frame.compressed, options);
  } catch (cause) {
    throw damagedGzip(frame, cause);
  }
}

export function unpackFrameSync(frame: Frame, frameUnpackedBytesMax: number): Buffer {
  const options = unpackOptions(frame, frameUnpackedBytesMax);
  try {
    return gunzipSync(frame.compressed, options);
  } catch (cause) {
    throw damagedGzip(frame, cause);
  }
}

/**
 * gzip ends with the length of what it holds (RFC 1952): a frame that is honest about being a bomb is refused unopened,
 * and one that lies gets no further than it said.
 */
function unpackOptions({ compressed, index }: Frame, frameUnpackedBytesMax: number): ZlibOptions {
  if (compressed.length < GZIP_BYTES_MIN) throw damagedGzip({ index });
  const unpackedBytes = compressed.readUInt32LE(compressed.length - 4);
  if (unpackedBytes === 0 || unpackedBytes > compressed.length * DEFLATE_RATIO_MAX) throw damagedGzip({ index });
  if (unpackedBytes > frameUnpackedBytesMax)
    throw new SqlsyncError(
      'batch-oversized',
      `frame ${index} unpacks to ${unpackedBytes} bytes, more than the ${frameUnpackedBytesMax} allowed`,
      { hint: 'raise limits.frameUnpackedBytesMax if rows that large are meant to come' },
    );
  // One buffer for all: with one byte to spare, since zlib takes another buffer as soon as one is full.
  return { maxOutputLength: unpackedBytes, chunkSize: Math.max(unpackedBytes + 1, ZLIB_CHUNK_BYTES_MIN) };
}

function damagedGzip({ index }: Pick<Frame, 'index'>, cause?: unknown): SqlsyncError {
  return new SqlsyncError('batch-damaged', `frame ${index} cannot be unpacked`, { cause });
}

/** The hash that the end frame carries: sha256 of every byte before it. */
export class StreamHasher {
  private readonly hash = createHash('sha256');

  add(frameBytes: Buffer): void {
    this.hash.update(frameBytes);
  }

  /** In hex. Ends the hasher. */
  digest(): string {
    return this.hash.digest('hex');
  }
}
