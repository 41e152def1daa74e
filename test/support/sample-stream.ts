/** One small stream with a bit of everything, and ways to take streams apart and read them. */
import { UNSAID_SINCE } from '../../src/replication/older-wire.js';
import { OTHER_COLUMNS, RawText, type SqlValue } from '../../src/replication/row-version.js';
import { SETTLED_SESSION } from '../../src/replication/stamp.js';
import { type StreamEvent, StreamReader, type StreamReaderOptions } from '../../src/replication/stream-reader.js';
import {
  encodeFrame,
  FrameParser,
  PAYLOAD,
  type PayloadKind,
  StreamHasher,
  unpackFrameSync,
} from '../../src/replication/wire-frames.js';
import { type EndMarker, type Hello, WIRE_VERSION, WIRE_VERSION_MIN } from '../../src/replication/wire-messages.js';
import { type OutgoingRow, RowsEncoder } from '../../src/replication/wire-rows.js';

export const LIMITS = { frameBytesMax: 1024 * 1024, frameUnpackedBytesMax: 1024 * 1024 };

const BERLIN = 'berlin.0123456789abcdef@0';
const OSLO = 'oslo.fedcba9876543210@3580000000000000';

const OSLO_ID = '0123456789abcdef0123456789abcdef';

export const HELLO: Hello = {
  wireVersion: WIRE_VERSION,
  wireVersionMin: WIRE_VERSION_MIN,
  capabilities: ['gzip'],
  database: 'shop',
  dataset: '00112233445566778899aabbccddeeff',
  node: 'berlin',
  nodeId: 'ffeeddccbbaa99887766554433221100',
  session: BERLIN,
  encoding: 'UTF-8',
  schemaHash: 'ab'.repeat(32),
  rulesHash: 'cd'.repeat(32),
  ruleChange: null,
  clockMs: 1_750_000_000_000,
  vector: { [BERLIN]: 3_584_000_000_000_123, [OSLO]: 3_584_000_000_000_100 },
  folded: 3_584_000_000_000_123,
  horizon: 3_583_000_000_000_000,
  dropped: 0,
  hold: null,
  behind: [],
  aside: [],
  renamed: {},
  catchingUp: null,
  cursors: { [OSLO]: 17 },
  acknowledged: {
    [OSLO_ID]: {
      vector: { [BERLIN]: 3_583_000_000_000_000 },
      horizon: 0,
      hold: null,
      folded: 3_584_000_000_000_100,
      atMs: 1_749_999_999_000,
    },
  },
};

export const ITEMS = {
  name: 'items',
  columns: ['id', 'name', 'price', 'data', 'größe'],
  affinities: 'ITRBN',
  key: ['id'],
  collations: ['BINARY'],
};
export const ITEM_IDS = [0, 1, 2, 3, 8];
export const LINKS = {
  name: 'we"ird links',
  columns: ['from', 'to'],
  affinities: 'TT',
  key: ['to', 'from'],
  collations: ['NOCASE', 'BINARY'],
};
export const LINK_IDS = [0, 1];

export const MARKER: Omit<EndMarker, 'rows'> = {
  clockMs: HELLO.clockMs,
  vector: HELLO.vector,
  folded: HELLO.folded,
  horizon: HELLO.horizon,
  dropped: 0,
  hold: null,
  session: BERLIN,
  cursor: 42,
  acknowledged: {},
};

const stamp = { hlc: 3_584_000_000_000_123, session: BERLIN };
const earlier = { hlc: 3_584_000_000_000_100, session: OSLO };
const plain = { alive: true, life: stamp, stamp, vector: null, columnStamps: null, edits: 1 };
const item = (...image: SqlValue[]): OutgoingRow => ({ version: plain, key: image.slice(0, 1), image });

/** Rows of `items`: between them every kind of value. */
export const ITEM_ROWS: readonly OutgoingRow[] = [
  item(1n, 'first', 9.99, Buffer.from([0, 255]), null),
  item(-(2n ** 63n), '', -0, Buffer.alloc(0), 2n ** 63n - 1n),
  item(112n, 'größe €😀\0', Number.POSITIVE_INFINITY, new RawText(Buffer.from([0xff, 0xfe])), -1n),
  item(2n ** 53n + 1n, 'x'.repeat(200), 5e-324, Buffer.alloc(300, 7), 111n),
  {
    version: {
      alive: true,
      life: earlier,
      stamp,
      vector: new Map([
        [OSLO, earlier.hlc],
        [BERLIN, stamp.hlc],
      ]),
      columnStamps: new Map([
        [1, stamp],
        [8, { hlc: 3_584_000_000_000_110, session: OSLO }],
      ]),
      edits: 300,
    },
    key: ['k'],
    image: ['k', null, 1, null, 'é'],
  },
  {
    version: {
      ...plain,
      edits: 4,
      unsaid: new Map([
        [8, null],
        [2, { stamp: earlier, edits: 3 }],
        [OTHER_COLUMNS, { stamp: { hlc: HELLO.horizon, session: OSLO }, edits: 2 }],
      ]),
    },
    key: ['u'],
    image: ['u', 'unsaid', 2, null, null],
  },
];

/** Rows of `we"ird links`: a tombstone, and a live row whose life is settled. */
export const LINK_ROWS: readonly OutgoingRow[] = [
  { version: { ...plain, alive: false, life: earlier, edits: 2 }, key: [7n, 'a'], image: null },
  { version: { ...plain, life: { hlc: HELLO.horizon, session: SETTLED_SESSION } }, key: [8n, 'b'], image: ['b', 8n] },
];

export function message(kind: PayloadKind, json: unknown): Buffer {
  return Buffer.concat([Buffer.of(PAYLOAD[kind]), Buffer.from(JSON.stringify(json))]);
}

/** The stream's frames, in a wire version: without what that has no words for. */
export async function sampleFrames(wireVersion = WIRE_VERSION): Promise<Buffer[]> {
  const encoder = new RowsEncoder(wireVersion);
  const payloads = [message('hello', { ...HELLO, wireVersion }), message('table', ITEMS)];
  const itemRows = ITEM_ROWS.filter(({ version }) => version.unsaid === undefined || wireVersion >= UNSAID_SINCE);
  for (const row of itemRows) encoder.add(0, ITEM_IDS, row);
  payloads.push(...encoder.take(), message('table', LINKS));
  for (const row of LINK_ROWS) encoder.add(1, LINK_IDS, row);
  payloads.push(...encoder.take());
  const hasher = new StreamHasher();
  const frames = await Promise.all(payloads.map((payload) => encodeFrame(payload)));
  for (const frame of frames) hasher.add(frame);
  const end = { ...MARKER, rows: itemRows.length + LINK_ROWS.length, sha256: hasher.digest() };
  return [...frames, await encodeFrame(message('end', end))];
}

/** Cuts a stream into its frames' bytes. */
export function framesOf(stream: Buffer): Buffer[] {
  return [...new FrameParser(LIMITS.frameBytesMax).feed(stream)].map(({ bytes }) => bytes);
}

/** The payloads of a stream, unpacked. */
export function payloadsOf(stream: Buffer): Buffer[] {
  return [...new FrameParser(LIMITS.frameBytesMax).feed(stream)].map((frame) =>
    unpackFrameSync(frame, LIMITS.frameUnpackedBytesMax),
  );
}

/** Reads a whole stream as a receiver does. */
export function readStream(
  stream: Buffer,
  options: StreamReaderOptions = {},
): { readonly events: StreamEvent[]; readonly marker: EndMarker } {
  const parser = new FrameParser(LIMITS.frameBytesMax);
  const reader = new StreamReader(options);
  const events: StreamEvent[] = [];
  for (const frame of parser.feed(stream)) {
    events.push(reader.accept(frame, unpackFrameSync(frame, LIMITS.frameUnpackedBytesMax)));
  }
  parser.finish();
  return { events, marker: reader.finish() };
}
