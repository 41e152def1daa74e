/** Values through JSON and back: none is bent on the way. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromJsonValue, toJsonValue } from '../../src/replication/json-values.js';
import { RawText, type SqlValue } from '../../src/replication/row-version.js';

const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true }),
  fc.constantFrom(-0, 1, 2 ** 60, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  fc.string({ unit: 'grapheme' }),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  fc.uint8Array().map((bytes) => new RawText(Buffer.from(bytes))),
);

test('every value comes back from JSON as it went in', () => {
  fc.assert(
    fc.property(value, (given) => {
      expect(fromJsonValue(JSON.parse(JSON.stringify(toJsonValue(given))))).toStrictEqual(given);
    }),
  );
});

test.each([
  [undefined],
  [[]],
  [{}],
  [{ $int: '9223372036854775808' }],
  [{ $int: '1.5' }],
  [{ $real: 'x' }],
  [{ $real: '' }],
  [{ $blob: 1 }],
  [{ $other: '1' }],
  [{ $int: '1', $blob: '' }],
])('%j stands for no value', (json) => {
  expect(fromJsonValue(json)).toBeUndefined();
});

test('what a person types is what a person means', () => {
  expect([12, 1.5, true, false, 'x', null].map(fromJsonValue)).toEqual([12n, 1.5, 1n, 0n, 'x', null]);
});
