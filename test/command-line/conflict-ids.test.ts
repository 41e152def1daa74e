import { expect, test } from 'vitest';
import { parseConflictIds } from '../../src/command-line/conflict-ids.js';

const ids = ['0123456789abcdef0123456789abcdef', '1234', 'f00d'];

test.each([
  ['ids, one a line', `${ids.join('\n')}\r\n\n`],
  ['objects, one a line', ids.map((id) => JSON.stringify({ id, more: 1 })).join('\n')],
  ['a list document', JSON.stringify({ items: ids.map((id) => ({ id })), total: 3, nextCursor: null }, null, 2)],
  ['an array', JSON.stringify(ids)],
  ['an array of objects', JSON.stringify(ids.map((id) => ({ id })))],
])('%s', (_, text) => {
  expect(parseConflictIds(text)).toEqual(ids);
});

test('one of anything is one, and nothing is none', () => {
  expect(parseConflictIds('"f00d"')).toEqual(['f00d']);
  expect(parseConflictIds('{"id":"f00d"}')).toEqual(['f00d']);
  expect(parseConflictIds('1234\n')).toEqual(['1234']);
  expect(parseConflictIds('')).toEqual([]);
  expect(parseConflictIds('{"items":[]}')).toEqual([]);
});

test.each(['{"total":1}', '{"id":7}', 'null', '[[1]]', 'f00d\n{"id":'])('no list: %s', (text) => {
  expect(() => parseConflictIds(text)).toThrow(expect.objectContaining({ code: 'usage' }));
});
