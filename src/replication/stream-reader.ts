/**
 * Reads a stream that a peer sent, frame by frame: order, messages, rows, hash. docs/protocol.md tells what a stream is.
 *
 * Nothing of a stream may be relied on before finish() returns its end marker: until then it is not known to be whole.
 * Whatever is wrong is a SqlsyncError 'batch-damaged' or 'batch-oversized' ('wire-version' for a hello that shares no
 * version), and after one the reader refuses all that follows.
 */
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { SqlsyncError } from '../errors.js';
import { SESSIONS_MAX } from './stream-names.js';
import { type StreamState, stepAfter } from './stream-order.js';
import { type Frame, PAYLOAD, type PayloadKind, StreamHasher } from './wire-frames.js';
import {
  type EndMarker,
  endMarkerSchema,
  type Hello,
  helloSchema,
  type TableDefinition,
  tableDefinitionSchema,
  WIRE_VERSION,
  WIRE_VERSION_MIN,
} from './wire-messages.js';
import { type IncomingRow, RowsDecoder } from './wire-rows.js';

/** A JSON message is no longer than this: a hello of a hundred thousand sessions fits. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** What is wrong with a message is told in at most so many characters, since a peer chose some of them. */
const PROBLEM_CHARS_MAX = 300;
/** Controls, and marks that turn text around. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}]/gu;

export type StreamEvent =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'table'; readonly index: number; readonly definition: TableDefinition }
  | { readonly kind: 'sessions'; readonly sessions: readonly string[] }
  /** Mode 'decode'. Blobs are views of the frame's memory. */
  | { readonly kind: 'rows'; readonly rows: readonly IncomingRow[] }
  /** Mode 'pass': a checked payload, for a RowsDecoder with the same tables and sessions. */
  | { readonly kind: 'rows-payload'; readonly payload: Buffer; readonly count: number }
  /** A snapshot's header: JSON that the snapshot's reader validates. */
  | { readonly kind: 'header'; readonly header: unknown }
  | { readonly kind: 'data'; readonly bytes: Buffer }
  /** The end frame has come: finish() gives its marker. */
  | { readonly kind: 'end' };

export interface StreamReaderOptions {
  /** What was asked for, so what must come. */
  readonly carries?: 'changes' | 'snapshot';
  /** Rows as objects, or checked and passed on packed, so that they can be spooled. */
  readonly rows?: 'decode' | 'pass';
}

/** The end frame's message: the end marker, and the hash of all frames before it. */
const endFrameSchema = endMarkerSchema.extend({ sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const sessionsSchema = z.array(z.string()).max(SESSIONS_MAX);
const versionsSchema = z.object({ wireVersion: z.number().int(), wireVersionMin: z.number().int() });

const KIND_OF: ReadonlyMap<number, PayloadKind> = new Map(
  (Object.keys(PAYLOAD) as PayloadKind[]).map((kind) => [PAYLOAD[kind], kind]),
);

export class StreamReader {
  private readonly hasher = new StreamHasher();
  /** Of the version that the stream's head says it is written in. */
  private decoder = new RowsDecoder();
  private state: StreamState;
  private tableCount = 0;
  private rowCount = 0;
  private marker: EndMarker | null = null;

  constructor(private readonly options: StreamReaderOptions = {}) {
    this.state = options.carries === 'snapshot' ? 'snapshot-start' : 'changes-start';
  }

  /** Takes the next frame, as FrameParser gave it, and what unpackFrame made of it. */
  accept(frame: Frame, payload: Buffer): StreamEvent {
    try {
      return this.event(frame, payload);
    } catch (error) {
      this.state = 'refused';
      throw error;
    }
  }

  /** The end marker of a stream that is whole. To be called when no more comes, after FrameParser.finish(). */
  finish(): EndMarker {
    if (this.state !== 'ended' || this.marker === null)
      throw new SqlsyncError('batch-damaged', 'the stream breaks off before its end');
    return this.marker;
  }

  private event(frame: Frame, payload: Buffer): StreamEvent {
    const what = `frame ${frame.index}`;
    const kind = KIND_OF.get(payload[0] ?? -1);
    if (kind === undefined) throw new SqlsyncError('batch-damaged', `${what}: no payload begins with ${payload[0]}`);
    const step = stepAfter(this.state, kind);
    if ('no' in step) throw new SqlsyncError('batch-damaged', `${what} (${kind}): ${step.no}`);
    const event = this.read[kind](payload, `${what} (${kind})`);
    if (kind !== 'end') this.hasher.add(frame.bytes);
    this.state = step.to;
    return event;
  }

  private readonly read: Record<PayloadKind, (payload: Buffer, what: string) => StreamEvent> = {
    hello: (payload, what) => {
      const hello = parseHello(readJson(payload, what), what);
      if (this.options.carries !== 'snapshot') this.decoder = new RowsDecoder(writtenIn(hello));
      return { kind: 'hello', hello };
    },
    table: (payload, what) => {
      const definition = validated(tableDefinitionSchema, readJson(payload, what), what);
      this.decoder.addTable(definition);
      return { kind: 'table', index: this.tableCount++, definition };
    },
    sessions: (payload, what) => {
      const sessions = validated(sessionsSchema, readJson(payload, what), what);
      this.decoder.addSessions(sessions);
      return { kind: 'sessions', sessions };
    },
    rows: (payload, what) => this.readRows(payload, what),
    end: (payload, what) => {
      this.marker = this.readEnd(payload, what);
      return { kind: 'end' };
    },
    data: (payload) => ({ kind: 'data', bytes: payload.subarray(1) }),
    header: (payload, what) => ({ kind: 'header', header: readJson(payload, what) }),
  };

  private readRows(payload: Buffer, what: string): StreamEvent {
    if (this.options.rows === 'pass') {
      let count = 0;
      for (const _ of this.decoder.decode(payload, what)) count++;
      this.rowCount += count;
      return { kind: 'rows-payload', payload, count };
    }
    const rows = [...this.decoder.decode(payload, what)];
    this.rowCount += rows.length;
    return { kind: 'rows', rows };
  }

  private readEnd(payload: Buffer, what: string): EndMarker {
    const { sha256, ...marker } = validated(endFrameSchema, readJson(payload, what), what);
    if (sha256 !== this.hasher.digest())
      throw new SqlsyncError('batch-damaged', `${what}: the stream before it does not match its sha256`);
    if (marker.rows !== this.rowCount)
      throw new SqlsyncError('batch-damaged', `${what}: ${marker.rows} rows were sent, ${this.rowCount} came`);
    return marker;
  }
}

function readJson(payload: Buffer, what: string): unknown {
  if (payload.length > MESSAGE_BYTES_MAX)
    throw new SqlsyncError('batch-oversized', `${what}: a message of more than ${MESSAGE_BYTES_MAX} bytes`);
  const text = payload.subarray(1);
  if (!isUtf8(text)) throw new SqlsyncError('batch-damaged', `${what}: the message is not valid UTF-8`);
  try {
    return JSON.parse(text.toString('utf8'));
  } catch (cause) {
    throw new SqlsyncError('batch-damaged', `${what}: the message is not JSON`, { cause });
  }
}

/** The wire version of a stream that has this head. Throws wire-version. */
function writtenIn({ wireVersion, node }: Hello): number {
  if (wireVersion <= WIRE_VERSION) return wireVersion;
  throw new SqlsyncError(
    'wire-version',
    `${node} sends wire version ${wireVersion}, this node speaks ${WIRE_VERSION}`,
    {
      hint: 'upgrade sqlsync on this node',
    },
  );
}

/** A hello of a later version may look different: say so by version, not by its first unknown field. */
export function parseHello(json: unknown, what: string): Hello {
  const versions = versionsSchema.safeParse(json);
  if (versions.success) {
    const { wireVersion, wireVersionMin } = versions.data;
    if (wireVersionMin > WIRE_VERSION || wireVersion < WIRE_VERSION_MIN)
      throw new SqlsyncError(
        'wire-version',
        `the peer speaks wire versions ${wireVersionMin} to ${wireVersion}, this node ${WIRE_VERSION_MIN} to ${WIRE_VERSION}`,
        { hint: 'upgrade sqlsync on the node with the older version' },
      );
  }
  return validated(helloSchema, json, what);
}

function validated<T>(schema: z.ZodType<T>, json: unknown, what: string): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.length ? issue.path.join('.') : 'the message';
  const problem = `${field}: ${issue?.message}`.slice(0, PROBLEM_CHARS_MAX).replace(UNPRINTABLE, '\ufffd');
  throw new SqlsyncError('batch-damaged', `${what}: ${problem}`);
}
