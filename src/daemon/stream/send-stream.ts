/**
 * Sends a cut as a stream: hello, the cut's payloads, and an end frame that hashes all before it. One frame is packed
 * while the one before is on its way, and between two of them the event loop gets its turn.
 */
import { PassThrough, type Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { encodeFrame, PAYLOAD, type PayloadKind, StreamHasher } from '../../replication/wire-frames.js';
import type { EndMarker, Hello } from '../../replication/wire-messages.js';
import { type StreamSink, writableSink } from './writable-sink.js';

/** A cut whose reading waits for the file's lock where it must. */
export interface LockedCut {
  /** That the stream is written in. */
  readonly wireVersion: number;
  /** The next payload, or null after the last. */
  next(): Promise<Buffer | null>;
  end(): EndMarker;
  close(): void;
}

export interface SentStream {
  readonly end: EndMarker;
  readonly bytes: number;
}

export interface SendOptions {
  readonly hello: Hello;
  /** Called after each frame with what has gone so far. */
  readonly onProgress?: (sent: { readonly bytes: number }) => void;
  readonly signal?: AbortSignal;
}

/** Bytes that wait in a body for the network. */
const BODY_BUFFER_BYTES = 256 * 1024;

/** Above this, a payload took long enough to make that others get their turn before the next. */
const TURN_BYTES = 64 * 1024;

/** Sends the cut whole and closes it, whatever happens. */
export async function sendCut(cut: LockedCut, sink: StreamSink, options: SendOptions): Promise<SentStream> {
  const frames = new FrameSender(sink, options);
  try {
    await frames.send(messagePayload('hello', { ...options.hello, wireVersion: cut.wireVersion }));
    for (let payload = await cut.next(); payload !== null; payload = await cut.next()) {
      await frames.send(payload);
      if (payload.length > TURN_BYTES) await turn();
      if (options.signal?.aborted) throw options.signal.reason;
    }
    const end = cut.end();
    await frames.end(end);
    return { end, bytes: frames.bytes };
  } finally {
    cut.close();
  }
}

/** Reads the cut's first payload, so that whatever refuses the cut does so before a byte has been sent. */
export async function primeCut(cut: LockedCut): Promise<LockedCut> {
  let first: Promise<Buffer | null> | null = Promise.resolve(await cut.next());
  const next = () => {
    const payload = first ?? cut.next();
    first = null;
    return payload;
  };
  return { wireVersion: cut.wireVersion, next, end: () => cut.end(), close: () => cut.close() };
}

/** The cut as a body of HTTP: read it to have the stream sent. `sent` tells how that ended. */
export function cutBody(
  cut: LockedCut,
  options: SendOptions & { readonly idleTimeoutMs: number },
): { readonly body: Readable; readonly sent: Promise<SentStream> } {
  const body = new PassThrough({ highWaterMark: BODY_BUFFER_BYTES });
  // Whoever reads the body hears of its failure; until somebody does, it must not end the process.
  body.on('error', () => {});
  const sent = sendCut(cut, writableSink(body, options.idleTimeoutMs), options);
  sent.then(
    () => body.end(),
    // Cuts the body off: the receiver sees no end frame and changes nothing.
    (error: Error) => body.destroy(error),
  );
  return { body, sent };
}

/** Packs payloads into frames and sends them in order. */
export class FrameSender {
  private readonly hasher = new StreamHasher();
  /** The frame that is being packed and sent. */
  private underWay: Promise<void> = Promise.resolve();
  bytes = 0;

  constructor(
    private readonly sink: StreamSink,
    private readonly options: Pick<SendOptions, 'onProgress'> = {},
  ) {}

  /** Packs the payload; resolves once the frame before it has gone, so that no more than two are in memory. */
  async send(payload: Buffer): Promise<void> {
    const before = this.underWay;
    this.underWay = this.sendAfter(before, encodeFrame(payload), true);
    // Its failure is the next call's, which awaits it.
    this.underWay.catch(() => {});
    await before;
  }

  async end(marker: EndMarker): Promise<void> {
    await this.underWay;
    const payload = messagePayload('end', { ...marker, sha256: this.hasher.digest() });
    await this.sendAfter(this.underWay, encodeFrame(payload), false);
  }

  private async sendAfter(before: Promise<void>, packing: Promise<Buffer>, hashed: boolean): Promise<void> {
    const [frame] = await Promise.all([packing, before]);
    if (hashed) this.hasher.add(frame);
    await this.sink.write(frame);
    this.bytes += frame.length;
    this.options.onProgress?.({ bytes: this.bytes });
  }
}

/** The payload of a JSON message. */
export function messagePayload(kind: PayloadKind, body: unknown): Buffer {
  return Buffer.concat([Buffer.of(PAYLOAD[kind]), Buffer.from(JSON.stringify(body))]);
}
