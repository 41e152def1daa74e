/** Streams that do not arrive as they left. Whatever happened to them, no receiver may think them whole. */
import { crc32, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { SqlsyncError } from '../../src/errors.js';
import { encodeFrame } from '../../src/replication/wire-frames.js';
import { framesOf, payloadsOf, readStream, sampleFrames } from '../support/sample-stream.js';

const frames = await sampleFrames();
const stream = Buffer.concat(frames);
const ENTIRE = frames.length;

/** Why the receiver refuses it; fails if it does not, or for a reason that is not in the registry. */
function refusal(damaged: Buffer): string {
  try {
    readStream(damaged);
  } catch (error) {
    if (error instanceof SqlsyncError && error.code !== 'bug') return error.code;
    throw error;
  }
  throw new Error('a damaged stream was taken for whole');
}

test('undamaged, it is whole', () => {
  expect(readStream(stream).events).toHaveLength(ENTIRE);
});

describe('a stream is refused', () => {
  test('wherever a bit or a byte of it flips', () => {
    const masks = [0x01, 0x10, 0x80, 0xff];
    for (let at = 0; at < stream.length; at++) {
      for (const mask of masks) {
        const damaged = Buffer.from(stream);
        damaged[at] = (damaged[at] as number) ^ mask;
        expect(['batch-damaged', 'batch-oversized']).toContain(refusal(damaged));
      }
    }
  });

  test('wherever it breaks off', () => {
    for (let length = 0; length < stream.length; length++) {
      expect(refusal(stream.subarray(0, length))).toBe('batch-damaged');
    }
  });

  test('wherever a byte is missing or added', () => {
    for (let at = 0; at < stream.length; at++) {
      refusal(Buffer.concat([stream.subarray(0, at), stream.subarray(at + 1)]));
      refusal(Buffer.concat([stream.subarray(0, at), Buffer.of(at % 256), stream.subarray(at)]));
    }
    refusal(Buffer.concat([stream, Buffer.of(0)]));
  });

  test('whichever of its frames is dropped or comes twice', () => {
    for (let i = 0; i < frames.length; i++) {
      expect(refusal(Buffer.concat(frames.toSpliced(i, 1)))).toBe('batch-damaged');
      expect(refusal(Buffer.concat(frames.toSpliced(i, 0, frames[i] as Buffer)))).toBe('batch-damaged');
    }
  });

  test('whichever two of its frames change places', () => {
    for (let i = 0; i < frames.length; i++) {
      for (let k = i + 1; k < frames.length; k++) {
        const swapped = frames.with(i, frames[k] as Buffer).with(k, frames[i] as Buffer);
        expect(refusal(Buffer.concat(swapped))).toBe('batch-damaged');
      }
    }
  });

  test('whichever byte of a payload was changed before its checksum was taken', async () => {
    const payloads = payloadsOf(stream);
    // The end frame vouches for the others, and nothing for it.
    for (let i = 0; i < payloads.length - 1; i++) {
      const payload = payloads[i] as Buffer;
      for (let at = 0; at < payload.length; at++) {
        const damaged = Buffer.from(payload);
        damaged[at] = (damaged[at] as number) ^ 0x01;
        refusal(Buffer.concat(frames.with(i, await encodeFrame(damaged))));
      }
    }
  });

  test('if a frame was packed anew, though it holds the same', () => {
    const i = 3;
    const compressed = gzipSync(payloadsOf(stream)[i] as Buffer, { level: 0 });
    const header = Buffer.alloc(8);
    header.writeUInt32BE(compressed.length, 0);
    header.writeUInt32BE(crc32(compressed), 4);
    expect(refusal(Buffer.concat(frames.with(i, Buffer.concat([header, compressed]))))).toBe('batch-damaged');
  });

  test('if it goes on after its end', () => {
    const again = framesOf(stream);
    expect(refusal(Buffer.concat([...again, ...again]))).toBe('batch-damaged');
  });
});
