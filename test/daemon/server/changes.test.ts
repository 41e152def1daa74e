import { request } from 'undici';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { makeFolder } from '../../support/make-folder.js';
import { SECRET, TestNode } from '../node.js';

const headers = { authorization: `Bearer ${SECRET}` };

type Event = Record<string, unknown> & { type: string; cursor: string };

/** Follows an event stream; `events` grows. */
async function follow(node: TestNode, query = '', more: Record<string, string> = {}) {
  const { statusCode, body } = await request(`${node.url}/v1/changes?${query}`, { headers: { ...headers, ...more } });
  expect(statusCode).toBe(200);
  const events: Event[] = [];
  const heard = { heartbeats: 0 };
  let rest = '';
  body.on('error', () => {});
  body.on('data', (piece: Buffer) => {
    const blocks = (rest + piece).split('\n\n');
    rest = blocks.pop() as string;
    for (const block of blocks) {
      if (block === ': heartbeat') heard.heartbeats += 1;
      const data = block.split('\n').find((line) => line.startsWith('data: '));
      if (data !== undefined) events.push(JSON.parse(data.slice(6)));
    }
  });
  onTestFinished(() => void body.destroy());
  return { events, heard, body };
}

const names = (events: readonly Event[]) =>
  events.filter(({ type }) => type === 'change').map(({ node, op, key }) => `${node} ${op} ${JSON.stringify(key)}`);

test('an event stream tells own and other nodes’ changes as they come, and goes on from a cursor', async () => {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const lyon = await (await TestNode.joining(paris, 'lyon', { peers: [paris.asPeer] })).start();
  const feed = await follow(paris);
  await vi.waitFor(() => expect(feed.events[0]?.type).toBe('ready'));
  paris.insert(1, 'a');
  lyon.insert(2, 'b');
  await vi.waitFor(() => expect(names(feed.events)).toHaveLength(2), 5_000);
  expect(names(feed.events)).toContain('paris insert {"id":1}');
  expect(names(feed.events)).toContain('lyon insert {"id":2}');
  feed.body.destroy();
  lyon.insert(3, 'c');
  await vi.waitFor(() => expect(paris.names()).toEqual(['a', 'b', 'c']), 5_000);
  const last = feed.events.at(-1)?.cursor as string;
  const again = await follow(paris, `after=${last}`);
  await vi.waitFor(() => expect(names(again.events)).toEqual(['lyon insert {"id":3}']), 5_000);
  const reconnected = await follow(paris, 'after=0.0.ab', { 'last-event-id': last });
  await vi.waitFor(() => expect(names(reconnected.events)).toEqual(['lyon insert {"id":3}']), 5_000);
  const all = await follow(paris, 'since=1h&table=item');
  await vi.waitFor(() => expect(names(all.events)).toHaveLength(3), 5_000);
});

test('a WebSocket tells the same', async () => {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const socket = new WebSocket(`${paris.url.replace('http', 'ws')}/v1/changes?database=shop`, { headers });
  onTestFinished(() => socket.terminate());
  const events: Event[] = [];
  socket.on('message', (text) => events.push(JSON.parse(String(text))));
  await vi.waitFor(() => expect(events).toHaveLength(1), 5_000);
  paris.insert(1, 'a');
  await vi.waitFor(() => expect(names(events)).toEqual(['paris insert {"id":1}']), 5_000);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await paris.stop();
  await closed;
});

test('what cannot be asked is refused with its reason, and nobody is let in without a secret', async () => {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const ask = async (query: string, with_: Record<string, string> = headers) => {
    const { statusCode, body } = await request(`${paris.url}/v1/changes?${query}`, { headers: with_ });
    const { error } = (await body.json()) as { error: { code: string } };
    return [statusCode, error.code];
  };
  expect(await ask('', {})).toEqual([401, 'peer-wrong-secret']);
  expect(await ask('database=other')).toEqual([404, 'database-unknown']);
  expect(await ask('table=nothing')).toEqual([400, 'usage']);
  expect(await ask('after=x')).toEqual([400, 'usage']);
  expect(await ask('since=x')).toEqual([400, 'usage']);
  expect(await ask('table=item&key={')).toEqual([400, 'usage']);
  expect(await ask('colour=red')).toEqual([400, 'usage']);
});

test('there are so many subscribers and no more; who has gone makes room, and a stopping daemon ends all', async () => {
  const paris = await TestNode.first(makeFolder(), 'paris', { limits: { feedSubscribersMax: 1 } }).start();
  const first = await follow(paris);
  const full = await request(`${paris.url}/v1/changes`, { headers });
  expect([full.statusCode, await full.body.json()]).toMatchObject([503, { error: { code: 'feed-full' } }]);
  first.body.destroy();
  await vi.waitFor(async () => {
    const { statusCode, body } = await request(`${paris.url}/v1/changes`, { headers });
    body.on('error', () => {}).destroy();
    expect(statusCode).toBe(200);
  }, 5_000);
  await vi.waitFor(async () => {
    const last = await follow(paris);
    const ended = new Promise((resolve) => last.body.once('end', resolve));
    await paris.stop();
    await ended;
  }, 5_000);
});

test('signs of life come though nothing happens', async () => {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const { heard } = await follow(paris);
  await vi.waitFor(() => expect(heard.heartbeats).toBeGreaterThan(1), 5_000);
});

test('a subscriber that takes nothing holds up nobody, and is let go', async () => {
  const paris = await TestNode.first(makeFolder(), 'paris', {
    limits: { feedSubscribersMax: 2, idleTimeoutMs: 1_000 },
  }).start();
  const { body: slow } = await request(`${paris.url}/v1/changes`, { headers });
  slow.on('error', () => {});
  slow.pause();
  const quick = await follow(paris);
  const insert = paris.application.prepare('INSERT INTO item(name) VALUES(?)');
  paris.application.transaction(() => {
    for (let i = 0; i < 60_000; i += 1) insert.run(`name ${i}`);
  })();
  await vi.waitFor(() => expect(quick.events).toHaveLength(60_001), 20_000);
  const isRoom = async () => {
    const { statusCode, body } = await request(`${paris.url}/v1/changes`, { headers });
    body.on('error', () => {}).destroy();
    expect(statusCode).toBe(200);
  };
  await vi.waitFor(isRoom, 10_000);
}, 40_000);
