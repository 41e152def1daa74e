import { expect, test } from 'vitest';
import { parseAssignment, parseTypedValue } from '../../src/operations/typed-values.js';

test.each([
  ['5', 5],
  ['-0', 0],
  ['9007199254740993', { $int: '9007199254740993' }],
  ['-9223372036854775808', { $int: '-9223372036854775808' }],
  ['4.5', 4.5],
  ['5.0', { $real: '5' }],
  ['-0.0', { $real: '-0.0' }],
  ['1e300', { $real: '1e+300' }],
  [' "a=b" ', 'a=b'],
  ['""', ''],
  ['null', null],
  ['true', 1],
  ['{"$int":"7"}', 7],
  ['{"$real":"-Infinity"}', { $real: '-Infinity' }],
  ['{"$blob":"AP8="}', { $blob: 'AP8=' }],
])('%s', (text, value) => {
  expect(parseTypedValue(text)).toEqual(value);
});

test.each(['', 'Assam', '9223372036854775808', '1e999', '[1]', '{"a":1}', '05', '{"$int":"x"}'])(
  'no value: %s',
  (text) => {
    expect(() => parseTypedValue(text)).toThrow(expect.objectContaining({ code: 'usage', hint: expect.anything() }));
  },
);

test('an assignment ends its column at the first =', async () => {
  expect(await parseAssignment('name="a=b"')).toEqual({ column: 'name', value: 'a=b' });
  await expect(parseAssignment('name')).rejects.toThrow('is not COL=JSON');
  await expect(parseAssignment('=1')).rejects.toThrow('is not COL=JSON');
});
