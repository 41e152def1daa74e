import { createHash, randomBytes } from 'node:crypto';
import { crc32, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SqlsyncError } from '../../src/errors.js';
import {
  encodeFrame,
  type Frame,
  FrameParser,
  StreamHasher,
  unpackFrame,
  unpackFrameSync,
} from '../../src/replication/wire-frames.js';

const MIB = 1024 * 1024;

/** A frame around any bytes, with the right length and checksum. */
function frameAround(compressed: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(compressed.length, 0);
  header.writeUInt32BE(crc32(compressed), 4);
  return Buffer.concat([header, compressed]);
}

function parse(stream: Buffer, frameBytesMax = MIB): Frame[] {
  const parser = new FrameParser(frameBytesMax);
  const frames = [...parser.feed(stream)];
  parser.finish();
  return frames;
}

function parseOne(stream: Buffer): Frame {
  const [frame] = parse(stream);
  if (frame === undefined) throw new Error('no frame');
  return frame;
}

const withCode = (code: string) => expect.objectContaining({ code });

describe('a frame', () => {
  // On both sides of the length from which zlib's threads do the work.
  test.each([1, 100, 16 * 1024 - 1, 16 * 1024, 5 * MIB])(
    'of %i bytes is unpacked to what was packed',
    async (length) => {
      const payload = randomBytes(length);
      const frame = parse(await encodeFrame(payload), 6 * MIB)[0] as Frame;
      expect((await unpackFrame(frame, length)).equals(payload)).toBe(true);
      expect(unpackFrameSync(frame, length).equals(payload)).toBe(true);
    },
  );

  test('is what the protocol says it is', async () => {
    const frame = await encodeFrame(Buffer.from('payload'));
    expect(frame.readUInt32BE(0)).toBe(frame.length - 8);
    expect(frame.readUInt32BE(4)).toBe(crc32(frame.subarray(8)));
    expect(frame.subarray(8, 10).toString('hex')).toBe('1f8b');
  });

  test('is packed tighter at a higher level', async () => {
    const payload = Buffer.from(Array.from({ length: 9000 }, (_, i) => `${i * i} `).join(''));
    const [fast, tight] = await Promise.all([encodeFrame(payload), encodeFrame(payload, { level: 9 })]);
    expect(tight.length).toBeLessThan(fast.length);
  });
});

describe('a stream in pieces', () => {
  test('is cut into the same frames, however it comes', async () => {
    const payloads = [randomBytes(1), randomBytes(3000), Buffer.alloc(20_000), randomBytes(50)];
    const frames = await Promise.all(payloads.map((payload) => encodeFrame(payload)));
    const stream = Buffer.concat(frames);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1 }), (lengths) => {
        const parser = new FrameParser(MIB);
        const parsed: Frame[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const length = Math.max(lengths[i % lengths.length] as number, i % 2);
          parsed.push(...parser.feed(stream.subarray(at, at + length)));
          at += length;
        }
        parser.finish();
        expect(parsed.map(({ bytes }) => bytes)).toEqual(frames);
        expect(parsed.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
      }),
    );
  });

  test('is refused where it breaks off, by frame and byte', async () => {
    const frame = await encodeFrame(Buffer.from('payload'));
    const parser = new FrameParser(MIB);
    expect([...parser.feed(Buffer.concat([frame, frame.subarray(0, 10)]))]).toHaveLength(1);
    expect(() => parser.finish()).toThrow(withCode('batch-damaged'));
    expect(() => parser.finish()).toThrow(`within frame 1 at byte ${frame.length}, after 10 bytes`);
  });

  test('is refused where a frame does not match its checksum', async () => {
    const frame = await encodeFrame(Buffer.from('payload'));
    frame[12] = (frame[12] as number) ^ 1;
    expect(() => parse(frame)).toThrow(withCode('batch-damaged'));
    expect(() => parse(frame)).toThrow(/frame 0 at byte 0 does not match its checksum/);
  });

  test('is refused as soon as a frame announces more than may come', () => {
    const header = Buffer.from('ffffffff00000000', 'hex');
    expect(() => [...new FrameParser(MIB).feed(header)]).toThrow(withCode('batch-oversized'));
    header.writeUInt32BE(MIB, 0);
    expect([...new FrameParser(MIB).feed(header)]).toEqual([]);
  });

  test('of random bytes is refused, and in no other way', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), fc.boolean(), async (array, framed) => {
        const bytes = Buffer.from(array);
        try {
          for (const frame of parse(framed ? frameAround(bytes) : bytes)) await unpackFrame(frame, MIB);
        } catch (error) {
          expect(error).toBeInstanceOf(SqlsyncError);
        }
      }),
      { numRuns: 10_000 },
    );
  });
});

describe('what a frame unpacks to is bounded', () => {
  const unpackBoth = async (frame: Frame, max: number, code: string) => {
    expect(() => unpackFrameSync(frame, max)).toThrow(withCode(code));
    await expect(unpackFrame(frame, max)).rejects.toThrow(withCode(code));
  };

  test('to the byte', async () => {
    const frame = parseOne(await encodeFrame(Buffer.alloc(1000)));
    expect(unpackFrameSync(frame, 1000)).toHaveLength(1000);
    await unpackBoth(frame, 999, 'batch-oversized');
  });

  test('and a bomb takes no memory, whether it says how large it is or not', async () => {
    const bomb = gzipSync(Buffer.alloc(100 * MIB));
    const liar = Buffer.from(bomb);
    liar.writeUInt32LE(100, liar.length - 4);
    const before = process.memoryUsage();
    const frames = [bomb, liar].map((compressed) => parseOne(frameAround(compressed)));
    await unpackBoth(frames[0] as Frame, 32 * MIB, 'batch-oversized');
    await unpackBoth(frames[1] as Frame, 32 * MIB, 'batch-damaged');
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8 * MIB);
  });

  test('and by what so few bytes can hold', async () => {
    const small = gzipSync(Buffer.alloc(10));
    small.writeUInt32LE(60 * MIB, small.length - 4);
    await unpackBoth(parseOne(frameAround(small)), 64 * MIB, 'batch-damaged');
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['what is not gzip', Buffer.alloc(100, 7)],
    ['gzip that breaks off', gzipSync(Buffer.alloc(1000, 'abc')).subarray(0, 25)],
    ['an empty payload', gzipSync(Buffer.alloc(0))],
    ['two payloads', Buffer.concat([gzipSync(Buffer.alloc(9)), gzipSync(Buffer.alloc(9))])],
  ])('%s is refused', async (_, compressed) => {
    await unpackBoth(parseOne(frameAround(compressed)), MIB, 'batch-damaged');
  });
});

test('a stream’s hash is the sha256 of its frames', () => {
  const hasher = new StreamHasher();
  hasher.add(Buffer.from('one'));
  hasher.add(Buffer.from('two'));
  expect(hasher.digest()).toBe(createHash('sha256').update('onetwo').digest('hex'));
});
