import { once } from 'node:events';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { sendCut } from '../../../src/daemon/stream/send-stream.js';
import type { Hello } from '../../../src/replication/wire-messages.js';
import { makeFolder } from '../../support/make-folder.js';
import { MARKER, sampleFrames } from '../../support/sample-stream.js';
import { SECRET, TestNode } from '../node.js';

/** A peer that speaks the protocol by hand. It keeps all that it hears. */
async function dial(node: TestNode) {
  const socket = new WebSocket(`${node.url.replace('http', 'ws')}/v1/live`, {
    headers: { authorization: `Bearer ${SECRET}` },
  });
  onTestFinished(() => socket.terminate());
  const heard: { type: string; error?: { code: string; message: string }; hello?: unknown }[] = [];
  socket.on('message', (data, isBinary) => {
    if (!isBinary) heard.push(JSON.parse(String(data)));
  });
  const closed = once(socket, 'close');
  await once(socket, 'open');
  const own = { ...(await node.hello()), node: 'lyon', nodeId: 'ab'.repeat(16), session: null };
  const say = (message: unknown) => socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  const greet = async (change: object = {}) => {
    say({ type: 'hello', hello: { ...own, ...change }, ships: true, takes: true });
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(0), { interval: 2 });
  };
  const refusal = async () => {
    await closed;
    return heard.find(({ type }) => type === 'refused')?.error;
  };
  return { socket, heard, own, say, greet, refusal };
}

/** A stream without rows. */
async function streamOf(hello: Hello): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const cut = {
    wireVersion: hello.wireVersion,
    next: async () => null,
    end: () => ({ ...MARKER, rows: 0 }),
    close: () => {},
  };
  await sendCut(cut, { write: async (bytes) => void pieces.push(bytes) }, { hello });
  return Buffer.concat(pieces);
}

async function start(): Promise<TestNode> {
  return TestNode.first(makeFolder(), 'paris').start();
}

describe('the live protocol', () => {
  it('answers a hello with a hello', async () => {
    const peer = await dial(await start());
    await peer.greet();
    expect(peer.heard[0]).toMatchObject({ type: 'hello', ships: true, takes: true, hello: { node: 'paris' } });
  });

  it.each([
    ['text that is no JSON', 'hello'],
    ['a message of an unknown type', { type: 'goodbye' }],
    ['an ack before the hello', { type: 'ack', hello: null }],
  ])('refuses %s', async (_what, message) => {
    const peer = await dial(await start());
    peer.say(message);
    expect(await peer.refusal()).toMatchObject({ code: 'batch-damaged' });
  });

  it('refuses a stream before the hello', async () => {
    const peer = await dial(await start());
    peer.socket.send((await sampleFrames())[0] as Buffer);
    expect(await peer.refusal()).toMatchObject({
      code: 'batch-damaged',
      message: expect.stringContaining('before its hello'),
    });
  });

  it('refuses an ack without a stream, and a reply without a request', async () => {
    for (const message of [{ type: 'ack' }, { type: 'reply', number: 7 }]) {
      const peer = await dial(await start());
      await peer.greet();
      peer.say({ ...message, hello: peer.own });
      expect(await peer.refusal()).toMatchObject({ code: 'batch-damaged' });
    }
  });

  it.each([
    ['another database', { database: 'other' }, 'database-unknown'],
    ['another data set', { dataset: '0'.repeat(32) }, 'dataset-mismatch'],
    ['a later wire version', { wireVersion: 9, wireVersionMin: 9, novelty: 1 }, 'wire-version'],
    ['another encoding', { encoding: 'UTF-16le' }, 'encoding-differs'],
    ['a name that is taken', { node: 'paris' }, 'node-name-taken'],
    ['a clock far ahead', { clockMs: Date.now() + 86_400_000 }, 'clock-ahead'],
  ])('refuses a peer of %s by name', async (_what, change, code) => {
    const peer = await dial(await start());
    await peer.greet(change);
    expect(await peer.refusal()).toMatchObject({ code });
  });

  it('judges the sender of each stream anew', async () => {
    const peer = await dial(await start());
    await peer.greet();
    peer.socket.send(await streamOf({ ...peer.own, rulesHash: '0'.repeat(64) }));
    expect(await peer.refusal()).toMatchObject({ code: 'rules-differ' });
  });

  it('takes nothing of a stream that is damaged', async () => {
    const node = await start();
    const peer = await dial(node);
    await peer.greet();
    const stream = Buffer.concat(await sampleFrames());
    stream[200] = (stream[200] as number) ^ 1;
    peer.socket.send(stream);
    expect(await peer.refusal()).toMatchObject({ code: 'batch-damaged' });
    await vi.waitFor(async () => expect((await node.peer('lyon'))?.lastError?.code).toBe('batch-damaged'));
    expect(node.names()).toEqual([]);
  });

  it('gives up a peer that falls silent', async () => {
    const node = await TestNode.first(makeFolder(), 'paris').start({ limits: { heartbeatMs: 20, idleTimeoutMs: 100 } });
    const peer = await dial(node);
    await peer.greet();
    // It no longer answers a ping.
    peer.socket.pause();
    await vi.waitFor(async () => expect((await node.peer('lyon'))?.lastError?.code).toBe('peer-timeout'));
    expect((await node.peer('lyon'))?.state).toBe('offline');
  });
});
