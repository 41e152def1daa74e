import { describe, expect, it, vi } from 'vitest';
import { makeFolder } from '../../support/make-folder.js';
import { type NodeOptions, TestNode } from '../node.js';

const soon = { interval: 2, timeout: 10_000 };

/** Two nodes whose daemons run: the second dials the first. */
async function pair(options: { first?: NodeOptions; second?: NodeOptions; peer?: object } = {}) {
  const paris = await TestNode.first(makeFolder(), 'paris', options.first).start();
  const lyon = await TestNode.joining(paris, 'lyon', { listens: false, ...options.second });
  await lyon.start({ peers: [{ ...paris.asPeer, ...options.peer }] });
  return { paris, lyon };
}

const stateOf = async (node: TestNode, peer: string) => (await node.peer(peer))?.state;

describe.each(['wal', 'delete'])('a live pair in journal mode %s', (journalMode) => {
  it('ships what is committed on either side, though one only dials', async () => {
    const { paris, lyon } = await pair({ first: { journalMode } });
    paris.insert(1, 'from paris');
    await vi.waitFor(() => expect(lyon.names()).toEqual(['from paris']), soon);
    lyon.insert(2, 'from lyon');
    await vi.waitFor(() => expect(paris.names()).toEqual(['from paris', 'from lyon']), soon);
    expect(await stateOf(paris, 'lyon')).toBe('online');
    expect(await stateOf(lyon, 'paris')).toBe('online');
  });

  it('ships what was committed while no daemon ran', async () => {
    const { paris, lyon } = await pair({ first: { journalMode } });
    await lyon.stop();
    lyon.insert(1, 'offline');
    paris.insert(2, 'meanwhile');
    await lyon.start({ peers: [paris.asPeer] });
    await vi.waitFor(() => expect(paris.names()).toEqual(['offline', 'meanwhile']), soon);
    await vi.waitFor(() => expect(lyon.names()).toEqual(['offline', 'meanwhile']), soon);
  });
});

describe('live connections', () => {
  it('ship what is committed while a stream is under way', async () => {
    const { paris, lyon } = await pair();
    await vi.waitFor(async () => expect(await stateOf(paris, 'lyon')).toBe('online'), soon);
    lyon.application.exec('BEGIN IMMEDIATE');
    paris.insert(1, 'waits for the lock');
    await vi.waitFor(async () => expect((await paris.peer('lyon'))?.rowsSent).toBe(1), soon);
    paris.insert(2, 'waits for the ack');
    await vi.waitFor(async () => expect((await paris.daemon?.status())?.databases[0]?.replica?.unfolded).toBe(0), soon);
    lyon.application.exec('COMMIT');
    await vi.waitFor(() => expect(lyon.names()).toEqual(paris.names()), soon);
  });

  it('go on saying what they have when nothing happens', async () => {
    const limits = { helloMs: 20 };
    const { paris, lyon } = await pair({ first: { limits }, second: { limits } });
    const heard = async (node: TestNode) => {
      const [database] = (await node.daemon?.status())?.databases ?? [];
      return database?.replica?.memberships.find(({ isSelf }) => !isSelf)?.lastHeardMs ?? 0;
    };
    for (const node of [paris, lyon]) {
      await vi.waitFor(async () => expect(await heard(node)).toBeGreaterThan(0), soon);
      const before = await heard(node);
      await vi.waitFor(async () => expect(await heard(node)).toBeGreaterThan(before), soon);
    }
  });

  it('relay along a chain', async () => {
    const { paris, lyon } = await pair({ second: { listens: true } });
    const nice = await TestNode.joining(paris, 'nice', { listens: false });
    await nice.start({ peers: [lyon.asPeer] });
    paris.insert(1, 'from one end');
    await vi.waitFor(() => expect(nice.names()).toEqual(['from one end']), soon);
    nice.insert(2, 'from the other');
    await vi.waitFor(() => expect(paris.names()).toEqual(['from one end', 'from the other']), soon);
  });

  it('are one between two nodes that dial each other', async () => {
    const { paris, lyon } = await pair({ second: { listens: true } });
    const { url } = paris;
    await paris.stop();
    await paris.start({ peers: [lyon.asPeer] });
    await lyon.stop();
    await lyon.start({ peers: [{ name: 'paris', url: paris.url }] });
    expect(paris.url).not.toBe(url);
    await paris.stop();
    await paris.start({ peers: [lyon.asPeer] });
    await lyon.daemon?.reload(lyon.settings({ peers: [{ ...peerDefaults, name: 'paris', url: paris.url }] }));
    paris.insert(1, 'there');
    lyon.insert(2, 'and back');
    await vi.waitFor(() => expect([lyon.names(), paris.names()]).toEqual([both, both]), soon);
    await vi.waitFor(
      async () => expect([await stateOf(paris, 'lyon'), await stateOf(lyon, 'paris')]).toEqual(['online', 'online']),
      soon,
    );
  });

  it('come back by themselves, and ship what was missed', async () => {
    const { paris, lyon } = await pair();
    await vi.waitFor(async () => expect(await stateOf(lyon, 'paris')).toBe('online'), soon);
    const port = paris.daemon?.address?.port ?? 0;
    await paris.stop();
    await vi.waitFor(async () => expect(await stateOf(lyon, 'paris')).toBe('offline'), soon);
    expect((await lyon.peer('paris'))?.lastError?.code).toBe('peer-unreachable');
    lyon.insert(1, 'missed');
    await paris.start({ port });
    await vi.waitFor(() => expect(paris.names()).toEqual(['missed']), soon);
    expect((await lyon.peer('paris'))?.lastError).toBeNull();
  });

  it('obey the direction of either side', async () => {
    const { paris, lyon } = await pair({ peer: { direction: 'pull' } });
    lyon.insert(1, 'stays in lyon');
    paris.insert(2, 'goes to lyon');
    await vi.waitFor(() => expect(lyon.names()).toEqual(['stays in lyon', 'goes to lyon']), soon);
    await (await lyon.control()).sync({ databases: [], peers: [] });
    expect(paris.names()).toEqual(['goes to lyon']);
  });
});

const both = ['there', 'and back'];
const peerDefaults = { databases: ['*'], direction: 'both' as const, schedule: null, live: true };

describe('a peer that refuses', () => {
  it('is in error for a wrong secret, and nothing crosses', async () => {
    const paris = await TestNode.first(makeFolder(), 'paris').start();
    const lyon = await TestNode.joining(paris, 'lyon', { listens: false, secrets: ['some other secret'] });
    await lyon.start({ peers: [paris.asPeer] });
    await vi.waitFor(async () => expect(await stateOf(lyon, 'paris')).toBe('error'), soon);
    expect((await lyon.peer('paris'))?.lastError?.code).toBe('peer-wrong-secret');
    expect(await lyon.peer('nobody')).toBeUndefined();
  });

  it('says so when it belongs to another data set', async () => {
    const paris = await TestNode.first(makeFolder(), 'paris').start();
    const other = TestNode.first(makeFolder(), 'other', { listens: false });
    await other.start({ peers: [paris.asPeer] });
    await vi.waitFor(async () => expect((await other.peer('paris'))?.lastError?.code).toBe('dataset-mismatch'), soon);
  });

  it('is not the one that the configuration names', async () => {
    const { paris, lyon } = await pair();
    await lyon.stop();
    await lyon.start({ peers: [{ ...paris.asPeer, name: 'nice' }] });
    await vi.waitFor(async () => expect((await lyon.peer('nice'))?.lastError?.code).toBe('config-invalid'), soon);
  });
});
