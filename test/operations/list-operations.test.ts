import { afterEach, expect, test } from 'vitest';
import { localFiles } from '../../src/daemon/local-files.js';
import { listOperations } from '../../src/operations/list-operations.js';
import { enterOperation } from '../../src/replication/operation-record.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const HOUR_MS = 3_600_000;
const START_MS = Date.parse('2026-05-01T12:00:00Z');
const deps = { files: localFiles };

let cluster: EngineCluster;
afterEach(() => cluster.close());

/** A node with an operation an hour, the last two of them in one millisecond. */
function makeDatabase() {
  cluster = new EngineCluster('CREATE TABLE t(id INTEGER PRIMARY KEY)', 1);
  const [node] = cluster.nodes as [EngineNode];
  for (const [i, hour] of [0, 1, 2, 3, 3].entries()) {
    const record = { id: `op${i}`, node: 'n0', operator: 'ann', command: `do ${i}`, detail: { i }, result: 'done' };
    enterOperation(node.app, record, START_MS + hour * HOUR_MS);
  }
  return { name: 'shop', path: node.path, identity: 'ask' } as const;
}

const all = { sinceMs: undefined, cursor: undefined, limit: 10 };

test('newest first, page by page, each once', () => {
  const database = makeDatabase();
  const whole = listOperations(database, all, deps);
  expect(whole).toMatchObject({ total: 5, nextCursor: null });
  expect(whole.items.map(({ id }) => id)).toEqual(['op4', 'op3', 'op2', 'op1', 'op0']);
  expect(whole.items[4]).toEqual({
    id: 'op0',
    at: '2026-05-01T12:00:00.000Z',
    node: 'n0',
    operator: 'ann',
    command: 'do 0',
    detail: { i: 0 },
    result: 'done',
  });
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = listOperations(database, { ...all, cursor, limit: 2 }, deps);
    expect(page.total).toBe(5);
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  expect(seen).toEqual(['op4', 'op3', 'op2', 'op1', 'op0']);
});

test('since a moment, that one included', () => {
  const database = makeDatabase();
  const page = listOperations(database, { ...all, sinceMs: START_MS + 2 * HOUR_MS }, deps);
  expect([page.total, page.items.map(({ id }) => id)]).toEqual([3, ['op4', 'op3', 'op2']]);
});

test('a cursor of something else is refused', () => {
  const database = makeDatabase();
  for (const cursor of ['nonsense', Buffer.from('["a", "b"]').toString('base64url')]) {
    const list = () => listOperations(database, { ...all, cursor }, deps);
    expect(list).toThrow(expect.objectContaining({ code: 'usage' }));
  }
});
