import { expect, test } from 'vitest';
import type { Engine } from '../../src/replication/engine.js';
import { HeldOffers } from '../../src/replication/held-offers.js';

type Facts = Pick<Engine, 'schema' | 'held' | 'fates' | 'clock'>;

test('rows are offered once for a schema, again when that may have broken off, and not for ever', () => {
  let now = { schemaHash: '', ms: 0, waiting: [] as string[] };
  const engine = {
    get schema() {
      return { schemaHash: now.schemaHash };
    },
    held: { waitingTables: () => new Set(now.waiting) },
    fates: { history: { renamed: new Map([['former', 'renamed']]) } },
    clock: { nowMs: () => now.ms },
  } as unknown as Facts;
  const offers = new HeldOffers(engine);
  const offer = (schemaHash: string, ms: number, peersHash = 'peers', waiting: string[] = []) => {
    now = { schemaHash, ms, waiting };
    const peer = { nodeId: 'n', behind: ['item', 'former'], schemaHash: peersHash };
    const due = offers.due(peer);
    if (due.length > 0) offers.note(peer);
    return due;
  };
  const all = ['item', 'renamed'];
  expect(offers.due({ nodeId: 'n', behind: [], schemaHash: 'peers' })).toEqual([]);
  expect([offer('one', 0), offer('one', 1000)]).toEqual([all, []]);
  expect([offer('two', 2000), offer('two', 3000)]).toEqual([all, []]);
  expect([offer('two', 63_000), offer('two', 130_000), offer('two', 10 ** 9)]).toEqual([all, all, []]);
  expect([offer('two', 10 ** 9, 'new'), offer('two', 10 ** 9, 'new')]).toEqual([all, []]);
  // What it kept aside itself has found its place.
  expect([offer('two', 10 ** 9, 'new', ['item']), offer('two', 10 ** 9, 'new')]).toEqual([all, all]);
});
