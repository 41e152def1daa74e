import { describe, expect, test } from 'vitest';
import { type StreamEvent, StreamReader } from '../../src/replication/stream-reader.js';
import { encodeFrame, type Frame, PAYLOAD, type PayloadKind, StreamHasher } from '../../src/replication/wire-frames.js';
import { RowsDecoder } from '../../src/replication/wire-rows.js';
import {
  HELLO,
  ITEM_ROWS,
  ITEMS,
  LINK_ROWS,
  LINKS,
  MARKER,
  message,
  payloadsOf,
  readStream,
  sampleFrames,
} from '../support/sample-stream.js';

type Carries = 'changes' | 'snapshot';

const sample = Buffer.concat(await sampleFrames());
const withCode = (code: string) => expect.objectContaining({ code });

/** Hands a reader payloads, each in a frame of its own. */
async function accept(reader: StreamReader, ...payloads: readonly Buffer[]): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for (const payload of payloads) {
    const bytes = await encodeFrame(payload);
    const frame: Frame = { index: events.length, bytes, compressed: bytes.subarray(8) };
    events.push(reader.accept(frame, payload));
  }
  return events;
}

describe('a stream', () => {
  test('arrives whole', () => {
    const { events, marker } = readStream(sample);
    expect(events.map(({ kind }) => kind)).toEqual(['hello', 'table', 'sessions', 'rows', 'table', 'rows', 'end']);
    expect(events[0]).toEqual({ kind: 'hello', hello: HELLO });
    expect(events[1]).toEqual({ kind: 'table', index: 0, definition: ITEMS });
    expect(events[4]).toEqual({ kind: 'table', index: 1, definition: LINKS });
    const rows = events.flatMap((event) => (event.kind === 'rows' ? event.rows : []));
    expect(rows.map(({ tableIndex, image, key }) => ({ tableIndex, image, key }))).toEqual([
      ...ITEM_ROWS.map(({ image, key }) => ({ tableIndex: 0, image, key })),
      ...LINK_ROWS.map(({ image, key }) => ({ tableIndex: 1, image, key })),
    ]);
    expect(marker).toEqual({ ...MARKER, rows: ITEM_ROWS.length + LINK_ROWS.length });
  });

  test('passes rows on packed, for a decoder to read later', () => {
    const decoder = new RowsDecoder();
    const rows = readStream(sample, { rows: 'pass' }).events.flatMap((event) => {
      if (event.kind === 'table') decoder.addTable(event.definition);
      if (event.kind === 'sessions') decoder.addSessions(event.sessions);
      if (event.kind !== 'rows-payload') return [];
      const decoded = [...decoder.decode(event.payload)];
      expect(event.count).toBe(decoded.length);
      return decoded;
    });
    expect(rows).toEqual(readStream(sample).events.flatMap((event) => (event.kind === 'rows' ? event.rows : [])));
  });

  test('may carry a snapshot', async () => {
    const reader = new StreamReader({ carries: 'snapshot' });
    const events = await accept(
      reader,
      message('hello', HELLO),
      message('header', { bytes: 5 }),
      Buffer.of(PAYLOAD.data, 1, 2, 3),
      Buffer.of(PAYLOAD.data),
    );
    expect(events.slice(1)).toEqual([
      { kind: 'header', header: { bytes: 5 } },
      { kind: 'data', bytes: Buffer.of(1, 2, 3) },
      { kind: 'data', bytes: Buffer.alloc(0) },
    ]);
  });

  test('is not whole before its end', () => {
    const reader = new StreamReader();
    expect(() => reader.finish()).toThrow(withCode('batch-damaged'));
  });
});

describe('the order of payloads', () => {
  const KINDS = Object.keys(PAYLOAD) as PayloadKind[];
  /** What may follow what, besides all that must not. */
  const ALLOWED: Record<Carries, Record<string, readonly PayloadKind[]>> = {
    changes: {
      '': ['hello'],
      hello: ['table', 'sessions', 'rows', 'end'],
      'hello table sessions rows': ['table', 'sessions', 'rows', 'end'],
      'hello end': [],
    },
    snapshot: {
      '': ['hello'],
      hello: ['header'],
      'hello header': ['data', 'end'],
      'hello header data': ['data', 'end'],
      'hello header data end': [],
    },
  };

  /** A payload of this kind that is right in itself; the end's hash is that of the payloads before it. */
  async function payloadOf(kind: PayloadKind, before: readonly Buffer[]): Promise<Buffer> {
    const hasher = new StreamHasher();
    for (const payload of before) hasher.add(await encodeFrame(payload));
    const seen = before.filter((payload) => payload[0] === PAYLOAD[kind]).length;
    const payloads: Record<PayloadKind, Buffer> = {
      hello: message('hello', HELLO),
      table: message('table', { ...ITEMS, name: `items ${seen}` }),
      sessions: message('sessions', [`berlin.0123456789abcdef@${seen}`]),
      rows: Buffer.of(PAYLOAD.rows),
      end: message('end', { ...MARKER, rows: 0, sha256: hasher.digest() }),
      data: Buffer.of(PAYLOAD.data),
      header: message('header', {}),
    };
    return payloads[kind];
  }

  const cases = Object.entries(ALLOWED).flatMap(([carries, states]) =>
    Object.entries(states).flatMap(([before, allowed]) =>
      KINDS.map((kind) => ({ carries: carries as Carries, before, kind, allowed: allowed.includes(kind) })),
    ),
  );

  test.each(cases)('$carries, after "$before": $kind allowed: $allowed', async ({ carries, before, kind, allowed }) => {
    const reader = new StreamReader({ carries });
    const payloads: Buffer[] = [];
    for (const step of before.split(' ').filter(Boolean) as PayloadKind[]) {
      payloads.push(await payloadOf(step, payloads));
    }
    await accept(reader, ...payloads);
    const next = await payloadOf(kind, payloads);
    if (allowed) {
      await expect(accept(reader, next)).resolves.toHaveLength(1);
      return;
    }
    await expect(accept(reader, next)).rejects.toThrow(withCode('batch-damaged'));
    for (const later of KINDS) {
      await expect(accept(reader, await payloadOf(later, payloads))).rejects.toThrow(/has been refused/);
    }
    expect(() => reader.finish()).toThrow(withCode('batch-damaged'));
  });
});

describe('a message', () => {
  const refused = async (code: string, pattern: RegExp, ...payloads: Buffer[]) => {
    const reader = new StreamReader();
    const last = payloads.pop() as Buffer;
    await accept(reader, ...payloads);
    const answer = accept(reader, last);
    await expect(answer).rejects.toThrow(withCode(code));
    await expect(answer).rejects.toThrow(pattern);
  };
  const hello = message('hello', HELLO);

  test.each<[string, unknown, RegExp]>([
    ['a field of the wrong type', { ...HELLO, horizon: 'now' }, /^frame 0 \(hello\): horizon: /],
    ['a field within a field', { ...HELLO, vector: { nobody: 1 } }, /^frame 0 \(hello\): vector/],
    ['a field too many', { ...HELLO, extra: 1 }, /extra/],
    ['no object', [], /the message: /],
  ])('is refused by the name of its field: %s', async (_, json, pattern) => {
    await refused('batch-damaged', pattern, message('hello', json));
  });

  test('is refused in words that are bounded and fit a terminal', async () => {
    const name = `\x1b[2J\u202e${'x'.repeat(10_000)}`;
    const error = await accept(new StreamReader(), message('hello', { ...HELLO, [name]: 1 })).catch((e) => e);
    expect(error.message.length).toBeLessThan(400);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(error.message).not.toMatch(/[\x00-\x1f\u202e]/);
  });

  test('of a later version is refused by its version', async () => {
    const later = { ...HELLO, wireVersion: 4, wireVersionMin: 3, news: true };
    await refused('wire-version', /wire versions 3 to 4, this node 1 to 2/, message('hello', later));
  });

  test('is refused at the head of changes that are written in a later version', async () => {
    const later = message('hello', { ...HELLO, wireVersion: 3 });
    await refused('wire-version', /sends wire version 3, this node speaks 2/, later);
    expect(await accept(new StreamReader({ carries: 'snapshot' }), later)).toMatchObject([{ kind: 'hello' }]);
  });

  test.each([
    ['not JSON', Buffer.from('\x01{"wireVersion":'), 'batch-damaged', /not JSON/],
    ['not UTF-8', Buffer.from('\x01"\xff"', 'latin1'), 'batch-damaged', /not valid UTF-8/],
    ['nested a million deep', Buffer.from(`\x01${'['.repeat(1_000_000)}`), 'batch-damaged', /not JSON/],
    ['too long', Buffer.alloc(16 * 1024 * 1024 + 1, 1), 'batch-oversized', /more than 16777216 bytes/],
    ['of no kind', Buffer.of(0x08), 'batch-damaged', /no payload begins with 8/],
  ])('is refused if it is %s', async (_, payload, code, pattern) => {
    await refused(code, pattern, payload);
  });

  test.each<[string, PayloadKind, unknown, RegExp]>([
    ['a table without a key', 'table', { ...ITEMS, key: [] }, /\(table\): key/],
    ['a table whose key is no column', 'table', { ...ITEMS, key: ['other'] }, /definition of table 0/],
    ['a list of sessions that is none', 'sessions', ['a', 1], /\(sessions\): 1: /],
    ['a session that is none', 'sessions', ['nobody'], /no session name/],
    ['an end without a hash', 'end', { ...MARKER, rows: 0 }, /\(end\): sha256/],
    ['an end with another hash', 'end', { ...MARKER, rows: 0, sha256: '0'.repeat(64) }, /sha256/],
  ])('is refused if it is %s', async (_, kind, json, pattern) => {
    await refused('batch-damaged', pattern, hello, message(kind, json));
  });

  test('is refused if it is an end that counts other rows', async () => {
    const hasher = new StreamHasher();
    hasher.add(await encodeFrame(hello));
    const end = message('end', { ...MARKER, rows: 1, sha256: hasher.digest() });
    await refused('batch-damaged', /1 rows were sent, 0 came/, hello, end);
  });
});

describe('rows', () => {
  test.each(['decode', 'pass'] as const)('are checked before they are passed on: mode %s', async (rows) => {
    const [hello, table, , packed] = payloadsOf(sample) as [Buffer, Buffer, Buffer, Buffer];
    const reader = new StreamReader({ rows });
    await accept(reader, hello, table);
    await expect(accept(reader, packed)).rejects.toThrow(/session 0 is not among the 0 listed/);
  });
});
