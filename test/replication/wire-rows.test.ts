import { deepStrictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SqlsyncError } from '../../src/errors.js';
import { OTHER_COLUMNS, type RowVersion, withColumnIds } from '../../src/replication/row-version.js';
import { SETTLED_SESSION } from '../../src/replication/stamp.js';
import { PAYLOAD } from '../../src/replication/wire-frames.js';
import { type OutgoingRow, ROWS_PER_FRAME_MAX, RowsDecoder, RowsEncoder } from '../../src/replication/wire-rows.js';
import { outgoingRow, SESSIONS } from '../support/arbitrary-rows.js';

const [A, B] = SESSIONS as [string, string];
/** Three columns, keyed by the last and the first, in a file that numbers them 7, 3 and 5. */
const ITEMS = {
  name: 'items',
  columns: ['a', 'b', 'c'],
  affinities: 'BBB',
  key: ['c', 'a'],
  collations: ['BINARY', 'BINARY'],
};
const ITEM_IDS = [7, 3, 5];
const NOTES = { name: 'notes', columns: ['id'], affinities: 'B', key: ['id'], collations: ['BINARY'] };
const NOTE_IDS = [1];

const anyRow = fc.oneof(
  fc.record({ tableIndex: fc.constant(0), row: outgoingRow(ITEM_IDS, [2, 0]) }),
  fc.record({ tableIndex: fc.constant(1), row: outgoingRow(NOTE_IDS, [0]) }),
);

/** What is to come out for what went in: column stamps by place instead of id. */
function expected({ tableIndex, row }: { tableIndex: number; row: OutgoingRow }) {
  const ids = tableIndex === 0 ? ITEM_IDS : NOTE_IDS;
  return { tableIndex, key: row.key, version: withColumnIds(row.version, (id) => ids.indexOf(id)), image: row.image };
}

function decoderOf(sessions: readonly string[] = []): RowsDecoder {
  const decoder = new RowsDecoder();
  decoder.addTable(ITEMS);
  decoder.addTable(NOTES);
  decoder.addSessions(sessions);
  return decoder;
}

/** Gives a decoder the payloads in their order, and returns the rows. */
function decodeAll(decoder: RowsDecoder, payloads: readonly Buffer[]) {
  return payloads.flatMap((payload) => {
    if (payload[0] === PAYLOAD.rows) return [...decoder.decode(payload)];
    decoder.addSessions(JSON.parse(payload.toString('utf8', 1)));
    return [];
  });
}

/** A live row of `notes`, with what matters in a test. */
function note(version: Partial<RowVersion>): OutgoingRow {
  const stamp = version.stamp ?? { hlc: 9, session: A };
  return {
    version: { alive: true, life: stamp, stamp, vector: null, columnStamps: null, edits: 1, ...version },
    key: [1n],
    image: version.alive === false ? null : [1n],
  };
}

describe('a row', () => {
  test('arrives as it left, in payloads of any number', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyRow, fc.boolean()), { maxLength: 12 }), (steps) => {
        const encoder = new RowsEncoder();
        const payloads: Buffer[] = [];
        for (const [{ tableIndex, row }, flush] of steps) {
          encoder.add(tableIndex, tableIndex === 0 ? ITEM_IDS : NOTE_IDS, row);
          if (flush) payloads.push(...encoder.take());
        }
        payloads.push(...encoder.take());
        deepStrictEqual(
          decodeAll(decoderOf(), payloads),
          steps.map(([step]) => expected(step)),
        );
      }),
      { numRuns: 1500 },
    );
  });

  test('names a session once a stream, ahead of the rows that first refer to it', () => {
    const encoder = new RowsEncoder();
    const add = (session: string) => encoder.add(1, NOTE_IDS, note({ stamp: { hlc: 9, session } }));
    add(B);
    add(A);
    add(B);
    const [first, ...rest] = encoder.take();
    expect(first?.toString('latin1')).toBe(`\x03["${B}","${A}"]`);
    expect(rest).toHaveLength(1);
    add(A);
    expect(encoder.take()).toHaveLength(1);
    expect(encoder.take()).toEqual([]);
  });

  test('is measured as it is added', () => {
    const encoder = new RowsEncoder();
    expect(encoder.size).toBe(0);
    encoder.add(1, NOTE_IDS, note({}));
    const { size } = encoder;
    expect(encoder.take().at(-1)).toHaveLength(size);
    expect(encoder.size).toBe(0);
  });

  test('has one form: what is read is written again byte for byte', () => {
    // One session and one table, so that the encoder numbers them as whoever wrote the bytes.
    const decoder = new RowsDecoder();
    decoder.addTable(NOTES);
    decoder.addSessions([A]);
    const small = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 9, 11, 19), fc.integer({ min: 0, max: 255 }));
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(small, { maxLength: 14 }), (array) => {
        const payload = Buffer.from([PAYLOAD.rows, 1, 0, 2, 0, 1, ...array.slice(0, 1), ...array]);
        const encoder = new RowsEncoder();
        try {
          for (const row of decoder.decode(payload)) encoder.add(row.tableIndex, [0], row);
        } catch (error) {
          expect(error).toMatchObject({ code: 'batch-damaged' });
          return;
        }
        accepted++;
        expect(encoder.take().at(-1)).toEqual(payload);
      }),
      { numRuns: 20_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});

describe('a row that a peer would refuse is a bug of this node', () => {
  const stamp = { hlc: 9, session: A };
  test.each<[string, OutgoingRow]>([
    ['a live row without an image', { ...note({}), image: null }],
    ['a tombstone with an image', { ...note({ alive: false }), image: [1n] }],
    ['an image of another width', { ...note({}), image: [1n, 2n] }],
    ['a life later than the stamp', note({ life: { hlc: 10, session: A } })],
    ['a settled life later than the stamp', note({ life: { hlc: 10, session: SETTLED_SESSION } })],
    ['no edits', note({ edits: 0 })],
    ['a fraction of an edit', note({ edits: 1.5 })],
    ['a vector without the stamp', note({ vector: new Map([[B, 9]]) })],
    ['a vector short of the stamp', note({ vector: new Map([[A, 8]]) })],
    ['a column stamped later than the row', note({ columnStamps: new Map([[1, { hlc: 10, session: A }]]) })],
    ['a tombstone that leaves columns unsaid', note({ alive: false, unsaid: new Map([[OTHER_COLUMNS, null]]) })],
    ['a tombstone with column stamps', note({ alive: false, columnStamps: new Map([[1, stamp]]) })],
    ['a settled stamp', note({ stamp: { hlc: 9, session: SETTLED_SESSION } })],
    ['a fraction of a clock', note({ stamp: { hlc: 9.5, session: A } })],
    ['a negative clock', note({ stamp: { hlc: -1, session: A } })],
    ['a clock that is not safe', note({ stamp: { hlc: 2 ** 53, session: A } })],
  ])('%s', (_, row) => {
    expect(() => new RowsEncoder().add(1, NOTE_IDS, row)).toThrow(expect.objectContaining({ code: 'bug' }));
  });
});

describe('a payload', () => {
  test('leaves out a vector that says no more than the stamp', () => {
    const pack = (vector: RowVersion['vector']) => {
      const encoder = new RowsEncoder();
      encoder.add(1, NOTE_IDS, note({ vector }));
      return encoder.take().at(-1);
    };
    expect(pack(new Map([[A, 9]]))).toEqual(pack(null));
  });

  test('leaves out the stamps of columns that are not sent', () => {
    const stamp = { hlc: 9, session: A };
    const encoder = new RowsEncoder();
    const image = [1n, 2n, 3n];
    const of = (ids: number[]) => note({ columnStamps: new Map(ids.map((id) => [id, stamp])) });
    encoder.add(0, ITEM_IDS, { ...of([6, 5]), image });
    encoder.add(0, ITEM_IDS, { ...of([6]), image });
    expect(decodeAll(decoderOf(), encoder.take()).map(({ version }) => version.columnStamps)).toEqual([
      new Map([[2, stamp]]),
      null,
    ]);
  });

  test('holds a bounded number of rows, for who writes and for who reads', () => {
    const encoder = new RowsEncoder();
    for (let i = 0; i < ROWS_PER_FRAME_MAX; i++) encoder.add(1, NOTE_IDS, note({}));
    expect(encoder.isFull).toBe(true);
    expect(() => encoder.add(1, NOTE_IDS, note({}))).toThrow(expect.objectContaining({ code: 'bug' }));
    const payloads = encoder.take();
    expect(encoder.isFull).toBe(false);
    expect(decodeAll(decoderOf(), payloads)).toHaveLength(ROWS_PER_FRAME_MAX);
    encoder.add(1, NOTE_IDS, note({}));
    const oneMore = Buffer.concat([payloads.at(-1) as Buffer, (encoder.take().at(-1) as Buffer).subarray(1)]);
    expect(() => decodeAll(decoderOf([A]), [oneMore])).toThrow(expect.objectContaining({ code: 'batch-oversized' }));
  });

  test('can be read while another is half read', () => {
    const encoder = new RowsEncoder();
    for (let i = 0; i < 3; i++) encoder.add(1, NOTE_IDS, note({ stamp: { hlc: 100 + i, session: A } }));
    const payload = encoder.take().at(-1) as Buffer;
    const decoder = decoderOf([A]);
    const half = decoder.decode(payload);
    half.next();
    const whole = [...decoder.decode(payload)];
    expect([...half].map(({ version }) => version.stamp.hlc)).toEqual([101, 102]);
    expect(whole.map(({ version }) => version.stamp.hlc)).toEqual([100, 101, 102]);
  });

  test('of another kind is no payload of rows', () => {
    expect(() => [...decoderOf().decode(Buffer.of(PAYLOAD.table))]).toThrow(/no payload of rows/);
  });
});

describe('random bytes', () => {
  test('are rows or damaged, and nothing else', () => {
    const decoder = decoderOf(SESSIONS);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (array) => {
        try {
          for (const _ of decoder.decode(Buffer.from([PAYLOAD.rows, ...array])));
        } catch (error) {
          expect(error).toBeInstanceOf(SqlsyncError);
          expect(error).toMatchObject({ code: 'batch-damaged' });
        }
      }),
      { numRuns: 10_000 },
    );
  });
});
