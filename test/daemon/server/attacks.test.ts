import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { request } from 'undici';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { DATABASE_HEADER, STREAM_TYPE } from '../../../src/daemon/peer/http-peer.js';
import { encodeFrame, PAYLOAD } from '../../../src/replication/wire-frames.js';
import { makeCertificate } from '../../../src/self-made-certificate.js';
import { makeFolder } from '../../support/make-folder.js';
import { message } from '../../support/sample-stream.js';
import { type NodeOptions, SECRET, TestNode } from '../node.js';

/** As short as a test can have it. */
const SHORT = { idleTimeoutMs: 600, heartbeatMs: 200, connectTimeoutMs: 600 };
const authorization = `Bearer ${SECRET}`;
const JSON_HEAD = `Authorization: ${authorization}\r\nContent-Type: application/json\r\n`;

const opened: Socket[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
});

function start(options: NodeOptions = {}): Promise<TestNode> {
  return TestNode.first(makeFolder(), 'paris', options).start();
}

/** A connection that sends this, and then a byte now and then. Resolves when the server ends it. */
async function drip(node: TestNode, head: string, everyMs: number): Promise<void> {
  const socket = await open(node);
  socket.write(head);
  const timer = setInterval(() => socket.write('x'), everyMs);
  await closed(socket);
  clearInterval(timer);
}

/** Also when the server resets it. */
function closed(socket: Socket | WebSocket): Promise<void> {
  if ('destroyed' in socket && socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => void socket.once('close', () => resolve()));
}

async function open(node: TestNode): Promise<Socket> {
  const socket = connect(Number(new URL(node.url).port), '127.0.0.1').on('error', () => {});
  opened.push(socket);
  await once(socket, 'connect');
  return socket.resume();
}

async function post(node: TestNode, path: string, headers: Record<string, string>, body: string | Buffer) {
  const { statusCode, body: answer } = await request(`${node.url}${path}`, { method: 'POST', headers, body });
  const { error } = (await answer.json()) as { error: { code: string } };
  return { status: statusCode, code: error.code };
}

const isAlive = async (node: TestNode) => (await request(`${node.url}/livez`)).statusCode === 200;

describe('whoever is slow', () => {
  it.each([
    ['headers', `POST /v1/hello HTTP/1.1\r\nHost: x\r\nX-Slow: `],
    ['a body of JSON', `POST /v1/hello HTTP/1.1\r\nHost: x\r\n${JSON_HEAD}Content-Length: 100000\r\n\r\n{"x":"`],
    [
      'a body that nobody announced the length of',
      `POST /v1/enrol HTTP/1.1\r\nHost: x\r\n${JSON_HEAD}Content-Length: 999\r\n\r\n{`,
    ],
    [
      'a stream',
      `POST /v1/push HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: ${STREAM_TYPE}\r\n${DATABASE_HEADER}: shop\r\nContent-Length: 100000\r\n\r\n`,
    ],
    ['nothing at all', ''],
  ])('with %s is given up', async (what, head) => {
    const node = await start({ limits: SHORT });
    await drip(node, head, what === 'nothing at all' ? 60_000 : 100);
    expect(await isAlive(node)).toBe(true);
  });

  it('with a handshake of TLS is given up', async () => {
    const serverTls = { ...makeCertificate('paris', '127.0.0.1', new Date()), requestCert: false };
    const node = await start({ limits: SHORT, serverTls });
    const socket = await open(node);
    await closed(socket);
  });

  it('with a greeting is given up, though it answers every ping', async () => {
    const node = await start({ limits: SHORT });
    const socket = new WebSocket(`${node.url.replace('http', 'ws')}/v1/live`, { headers: { authorization } });
    await closed(socket);
  });
});

describe('whoever comes in numbers', () => {
  it('keeps no peer out by connections that prove nothing', async () => {
    const node = await start({ limits: { connectionsMax: 16 } });
    for (let i = 0; i < 60; i += 1) await open(node);
    const client = node.client();
    await expect(
      client.greet({ ...(await node.hello()), node: 'lyon', nodeId: 'ab'.repeat(16), session: null }),
    ).resolves.toBeDefined();
    await client.close();
    await vi.waitFor(() => expect(opened.filter(({ destroyed }) => !destroyed).length).toBeLessThanOrEqual(8));
  });

  it('is told so when it keeps proving nothing, and keeps out nobody at its address', async () => {
    const node = await start();
    const codes = new Map<string, number>();
    for (let i = 0; i < 400; i += 1) {
      const { code } = await post(node, '/v1/hello', { authorization: `Bearer guess ${i}` }, '');
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect([...codes]).toEqual([
      ['peer-wrong-secret', 300],
      ['rate-limited', 100],
    ]);
    const shown = { database: 'shop', invite: '0'.repeat(16), secret: 'x', node: 'lyon', publicKey: 'x'.repeat(43) };
    const json = { 'content-type': 'application/json' };
    expect(await post(node, '/v1/enrol', json, JSON.stringify(shown))).toEqual({ status: 429, code: 'rate-limited' });
    expect(await post(node, '/v1/hello', { authorization, ...json }, '{}')).toEqual({
      status: 400,
      code: 'batch-damaged',
    });
  });
});

describe('whatever is too much', () => {
  const json = { authorization, 'content-type': 'application/json' };

  it.each([
    ['JSON 100,000 deep', '/v1/hello', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'batch-damaged'],
    ['JSON objects 100,000 deep', '/v1/compare', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, 'batch-damaged'],
    ['JSON that never ends', '/v1/snapshot', '['.repeat(1_000_000), 'batch-damaged'],
    ['a prototype', '/v1/hello', '{"__proto__":{"polluted":true}}', 'batch-damaged'],
    ['a constructor', '/v1/pull', '{"constructor":{"prototype":{"polluted":true}}}', 'batch-damaged'],
    ['two megabytes', '/v1/hello', `"${'x'.repeat(2_000_000)}"`, 'batch-oversized'],
  ])('is refused: %s', async (_what, path, body, code) => {
    const node = await start();
    expect((await post(node, path, json, body)).code).toBe(code);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(await isAlive(node)).toBe(true);
  });

  it('is not unpacked where the request says that it is packed', async () => {
    const node = await start();
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const { status } = await post(node, '/v1/hello', { ...json, 'content-encoding': 'gzip' }, bomb);
    expect(status).toBe(400);
  });

  it('is refused unopened: a frame that unpacks to more than any row may have', async () => {
    const node = await start();
    const headers = { authorization, 'content-type': STREAM_TYPE, [DATABASE_HEADER]: 'shop' };
    const hello = { ...(await node.hello()), node: 'lyon', nodeId: 'ab'.repeat(16), session: null };
    const head = await encodeFrame(message('hello', hello));
    const bomb = await encodeFrame(Buffer.alloc(300 * 1024 * 1024, PAYLOAD.rows));
    expect(bomb.length).toBeLessThan(2 * 1024 * 1024);
    expect((await post(node, '/v1/push', headers, Buffer.concat([head, bomb]))).code).toBe('batch-oversized');
  });

  it('is refused: headers without end, and a request that is none', async () => {
    const node = await start();
    const many = await open(node);
    many.write(`GET /livez HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(20_000)}`);
    const nonsense = await open(node);
    nonsense.write('\0\x01\x02 nonsense\r\n\r\n');
    await Promise.all([many, nonsense].map(closed));
    expect(await isAlive(node)).toBe(true);
  });
});
