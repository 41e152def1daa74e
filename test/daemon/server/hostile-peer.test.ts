/** A peer that knows a credential and sends whatever it likes: nothing crashes, and nothing of it is applied. */
import { once } from 'node:events';
import { request } from 'undici';
import { beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { DATABASE_HEADER, STREAM_TYPE } from '../../../src/daemon/peer/http-peer.js';
import { sendCut } from '../../../src/daemon/stream/send-stream.js';
import { nextHlc } from '../../../src/replication/hlc.js';
import type { RowVersion, SqlValue } from '../../../src/replication/row-version.js';
import { sessionName } from '../../../src/replication/version-vector.js';
import type { EndMarker, Hello, TableDefinition } from '../../../src/replication/wire-messages.js';
import { RowsEncoder } from '../../../src/replication/wire-rows.js';
import { makeFolder } from '../../support/make-folder.js';
import { MARKER, message } from '../../support/sample-stream.js';
import { seededRandom } from '../../support/seeded-random.js';
import { SECRET, TestNode } from '../node.js';

const ITEM: TableDefinition = {
  name: 'item',
  columns: ['id', 'name', 'data'],
  affinities: 'ITB',
  key: ['id'],
  collations: ['BINARY'],
};
const FAR = nextHlc(0, Date.now() + 3_600_000);

let paris: TestNode;
let hello: Hello;

beforeEach(async () => {
  paris = TestNode.first(makeFolder(), 'paris');
  paris.insert(1, 'tea');
  await paris.start();
  hello = await asLyon();
});

/** What a member says of itself that has what paris has. */
async function asLyon(): Promise<Hello> {
  return { ...(await paris.hello()), node: 'lyon', nodeId: 'ab'.repeat(16), session: null };
}

interface Forged {
  readonly hello?: Partial<Hello>;
  readonly definition?: Partial<TableDefinition>;
  readonly image?: readonly SqlValue[];
  readonly version?: Partial<RowVersion>;
  readonly end?: Partial<EndMarker>;
  readonly header?: string;
  /** Changes what is framed. */
  readonly mutate?: (payload: Buffer) => Buffer;
}

/** Pushes a stream that is whole and adds up, but for what is forged. Says how it is answered. */
async function push(forged: Forged = {}): Promise<string> {
  const known = await asLyon();
  const now = nextHlc(0, Date.now());
  const stamp = { hlc: now, session: sessionName('lyon', '0123456789abcdef', now - 1) };
  const definition = { ...ITEM, ...forged.definition };
  const encoder = new RowsEncoder();
  const version = { alive: true, life: stamp, stamp, vector: null, columnStamps: null, edits: 1, ...forged.version };
  const image = forged.image ?? [2n, 'coffee', null];
  encoder.add(
    0,
    definition.columns.map((_, i) => i),
    { version, key: [image[0] as SqlValue], image },
  );
  const payloads = [message('table', definition), ...encoder.take()];
  const { vector: forgedVector, ...forgedEnd } = forged.end ?? {};
  const vector = { ...known.vector, [stamp.session]: now, ...forgedVector };
  const told = { vector, horizon: known.horizon, session: stamp.session, rows: 1 };
  const end = { ...MARKER, ...told, ...forgedEnd };
  const pieces: Buffer[] = [];
  const next = async () => {
    const payload = payloads.shift() ?? null;
    return payload === null || forged.mutate === undefined ? payload : forged.mutate(payload);
  };
  const said = { ...known, session: stamp.session, ...forged.hello };
  await sendCut(
    { wireVersion: said.wireVersion, next, end: () => end, close: () => {} },
    { write: async (piece) => void pieces.push(piece) },
    { hello: said },
  );
  const headers = {
    authorization: `Bearer ${SECRET}`,
    'content-type': STREAM_TYPE,
    [DATABASE_HEADER]: forged.header ?? 'shop',
  };
  const { body } = await request(`${paris.url}/v1/push`, { method: 'POST', headers, body: Buffer.concat(pieces) });
  const last = JSON.parse((await body.text()).trim().split('\n').at(-1) as string) as { error?: { code: string } };
  return last.error?.code ?? 'taken';
}

const count = (table: string) => paris.application.prepare(`SELECT count(*) FROM ${table}`).pluck().get();

describe('what a hostile peer sends', () => {
  it('is taken where it is right, or these tests show nothing', async () => {
    expect(await push()).toBe('taken');
    expect(paris.names()).toEqual(['tea', 'coffee']);
  });

  it.each<[string, Forged, string]>([
    ['a key that is NULL', { image: [null, 'x', null] }, 'batch-refused'],
    [
      'a stamp from the future',
      {
        version: {
          stamp: { hlc: FAR, session: 'lyon.0123456789abcdef@1' },
          life: { hlc: FAR, session: 'lyon.0123456789abcdef@1' },
        },
      },
      'clock-ahead',
    ],
    ['a vector from the future', { end: { vector: { 'lyon.0123456789abcdef@1': FAR } } }, 'clock-ahead'],
    [
      'a vector from the end of time',
      { end: { vector: { 'nice.0123456789abcdef@1': Number.MAX_SAFE_INTEGER } } },
      'clock-ahead',
    ],
    ['a horizon from the future', { end: { horizon: FAR } }, 'clock-ahead'],
    ['an entry dropped in the future', { end: { dropped: FAR } }, 'clock-ahead'],
    [
      'what others have acknowledged in the future',
      {
        end: {
          acknowledged: {
            ['ef'.repeat(16)]: {
              vector: { 'nice.0123456789abcdef@1': FAR },
              horizon: 0,
              hold: null,
              folded: 0,
              atMs: 0,
            },
          },
        },
      },
      'clock-ahead',
    ],
    ['a hello with a horizon from the future', { hello: { horizon: FAR } }, 'clock-ahead'],
    ['a place in the order of another node', { end: { session: 'nice.0123456789abcdef@1' } }, 'batch-refused'],
    ['a session of another node', { hello: { session: 'nice.0123456789abcdef@1' } }, 'batch-damaged'],
    ['the receiver’s own name', { hello: { node: 'paris' } }, 'node-name-taken'],
    ['another data set', { hello: { dataset: 'cd'.repeat(16) } }, 'dataset-mismatch'],
    ['a database that is not the one it names first', { hello: { database: 'other' } }, 'batch-damaged'],
    ['a column twice', { definition: { columns: ['id', 'name', 'name'] } }, 'batch-damaged'],
    ['a key that is no column', { definition: { key: ['nothing'] } }, 'batch-damaged'],
    ['two keys and one collation', { definition: { key: ['id', 'name'] } }, 'batch-damaged'],
    ['more rows than it counts', { end: { rows: 0 } }, 'batch-damaged'],
  ])('is refused, and changes nothing: %s', async (_what, forged, code) => {
    const before = await paris.hello();
    expect(await push(forged)).toBe(code);
    expect(paris.names()).toEqual(['tea']);
    const { vector, horizon, acknowledged } = await paris.hello();
    expect({ vector, horizon, acknowledged }).toEqual({
      vector: before.vector,
      horizon: before.horizon,
      acknowledged: before.acknowledged,
    });
    expect(await push()).toBe('taken');
  });

  it.each(['_sqlsync_state', '_sqlsync_log', '_sqlsync_meta_10', '_sqlsync_rule', '_sqlsync_nothing', 'sqlite_schema'])(
    'is refused: rows of %s',
    async (name) => {
      const code = await push({ definition: { name } });
      // What is no table of ours is one that this node may yet get.
      expect(code).toBe(name.startsWith('_') ? 'batch-refused' : 'taken');
      expect(count('_sqlsync_held')).toBe(name.startsWith('_') ? 0 : 1);
    },
  );

  const columns = (...names: string[]) => names;
  it.each<[string, string, string[], SqlValue[]]>([
    [
      'operation',
      'TITTTTT',
      columns('id', 'at', 'node', 'operator', 'command', 'detail', 'result'),
      ['x', 1n, 'lyon', 'eve', 'c', '{', 'done'],
    ],
    [
      'operation',
      'TITTTTT',
      columns('id', 'at', 'node', 'operator', 'command', 'detail', 'result'),
      ['x', 'late', 'lyon', 'eve', 'c', '{}', 'done'],
    ],
    [
      'operation',
      'TITTTTT',
      columns('id', 'at', 'node', 'operator', 'command', 'detail', 'result'),
      ['x', 1n, null, 'eve', 'c', '{}', 'done'],
    ],
    [
      'conflict',
      'TTTTTTTTTI',
      columns('id', 'tbl', 'key', 'kind', 'strategy', 'columns', 'winner', 'loser', 'detail', 'detected_at'),
      ['x', 'item', '{}', 'k', 'merge', '[]', '[]', '[]', null, 1n],
    ],
    [
      'resolution',
      'TTTTTTTI',
      columns('id', 'conflict', 'choice', 'before', 'after', 'node', 'operator', 'at'),
      ['x', 'y', 'winner', '[1]', '[]', 'lyon', 'eve', 1n],
    ],
    [
      'credential',
      'TTTTII',
      columns('id', 'node', 'public_key', 'access', 'issued_at', 'revoked'),
      ['ab'.repeat(16), 'paris', 'x'.repeat(43), 'write', 1n, null],
    ],
    [
      'credential',
      'TTTTII',
      columns('id', 'node', 'public_key', 'access', 'issued_at', 'revoked'),
      ['ab'.repeat(16), '../..', null, 'write', 1n, null],
    ],
  ])('is refused: a row of %s that could not have been written (%#)', async (table, affinities, names, image) => {
    const name = `_sqlsync_${table}`;
    const before = count(name);
    expect(await push({ definition: { name, columns: names, affinities }, image })).toBe('batch-refused');
    expect(count(name)).toBe(before);
  });

  it('is kept aside where this node has no place for it', async () => {
    const definition = { columns: ['id', 'name', 'data', 'wage'], affinities: 'ITBN' };
    expect(await push({ definition, image: [1n, 'stolen', null, 7n] })).toBe('taken');
    const keyed = { key: ['name'] };
    expect(await push({ definition: keyed, image: [1n, 'stolen', null] })).toBe('taken');
    expect(paris.names()).toEqual(['tea']);
  });

  it('may be anything: three hundred streams whose frames are whole and whose contents are not', async () => {
    const random = seededRandom(7);
    const codes = new Map<string, number>();
    for (let i = 0; i < 300; i += 1) {
      const mutate = (payload: Buffer) => {
        const copy = Buffer.from(payload);
        for (let n = 0; n <= random.int(3); n += 1) copy[1 + random.int(copy.length - 1)] = random.int(256);
        return copy;
      };
      const code = await push({ mutate });
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect(
      [...codes.keys()].filter(
        (code) =>
          !['taken', 'batch-damaged', 'batch-refused', 'clock-ahead', 'stale', 'batch-oversized'].includes(code),
      ),
    ).toEqual([]);
    expect(codes.get('batch-damaged')).toBeGreaterThan(30);
    expect(paris.application.prepare('SELECT name FROM item WHERE id = 1').pluck().get()).toBeDefined();
    expect((await request(`${paris.url}/readyz`)).statusCode).toBe(200);
  }, 60_000);
});

describe('over a live connection', () => {
  const open = async () => {
    const socket = new WebSocket(`${paris.url.replace('http', 'ws')}/v1/live`, {
      headers: { authorization: `Bearer ${SECRET}` },
    });
    await once(socket, 'open');
    return socket;
  };
  const greeting = (of: Hello) => JSON.stringify({ type: 'hello', hello: of, ships: true, takes: true });

  /** Greets, says this, and returns what it is refused with. */
  async function refusalOf(text: string | Buffer): Promise<string | null> {
    const socket = await open();
    const heard: string[] = [];
    socket.on('message', (data) => heard.push(String(data)));
    socket.send(greeting(hello));
    await once(socket, 'message');
    socket.send(text);
    await once(socket, 'close');
    const said = heard.map((json) => JSON.parse(json) as { type: string; error?: { code: string } });
    return said.find(({ type }) => type === 'refused')?.error?.code ?? null;
  }

  it.each<[string, (of: Hello) => string | Buffer, string]>([
    [
      'another’s acknowledgement',
      (of) => JSON.stringify({ type: 'ack', hello: { ...of, node: 'nice' } }),
      'batch-damaged',
    ],
    ['news in another’s name', (of) => greeting({ ...of, node: 'nice', nodeId: 'cd'.repeat(16) }), 'batch-damaged'],
    ['news from the future', (of) => greeting({ ...of, horizon: FAR }), 'clock-ahead'],
    ['a reply that nobody waits for', (of) => JSON.stringify({ type: 'reply', number: 7, hello: of }), 'batch-damaged'],
    ['no JSON', () => '{', 'batch-damaged'],
    ['JSON 100,000 deep', () => `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'batch-damaged'],
    ['an answer to no question', () => '{"type":"answer","number":1,"answer":{"kind":"error"}}', 'batch-damaged'],
    ['bytes that are no frame', () => Buffer.alloc(64, 0xff), 'batch-oversized'],
  ])('is refused: %s', async (_what, text, code) => {
    expect(await refusalOf(text(hello))).toBe(code);
    expect((await request(`${paris.url}/readyz`)).statusCode).toBe(200);
  });
});
