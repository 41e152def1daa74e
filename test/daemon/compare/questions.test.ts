/** Questions about rows as a peer might send them, over HTTP and over a live connection, right ones and wrong ones. */
import { once } from 'node:events';
import { request } from 'undici';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { packValues } from '../../../src/replication/compared-values.js';
import { makeFolder } from '../../support/make-folder.js';
import { SECRET, TestNode } from '../node.js';

const TABLE = {
  name: 'item',
  columns: ['id', 'name', 'data'],
  key: [{ column: 'id', collation: 'BINARY', descending: false }],
};
const DIGESTS = { kind: 'digests', table: TABLE, after: null, ends: [packValues([1n]), null] };

async function start(): Promise<TestNode> {
  const node = await TestNode.first(makeFolder(), 'paris').start();
  node.insert(1, 'one');
  node.insert(2, 'two');
  return node;
}

async function post(node: TestNode, question: unknown, change: object = {}) {
  const { dataset } = await node.hello();
  const { statusCode, body } = await request(`${node.url}/v1/compare`, {
    method: 'POST',
    headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
    body: JSON.stringify({ database: 'shop', dataset, node: 'lyon', question, ...change }),
  });
  return { status: statusCode, answer: (await body.json()) as { kind?: string; error?: { code: string } } };
}

/** A peer that has greeted over a live connection; it keeps what it hears beyond the greeting. */
async function dial(node: TestNode) {
  const headers = { authorization: `Bearer ${SECRET}` };
  const socket = new WebSocket(`${node.url.replace('http', 'ws')}/v1/live`, { headers });
  onTestFinished(() => socket.terminate());
  const heard: { type: string; number?: number; answer?: { kind: string; error?: { code: string } } }[] = [];
  socket.on('message', (data, isBinary) => {
    if (!isBinary) heard.push(JSON.parse(String(data)));
  });
  const closed = once(socket, 'close');
  await once(socket, 'open');
  const say = (message: unknown) => socket.send(JSON.stringify(message));
  const hello = { ...(await node.hello()), node: 'lyon', nodeId: 'ab'.repeat(16), session: null };
  say({ type: 'hello', hello, ships: true, takes: true });
  await vi.waitFor(() => expect(heard.length).toBe(1));
  return { socket, heard, say, closed };
}

test('a question over HTTP is answered', async () => {
  const node = await start();
  const { status, answer } = await post(node, DIGESTS);
  expect(status).toBe(200);
  expect(answer).toMatchObject({ kind: 'digests', digests: [{ rows: 1 }, { rows: 1 }] });
  const rows = await post(node, { kind: 'rows', table: TABLE, keys: [packValues([2n]), packValues([3n])] });
  expect(rows.answer).toMatchObject({
    kind: 'rows',
    rows: [{ row: { values: packValues([2n, 'two', null]), large: [] } }, { row: null, dots: [] }],
    hello: { node: 'paris' },
  });
});

test.each([
  ['of no kind', { kind: 'nothing' }, {}, 400, 'batch-damaged'],
  ['with a field too many', { ...DIGESTS, novelty: 1 }, {}, 400, 'batch-damaged'],
  ['of too many ranges', { ...DIGESTS, ends: Array.from({ length: 65 }, () => null) }, {}, 400, 'batch-damaged'],
  [
    'about a table that does not replicate',
    { ...DIGESTS, table: { ...TABLE, name: '_sqlsync_member' } },
    {},
    409,
    'schema-differs',
  ],
  [
    'about a column that there is not',
    { ...DIGESTS, table: { ...TABLE, columns: ['id', 'x'] } },
    {},
    409,
    'schema-differs',
  ],
  [
    'about another key',
    { ...DIGESTS, table: { ...TABLE, key: [{ column: 'name', collation: 'BINARY', descending: false }] } },
    {},
    409,
    'schema-differs',
  ],
  ['with a key of two values', { ...DIGESTS, after: packValues([1n, 2n]) }, {}, 400, 'batch-damaged'],
  ['with a key that is none', { ...DIGESTS, after: '////' }, {}, 400, 'batch-damaged'],
  [
    'that rewrites a row without identity',
    { kind: 'rewrite', table: TABLE, rows: [{ key: packValues([null]), columns: [], anew: false }] },
    {},
    400,
    'batch-damaged',
  ],
  ['from another data set', DIGESTS, { dataset: '0'.repeat(32) }, 409, 'dataset-mismatch'],
  ['about another database', DIGESTS, { database: 'other' }, 404, 'database-unknown'],
])('a question %s is refused by name', async (_what, question, change, status, code) => {
  const node = await start();
  expect(await post(node, question, change)).toMatchObject({ status, answer: { error: { code } } });
  expect((await node.daemon?.status())?.databases[0]?.problems).toEqual([]);
});

test('a peer that an operator has paused is answered nothing', async () => {
  const node = await start();
  await (await dial(node)).socket.close();
  await (await node.control()).pause('lyon');
  expect(await post(node, DIGESTS)).toMatchObject({ status: 403, answer: { error: { code: 'peer-refused' } } });
});

test('questions over a live connection are answered in order; one that cannot be ends nothing', async () => {
  const peer = await dial(await start());
  peer.say({ type: 'question', number: 7, question: DIGESTS });
  peer.say({ type: 'question', number: 9, question: { ...DIGESTS, table: { ...TABLE, name: 'nothing' } } });
  peer.say({ type: 'question', number: 8, question: DIGESTS });
  const answers = () => peer.heard.filter(({ type }) => type === 'answer');
  await vi.waitFor(() => expect(answers()).toHaveLength(3));
  expect(answers()).toMatchObject([
    { number: 7, answer: { kind: 'digests' } },
    { number: 9, answer: { kind: 'error', error: { code: 'schema-differs' } } },
    { number: 8, answer: { kind: 'digests' } },
  ]);
  expect(peer.socket.readyState).toBe(WebSocket.OPEN);
});

test('a peer that asks without waiting, or answers what nobody asked, is refused', async () => {
  const hasty = await dial(await start());
  for (let number = 0; number < 50; number += 1) hasty.say({ type: 'question', number, question: DIGESTS });
  await hasty.closed;
  expect(hasty.heard.at(-1)).toMatchObject({ type: 'refused', error: { code: 'batch-damaged' } });
  const eager = await dial(await start());
  eager.say({ type: 'answer', number: 0, answer: { kind: 'rewrite', rows: 1 } });
  await eager.closed;
  expect(eager.heard.at(-1)).toMatchObject({ type: 'refused', error: { code: 'batch-damaged' } });
});
