import { deepStrictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SqlsyncError } from '../../src/errors.js';
import { RawText, type SqlValue } from '../../src/replication/row-version.js';
import { WireReader } from '../../src/replication/wire-reader.js';
import { WireWriter } from '../../src/replication/wire-writer.js';
import { sqlValue } from '../support/arbitrary-rows.js';

/** Values one after another, as in a row. */
function write(values: readonly SqlValue[]): Buffer {
  const writer = new WireWriter();
  for (const value of values) writer.value(value);
  return writer.take();
}

function read(bytes: Buffer): SqlValue[] {
  const reader = new WireReader(bytes, 'values');
  const values: SqlValue[] = [];
  while (!reader.done) values.push(reader.value());
  return values;
}

const hex = (value: SqlValue) => write([value]).toString('hex');
const fromHex = (digits: string) => read(Buffer.from(digits.replaceAll(' ', ''), 'hex'));
const damaged = (message: RegExp) =>
  expect.objectContaining({ code: 'batch-damaged', message: expect.stringMatching(message) });

describe('a value', () => {
  test('arrives as it left', () => {
    fc.assert(
      fc.property(fc.array(sqlValue, { maxLength: 8 }), (values) => deepStrictEqual(read(write(values)), values)),
      { numRuns: 3000 },
    );
  });

  test.each<[string, SqlValue]>([
    ['the smallest integer', -(2n ** 63n)],
    ['the largest integer', 2n ** 63n - 1n],
    ['the first integer that a number cannot hold', 2n ** 53n + 1n],
    ['negative zero', -0],
    ['the smallest subnormal', 5e-324],
    ['infinity', Number.NEGATIVE_INFINITY],
    ['a real that is whole', 1],
    ['empty text', ''],
    ['text with NUL', 'a\0b'],
    ['text that begins with a byte order mark', '\ufeffa'],
    ['text with the replacement character', 'a\ufffdb'],
    ['text of 127 bytes', 'x'.repeat(127)],
    ['text of 128 bytes', 'x'.repeat(128)],
    ['text whose bytes need a longer header than its characters', 'é'.repeat(64)],
    ['text beyond the writer’s first guess', '😀'.repeat(100_000)],
    ['text that is not UTF-8', new RawText(Buffer.from([0x61, 0xff]))],
    ['an empty blob', Buffer.alloc(0)],
    ['a blob of 100 MB', Buffer.alloc(100 * 1024 * 1024, 'sqlsync')],
  ])('arrives as it left: %s', (_, value) => {
    const [arrived, ...rest] = read(write([value]));
    expect(rest).toEqual([]);
    deepStrictEqual(arrived, value);
  });

  test.each<[string, SqlValue, string]>([
    ['NULL', null, '00'],
    ['0', 0n, '10'],
    ['111', 111n, '7f'],
    ['112', 112n, '01e001'],
    ['-1', -1n, '0101'],
    ['-64', -64n, '017f'],
    ['-65', -65n, '018101'],
    ['2^63-1', 2n ** 63n - 1n, '01feffffffffffffffff01'],
    ['-2^63', -(2n ** 63n), '01ffffffffffffffffff01'],
    ['1.5', 1.5, '023ff8000000000000'],
    ['-0.0', -0, '028000000000000000'],
    ['text', 'é', '82c3a9'],
    ['long text', 'x'.repeat(128), `038001${'78'.repeat(128)}`],
    ['a blob', Buffer.from([1, 2]), '04020102'],
    ['raw text', new RawText(Buffer.from([0xff])), '0501ff'],
  ])('%s has the bytes that the protocol gives it', (_, value, bytes) => {
    expect(hex(value)).toBe(bytes);
  });

  test('has one form: what is read is written again byte for byte', () => {
    const anyBytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
    let accepted = 0;
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        let values: SqlValue[];
        try {
          values = read(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SqlsyncError);
          return;
        }
        accepted++;
        expect(write(values)).toEqual(bytes);
      }),
      { numRuns: 10_000 },
    );
    expect(accepted).toBeGreaterThan(200);
  });

  test.each([
    ['a tag that no value has', '06', /no value begins with 6/],
    ['an integer that a tag would hold', '01de01', /longer than it need be/],
    ['an integer with an empty last byte', '018000', /longer than it need be/],
    ['an integer of 65 bits', '01ffffffffffffffffff03', /64 bits/],
    ['an integer of 11 bytes', '01ffffffffffffffffffff01', /too long/],
    ['an integer that breaks off', '0180', /more was expected/],
    ['a real that breaks off', '023ff8', /8 bytes were announced, 2 are left/],
    ['NaN', '027ff8000000000000', /NaN/],
    ['text that breaks off', '8361', /3 bytes were announced, 1 are left/],
    ['text that is not UTF-8', '82c328', /UTF-8/],
    ['text with half a surrogate pair', '83eda080', /UTF-8/],
    ['long text that is not UTF-8', `038001ff${'78'.repeat(127)}`, /UTF-8/],
    ['short text in the long form', '030161', /longer than it need be/],
    ['a blob of 2^60 bytes', '04 8080808080808080 10 00', /too large/],
    ['a blob of 2^50 bytes', '04 80808080808080 02 00', /1125899906842624 bytes were announced, 1 are left/],
    ['raw text of 2^50 bytes', '05 80808080808080 02', /were announced, 0 are left/],
    ['text of 2^50 bytes', '03 80808080808080 02', /were announced, 0 are left/],
  ])('is refused as damaged: %s', (_, digits, message) => {
    expect(() => fromHex(digits)).toThrow(damaged(message));
  });

  test('is refused with the byte at which it goes wrong', () => {
    expect(() => fromHex('10 82c328')).toThrow(damaged(/^values, byte 2: /));
  });

  test.each<[string, SqlValue]>([
    ['NaN', Number.NaN],
    ['an integer of more than 64 bits', 2n ** 63n],
    ['half a surrogate pair', 'a\ud800'],
  ])('is not written, as SQLite cannot hold it: %s', (_, value) => {
    expect(() => write([value])).toThrow(expect.objectContaining({ code: 'bug' }));
  });
});

describe('an integer', () => {
  const MAX = Number.MAX_SAFE_INTEGER;
  const borders = [0, 1, 63, 64, 127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 38, 2 ** 52, MAX];
  const unsigned = fc.oneof(fc.constantFrom(...borders), fc.maxSafeNat());

  test('arrives as it left', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(unsigned, fc.boolean())), (list) => {
        const writer = new WireWriter();
        for (const [n, negative] of list) {
          writer.varint(n);
          writer.zigzag(negative ? -n : n);
        }
        const reader = new WireReader(writer.take(), 'integers');
        for (const [n, negative] of list) {
          expect(reader.varint()).toBe(n);
          expect(reader.zigzag()).toBe(negative && n !== 0 ? -n : n);
        }
        expect(reader.done).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test.each([-1, 0.5, Number.NaN, MAX + 1])('is not written if it is none: %s', (n) => {
    expect(() => new WireWriter().varint(n)).toThrow(expect.objectContaining({ code: 'bug' }));
  });

  test('is not written if it is not safe', () => {
    expect(() => new WireWriter().zigzag(-MAX - 1)).toThrow(expect.objectContaining({ code: 'bug' }));
  });

  test.each(['80808080808080808001', '8080808080808010', '8000', 'ffffffffffffffffffffffffffffff'])(
    'is refused: %s',
    (digits) => {
      expect(() => new WireReader(Buffer.from(digits, 'hex'), 'x').varint()).toThrow(damaged(/integer/));
    },
  );
});

describe('a writer', () => {
  test('keeps what it handed over when it goes on', () => {
    const writer = new WireWriter();
    const taken: Buffer[] = [];
    for (let n = 0; n < 300; n++) {
      for (let i = 0; i < n; i++) writer.byte(n % 256);
      expect(writer.size).toBe(n);
      taken.push(writer.take());
    }
    taken.forEach((bytes, n) => {
      expect(bytes).toEqual(Buffer.alloc(n, n % 256));
    });
  });
});
