/**
 * What a peer has said, recorded on its way by a proxy and sent again byte for byte: whole exchanges over HTTP, the
 * handshake and the messages of a live connection, an enrolment.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { memberKeys } from '../../../src/daemon/this-machine.js';
import { makeFolder } from '../../support/make-folder.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { invite, joinBy, revoke } from '../invitations.js';
import { TestNode } from '../node.js';

const soon = { interval: 20, timeout: 10_000 };

/** Sends it to the node itself. Returns the first line of each answer, and the codes of errors in them. */
async function replay(node: TestNode, recording: readonly Buffer[]): Promise<{ status: string[]; codes: string[] }> {
  const socket = connect(Number(new URL(node.url).port), '127.0.0.1').on('error', () => {});
  onTestFinished(() => void socket.destroy());
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text;
  });
  socket.end(Buffer.concat(recording));
  await once(socket, 'close');
  return {
    status: [...answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => status as string),
    codes: [...answer.matchAll(/"code":"([\w-]+)"/g)].map(([, code]) => code as string),
  };
}

async function recordedPair(isInvited: boolean) {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const proxy = await TcpProxy.to(Number(new URL(paris.url).port));
  onTestFinished(() => proxy.close());
  const lyon = isInvited
    ? await joinBy(invite(paris, 'lyon'), paris.folder, { listens: false })
    : await TestNode.joining(paris, 'lyon', { listens: false });
  return { paris, lyon, proxy };
}

const textOf = (recording: readonly Buffer[]) => Buffer.concat(recording).toString('latin1');

test.each([
  ['the shared secret', false],
  ['a key of its own', true],
])(
  'a peer that is known by %s: nothing of it is taken a second time, and the peer itself goes on',
  async (_by, isInvited) => {
    const { paris, lyon, proxy } = await recordedPair(isInvited);
    const peer = { name: 'paris', url: proxy.url };
    // Over HTTP: hello, pull, push.
    await lyon.start({ peers: [{ ...peer, live: false }] });
    lyon.insert(1, 'over HTTP');
    expect(await (await lyon.control()).sync({ databases: [], peers: [] })).toMatchObject([{ error: null }]);
    await lyon.stop();
    await lyon.start({ peers: [peer] });
    lyon.insert(2, 'live');
    await vi.waitFor(() => expect(paris.names()).toEqual(['over HTTP', 'live']), soon);
    await lyon.stop();
    const recordings = proxy.recorded.splice(0);
    const all = recordings.map(textOf).join('');
    for (const path of ['POST /v1/hello', 'POST /v1/pull', 'POST /v1/push', 'GET /v1/live'])
      expect(all).toContain(path);
    const before = { hello: await paris.hello(), peer: await paris.peer('lyon') };

    const replayed = await Promise.all(recordings.map((recording) => replay(paris, recording)));
    const status = replayed.flatMap((answer) => answer.status);
    expect(status.length).toBeGreaterThanOrEqual(5);
    expect(new Set(status)).toEqual(new Set(['401']));
    expect(new Set(replayed.flatMap(({ codes }) => codes))).toEqual(new Set(['proof-outdated']));
    expect(paris.names()).toEqual(['over HTTP', 'live']);
    const { clockMs: _then, ...hello } = before.hello;
    expect(await paris.hello()).toMatchObject(hello);
    // Not a sign of life either.
    expect(await paris.peer('lyon')).toEqual(before.peer);

    // By whoever sends it without end, nobody else from that address is kept out: not even one who begins.
    const handshake = recordings.find((recording) => textOf(recording).includes('GET /v1/live')) as Buffer[];
    const flood = await Promise.all(Array.from({ length: 320 }, () => replay(paris, handshake)));
    expect(new Set(flood.flatMap((answer) => answer.codes))).toEqual(new Set(['proof-outdated', 'rate-limited']));
    await lyon.start({ peers: [peer] });
    lyon.insert(3, 'still here');
    await vi.waitFor(() => expect(paris.names()).toContain('still here'), soon);

    // Neither does it help to wait for another process.
    await lyon.stop();
    await paris.stop();
    await paris.start();
    for (const recording of recordings) expect((await replay(paris, recording)).status).not.toContain('200');
  },
  60_000,
);

test('an enrolment that is sent again gives nobody a key, and a revoked one stays revoked', async () => {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const proxy = await TcpProxy.to(Number(new URL(paris.url).port));
  onTestFinished(() => proxy.close());
  const lyon = await joinBy({ ...invite(paris, 'lyon'), url: proxy.url }, paris.folder, { listens: false });
  const recordings = proxy.recorded.splice(0);
  const [enrolment] = recordings.filter((recording) => textOf(recording).includes('POST /v1/enrol'));
  const [join] = recordings.filter((recording) => textOf(recording).includes('POST /v1/snapshot'));
  const credentials = () =>
    paris.application.prepare('SELECT id, node, access, revoked IS NULL FROM _sqlsync_credential').raw().all();
  const members = () => paris.application.prepare('SELECT name, node_id, removed FROM _sqlsync_member').raw().all();
  const before = { credentials: credentials(), members: members() };
  expect(before.credentials).toHaveLength(2);
  await replay(paris, enrolment ?? []);
  expect((await replay(paris, join ?? [])).codes).toContain('proof-outdated');
  expect({ credentials: credentials(), members: members() }).toEqual(before);

  revoke(paris, 'lyon');
  const revoked = credentials();
  await replay(paris, enrolment ?? []);
  expect(credentials()).toEqual(revoked);
  expect(memberKeys.read(lyon.path, 'lyon')).not.toBeNull();
});
