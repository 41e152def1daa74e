import { expect, test } from 'vitest';
import { HeldOffers } from '../../src/replication/held-offers.js';

test('rows are offered once for a schema, again when that may have broken off, and not for ever', () => {
  const offers = new HeldOffers();
  const offer = (schemaHash: string, nowMs: number, peersHash = 'peers') => {
    const peer = { nodeId: 'n', behind: ['item'], schemaHash: peersHash };
    const due = offers.due(peer, schemaHash, nowMs);
    if (due.length > 0) offers.note(peer, schemaHash, nowMs);
    return due;
  };
  expect(offers.due({ nodeId: 'n', behind: [], schemaHash: 'peers' }, 'one', 0)).toEqual([]);
  expect([offer('one', 0), offer('one', 1000)]).toEqual([['item'], []]);
  expect([offer('two', 2000), offer('two', 3000)]).toEqual([['item'], []]);
  expect([offer('two', 63_000), offer('two', 130_000), offer('two', 10 ** 9)]).toEqual([['item'], ['item'], []]);
  expect([offer('two', 10 ** 9, 'new'), offer('two', 10 ** 9, 'new')]).toEqual([['item'], []]);
});
