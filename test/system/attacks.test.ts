import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { crc32, createGzip } from 'node:zlib';
import { Agent, request } from 'undici';
import { expect, onTestFinished, test, vi } from 'vitest';
import { DATABASE_HEADER, STREAM_TYPE } from '../../src/daemon/peer/http-peer.js';
import { encodeFrame, PAYLOAD } from '../../src/replication/wire-frames.js';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { message } from '../support/sample-stream.js';
import { makeShop, onDatabase } from '../support/shop-database.js';
import { until } from '../support/until.js';

vi.setConfig({ testTimeout: 180_000 });

const REQUESTS = 10_000;
const AT_ONCE = 20;
const SLOW = 500;
const LAG_MS_MAX = 2_000;
const MEMORY_KIB_MAX = 300 * 1024;

/** The most memory that a process has had, in KiB. */
function peakMemoryOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** A frame of a megabyte that unpacks to 1,024. */
async function makeBomb(): Promise<Buffer> {
  const gzip = createGzip({ level: 9 });
  const pieces: Buffer[] = [];
  gzip.on('data', (piece: Buffer) => pieces.push(piece));
  await pipeline(Array(1024).fill(Buffer.alloc(1024 * 1024, PAYLOAD.rows)), gzip);
  const packed = Buffer.concat(pieces);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(packed.length, 0);
  head.writeUInt32BE(crc32(packed), 4);
  return Buffer.concat([head, packed]);
}

/** Writes on lyon until the attack is over; returns how long each write took to be seen on paris. */
async function measureLag(lyon: ProcessNode, paris: ProcessNode, isOver: () => boolean): Promise<number[]> {
  const lags: number[] = [];
  for (let price = 1; !isOver() || lags.length < 5; price += 1) {
    onDatabase(lyon.path, (db) => db.prepare("UPDATE product SET price = ? WHERE sku = 'tea'").run(price));
    const startedMs = performance.now();
    const seen = () =>
      onDatabase(paris.path, (db) => db.prepare("SELECT price FROM product WHERE sku = 'tea'").pluck().get());
    await until(
      () => (seen() === price ? true : null),
      30_000,
      () => `${price} does not come through`,
    );
    lags.push(performance.now() - startedMs);
  }
  return lags;
}

test('a healthy pair goes on under attack, in bounded memory', async () => {
  const paris = await ProcessNode.first(makeFolder(), 'paris', makeShop);
  onTestFinished(() => paris.dispose());
  await paris.start();
  const lyon = await ProcessNode.joining(paris, 'lyon');
  onTestFinished(() => lyon.dispose());
  await lyon.start();
  const secret = readFileSync(`${paris.folder}/secret`, 'utf8').trim();
  const agent = new Agent({ connections: AT_ONCE });
  onTestFinished(() => agent.destroy());
  const ask = async (path: string, headers: Record<string, string>, body: string | Buffer): Promise<number> => {
    const answer = await request(`${paris.url}${path}`, { method: 'POST', headers, body, dispatcher: agent });
    await answer.body.dump();
    return answer.statusCode;
  };

  let isOver = false;
  const measured = measureLag(lyon, paris, () => isOver);
  const slow: Socket[] = [];
  onTestFinished(async () => {
    isOver = true;
    await measured.catch(() => {});
    for (const socket of slow) socket.destroy();
  });
  for (let i = 0; i < SLOW; i += 1) {
    const socket = connect(Number(paris.port), '127.0.0.1').on('error', () => {});
    slow.push(socket.resume());
    await once(socket, 'connect');
    socket.write('POST /v1/hello HTTP/1.1\r\nX-Slow: ');
  }

  const statuses = new Set<number>();
  const guess = async (n: number) => {
    for (let i = 0; i < REQUESTS / AT_ONCE; i += 1) {
      statuses.add(await ask('/v1/pull', { authorization: `Bearer guess ${n} ${i}` }, ''));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => guess(n)));
  expect([...statuses].sort()).toEqual([401, 429]);

  // From here on by somebody who knows the secret.
  const authorization = `Bearer ${secret}`;
  const json = { authorization, 'content-type': 'application/json' };
  expect(await ask('/v1/hello', json, `${'['.repeat(100_000)}${']'.repeat(100_000)}`)).toBe(400);
  const bomb = await makeBomb();
  expect(bomb.length).toBeLessThan(2 * 1024 * 1024);
  const stream = { authorization, 'content-type': STREAM_TYPE, [DATABASE_HEADER]: 'shop' };
  for (let i = 0; i < 5; i += 1) expect([400, 413]).toContain(await ask('/v1/push', stream, bomb));
  const table = {
    name: 'x"; DROP TABLE product; --',
    columns: ["'; --"],
    affinities: 'B',
    key: ["'; --"],
    collations: ['B'],
  };
  expect(await ask('/v1/push', stream, await encodeFrame(message('table', table)))).toBe(400);

  isOver = true;
  const lags = await measured;
  expect(Math.max(...lags)).toBeLessThan(LAG_MS_MAX);
  expect(peakMemoryOf(paris.pid)).toBeLessThan(MEMORY_KIB_MAX);
  expect((await paris.status()).healthy).toBe(true);
});
