import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { cutBody, type LockedCut, primeCut, sendCut } from '../../../src/daemon/stream/send-stream.js';
import { writableSink } from '../../../src/daemon/stream/writable-sink.js';
import { HELLO, ITEM_ROWS, LINK_ROWS, MARKER, payloadsOf, sampleFrames } from '../../support/sample-stream.js';

const sample = Buffer.concat(await sampleFrames());
const [, ...inner] = payloadsOf(sample);
const payloads = inner.slice(0, -1);
const end = { ...MARKER, rows: ITEM_ROWS.length + LINK_ROWS.length };

/** A cut whose payloads are given; it counts how often it was read and closed. */
function cutOf(given: readonly (Buffer | Error)[]): LockedCut & { closed: number } {
  const rest = [...given];
  return {
    closed: 0,
    wireVersion: HELLO.wireVersion,
    async next() {
      const payload = rest.shift() ?? null;
      if (payload instanceof Error) throw payload;
      return payload;
    },
    end: () => end,
    close() {
      this.closed += 1;
    },
  };
}

async function read(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

describe('sendCut', () => {
  it('sends hello, payloads and an end frame that hashes them, and closes the cut', async () => {
    const pieces: Buffer[] = [];
    const cut = cutOf(payloads);
    const progress: number[] = [];
    const sent = await sendCut(
      cut,
      { write: async (bytes) => void pieces.push(bytes) },
      { hello: HELLO, onProgress: ({ bytes }) => progress.push(bytes) },
    );
    expect(Buffer.concat(pieces)).toEqual(sample);
    expect(sent).toEqual({ end, bytes: sample.length });
    expect(progress.at(-1)).toBe(sample.length);
    expect(cut.closed).toBe(1);
  });

  it('reads no further than two payloads ahead of a sink that is full', async () => {
    const cut = cutOf(Array.from({ length: 50 }, () => payloads[0] as Buffer));
    let reads = 0;
    const next = () => {
      reads += 1;
      return cut.next();
    };
    void sendCut({ ...cut, next }, { write: () => new Promise(() => {}) }, { hello: HELLO });
    await new Promise((resolve) => setImmediate(resolve));
    expect(reads).toBeLessThan(3);
  });

  it('stops when the signal aborts, and closes the cut', async () => {
    const stop = new AbortController();
    const large = Buffer.alloc(100_000, 4);
    const cut = cutOf(Array.from({ length: 50 }, () => large));
    const sending = sendCut(
      cut,
      { write: async () => stop.abort(new Error('enough')) },
      { hello: HELLO, signal: stop.signal },
    );
    await expect(sending).rejects.toThrow('enough');
    expect(cut.closed).toBe(1);
  });
});

describe('cutBody', () => {
  it('is the stream', async () => {
    const { body, sent } = cutBody(cutOf(payloads), { hello: HELLO, idleTimeoutMs: 1000 });
    expect(await read(body)).toEqual(sample);
    await sent;
  });

  it('breaks off when the cut fails', async () => {
    const { body, sent } = cutBody(cutOf([...payloads, new Error('disk')]), { hello: HELLO, idleTimeoutMs: 1000 });
    await expect(read(body)).rejects.toThrow('disk');
    await expect(sent).rejects.toThrow('disk');
  });
});

describe('primeCut', () => {
  it('shows a failure before anything has been sent', async () => {
    await expect(primeCut(cutOf([new Error('catching up')]))).rejects.toThrow('catching up');
  });

  it('loses nothing of the cut', async () => {
    const { body } = cutBody(await primeCut(cutOf(payloads)), { hello: HELLO, idleTimeoutMs: 1000 });
    expect(await read(body)).toEqual(sample);
  });
});

describe('writableSink', () => {
  it('gives up a receiver that takes nothing for too long', async () => {
    const sink = writableSink(new PassThrough({ highWaterMark: 1 }), 20);
    await expect(sink.write(Buffer.alloc(10))).rejects.toThrow(expect.objectContaining({ code: 'peer-timeout' }));
  });

  it('says that the receiver has gone, at once and while it waits', async () => {
    const writable = new PassThrough({ highWaterMark: 1 });
    const sink = writableSink(writable, 10_000);
    const waiting = sink.write(Buffer.alloc(10));
    writable.destroy();
    await expect(waiting).rejects.toThrow(expect.objectContaining({ code: 'peer-unreachable' }));
    await expect(sink.write(Buffer.alloc(1))).rejects.toThrow(expect.objectContaining({ code: 'peer-unreachable' }));
  });
});
