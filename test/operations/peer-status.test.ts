import { expect, test } from 'vitest';
import { type PeerFacts, peersOf } from '../../src/operations/peer-status.js';
import { HLC_PER_MS } from '../../src/replication/hlc.js';

const NOW = new Date('2026-01-02T12:00:00Z');
const lyon = {
  name: 'lyon',
  url: 'http://127.0.0.1:1',
  databases: ['shop'],
  direction: 'push',
  schedule: null,
  live: true,
} as const;
const elsewhere = { ...lyon, name: 'nice', databases: ['stock'] } as const;

function facts(change: {
  peers?: unknown[];
  members?: string[];
  backlogs?: object;
  served?: object;
  paused?: string[];
  verified?: object;
}): PeerFacts {
  const { members = [], backlogs = {}, served = null, verified = {} } = change;
  return {
    database: 'shop',
    config: { node: 'paris', peers: (change.peers ?? []) as never },
    served: served as PeerFacts['served'],
    replica: { members, backlogs, verified } as unknown as PeerFacts['replica'],
    paused: change.paused ?? [],
    now: NOW,
  };
}

test('configured peers of this database, peers that the daemon has met, and members: each once', () => {
  const met = {
    peers: [
      { name: 'lyon', state: 'online', direction: 'both' },
      { name: 'brest', state: 'online', direction: 'both' },
    ],
  };
  const peers = peersOf(facts({ peers: [lyon, elsewhere], members: ['paris', 'lyon', 'metz'], served: met }));
  expect(peers.map(({ name, state, direction }) => [name, state, direction])).toEqual([
    ['lyon', 'online', 'both'],
    ['brest', 'online', 'both'],
    ['metz', 'offline', 'both'],
  ]);
});

test('without a daemon what the configuration and the file tell', () => {
  const [peer] = peersOf(facts({ peers: [lyon], paused: ['lyon'] }));
  expect(peer).toMatchObject({ state: 'paused', direction: 'push', rowsSent: null, lastContactAt: null });
});

test('what a member has not acknowledged has an age; of who is no member nothing is known', () => {
  const oldestHlc = (NOW.getTime() - 90_000) * HLC_PER_MS;
  const waiting = peersOf(facts({ peers: [lyon], backlogs: { lyon: { changes: 3, oldestHlc, isAhead: false } } }));
  expect(waiting[0]?.outbound).toEqual({ changes: 3, oldestSeconds: 90 });
  const none = peersOf(facts({ peers: [lyon], backlogs: { lyon: { changes: 0, oldestHlc: null, isAhead: false } } }));
  expect(none[0]?.outbound).toEqual({ changes: 0, oldestSeconds: 0 });
  expect(peersOf(facts({ peers: [lyon] }))[0]?.outbound).toEqual({ changes: null, oldestSeconds: null });
});

test('that a peer has nothing for this node is known only while it is in touch and not ahead', () => {
  const inbound = (state: string, isAhead: boolean) => {
    const served = { peers: [{ name: 'lyon', state, direction: 'both' }] };
    return peersOf(facts({ peers: [lyon], served, backlogs: { lyon: { changes: 0, oldestHlc: null, isAhead } } }))[0]
      ?.inbound.changes;
  };
  expect(inbound('online', false)).toBe(0);
  expect(inbound('online', true)).toBeNull();
  expect(inbound('offline', false)).toBeNull();
});

test('when a peer was last compared with, whatever came of it', () => {
  const verified = { lyon: { atMs: NOW.getTime() - 1000, equalAtMs: null, differences: 3 }, nice: { atMs: null } };
  const peers = peersOf(facts({ peers: [lyon], members: ['nice'], verified }));
  expect(peers.map(({ name, lastVerify }) => [name, lastVerify])).toEqual([
    ['lyon', '2026-01-02T11:59:59.000Z'],
    ['nice', null],
  ]);
});
