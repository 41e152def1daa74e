import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { DATABASE_HEADER, STREAM_TYPE } from '../../../src/daemon/peer/http-peer.js';
import { sendCut } from '../../../src/daemon/stream/send-stream.js';
import { nextHlc } from '../../../src/replication/hlc.js';
import { sessionName } from '../../../src/replication/version-vector.js';
import { RowsEncoder } from '../../../src/replication/wire-rows.js';
import { makeFolder } from '../../support/make-folder.js';
import { MARKER, message } from '../../support/sample-stream.js';
import { LIMITS, SECRET, TestNode } from '../node.js';

const authorization = `Bearer ${SECRET}`;
const json = { authorization, 'content-type': 'application/json' };

async function start() {
  return TestNode.first(makeFolder(), 'paris').start();
}

async function post(node: TestNode, path: string, headers: Record<string, string>, body: string | Buffer) {
  const { statusCode, body: answer } = await request(`${node.url}${path}`, { method: 'POST', headers, body });
  return { status: statusCode, error: ((await answer.json()) as { error: { code: string; message: string } }).error };
}

/** A stream as another node of the data set would send it, with a row of a table that nobody may write. */
async function streamFor(node: TestNode): Promise<Buffer> {
  const hello = { ...(await node.hello()), node: 'lyon', nodeId: 'ab'.repeat(16), session: null };
  const now = nextHlc(0, Date.now());
  const stamp = { hlc: now, session: sessionName('lyon', '0123456789abcdef', now - 1) };
  const encoder = new RowsEncoder();
  const version = { alive: true, life: stamp, stamp, vector: null, columnStamps: null, edits: 1 };
  encoder.add(0, [0], { version, key: [1n], image: [1n] });
  const payloads = [
    message('table', { name: '_sqlsync_state', columns: ['id'], affinities: 'B', key: ['id'], collations: ['BINARY'] }),
    ...encoder.take(),
  ];
  const end = { ...MARKER, vector: { ...hello.vector, [stamp.session]: now }, horizon: 0, rows: 1 };
  const pieces: Buffer[] = [];
  const cut = {
    wireVersion: hello.wireVersion,
    next: async () => payloads.shift() ?? null,
    end: () => end,
    close: () => {},
  };
  await sendCut(cut, { write: async (bytes) => void pieces.push(bytes) }, { hello });
  return Buffer.concat(pieces);
}

describe('the server', () => {
  it('answers probes to anybody', async () => {
    const node = await start();
    const live = await request(`${node.url}/livez`);
    expect([live.statusCode, await live.body.text()]).toEqual([200, 'ok\n']);
    const ready = await request(`${node.url}/readyz`);
    expect([ready.statusCode, await ready.body.text()]).toEqual([200, '[+]database shop\nready\n']);
  });

  it.each([
    ['no secret', {}],
    ['a wrong secret', { authorization: 'Bearer wrong' }],
    ['the secret without its scheme', { authorization: SECRET }],
  ])('refuses %s on every route of peers', async (_what, headers) => {
    const node = await start();
    for (const path of ['/v1/hello', '/v1/pull', '/v1/push', '/v1/snapshot', '/v1/compare']) {
      const type = { 'content-type': 'application/json' };
      expect(await post(node, path, { ...type, ...headers }, '{}')).toMatchObject({
        status: 401,
        error: { code: 'peer-wrong-secret' },
      });
    }
    const { statusCode } = await request(`${node.url}/v1/live`, { headers });
    expect(statusCode).toBe(401);
  });

  it('accepts every secret of a rotation', async () => {
    const node = await TestNode.first(makeFolder(), 'paris').start({ secrets: ['the new secret', SECRET] });
    for (const secret of ['the new secret', SECRET]) {
      const answer = await post(node, '/v1/hello', { ...json, authorization: `Bearer ${secret}` }, '{}');
      expect(answer.error.code).toBe('batch-damaged');
    }
  });

  it.each([
    ['no JSON', '{', 400, 'batch-damaged'],
    ['no hello', '{}', 400, 'batch-damaged'],
    ['too much', JSON.stringify({ x: 'y'.repeat(LIMITS.requestBytesMax) }), 413, 'batch-oversized'],
  ])('refuses a hello that is %s', async (_what, body, status, code) => {
    const node = await start();
    expect(await post(node, '/v1/pull', json, body)).toMatchObject({ status, error: { code } });
  });

  it('refuses a database it does not serve, and a path it does not have', async () => {
    const node = await start();
    const client = node.client();
    const hello = await node.hello();
    await expect(client.greet({ ...hello, database: 'other' })).rejects.toThrow(
      expect.objectContaining({ code: 'database-unknown' }),
    );
    await client.close();
    expect(await post(node, '/v1/nothing', json, '{}')).toMatchObject({ status: 404, error: { code: 'usage' } });
  });

  it('takes nothing of a push that is damaged at any offset, cut short, or of tables it does not replicate', async () => {
    const node = await start();
    const stream = await streamFor(node);
    const headers = { authorization, 'content-type': STREAM_TYPE, [DATABASE_HEADER]: 'shop' };
    for (let at = 0; at < stream.length; at += 41) {
      const damaged = Buffer.from(stream);
      damaged[at] = (damaged[at] as number) ^ 0x55;
      const { error } = await post(node, '/v1/push', headers, damaged);
      expect(['batch-damaged', 'batch-oversized']).toContain(error.code);
      const cutShort = await post(node, '/v1/push', headers, stream.subarray(0, at));
      expect(cutShort).toMatchObject({ status: 400, error: { code: 'batch-damaged' } });
    }
    expect(await post(node, '/v1/push', headers, stream)).toMatchObject({ error: { code: 'batch-refused' } });
    expect(node.application.prepare('SELECT count(*) FROM _sqlsync_quarantine').pluck().get()).toBe(0);
  });

  it('shows no stack and no path of the program in an answer', async () => {
    const node = await start();
    const { body } = await request(`${node.url}/v1/pull`, { method: 'POST', headers: json, body: '{"a":' });
    expect(await body.text()).not.toMatch(/node_modules|at .*\.[jt]s/);
  });
});
