import { expect, onTestFinished, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA = 'CREATE TABLE item(id TEXT PRIMARY KEY NOT NULL, a, b)';

function nodesOf(count: number): EngineNode[] {
  const cluster = new EngineCluster(SCHEMA, count);
  onTestFinished(() => cluster.close());
  cluster.settleDown();
  return cluster.nodes;
}

/** Exchanges among these until everybody knows what everybody has, and settles. */
function quieten(nodes: readonly EngineNode[]): void {
  for (let round = 0; round < 5; round += 1) {
    for (const to of nodes) for (const from of nodes) if (to !== from) to.pull(from);
    for (const node of nodes) while (node.replica.settle().more);
  }
}

const unsettled = ({ app }: EngineNode) => app.prepare('SELECT count(*) FROM _sqlsync_meta_10').pluck().get();
const rowsOf = ({ app }: EngineNode) => app.prepare('SELECT id, a, b FROM item ORDER BY id').raw().all();

test('a removed member is refused by all that know, and holds no history back', () => {
  const [a, b, c] = nodesOf(3) as [EngineNode, EngineNode, EngineNode];
  c.app.exec(`INSERT INTO item VALUES('unsent', 1, 1)`);
  c.foldAll();
  a.removeMember(c);
  a.app.exec(`INSERT INTO item VALUES('later', 2, 2)`);
  a.foldAll();

  // Until b has heard of it, it goes on with c, and a must not count without c.
  expect(b.pull(c)).toBe(1);
  while (a.replica.settle().more);
  expect(unsettled(a)).toBe(1);

  quieten([a, b]);
  expect([unsettled(a), unsettled(b)]).toEqual([0, 0]);
  for (const node of [a, b]) {
    expect(node.replica.checkPeer(node.hello(), c.hello())).toMatchObject({
      code: 'member-removed',
      hint: 'on n2: sqlsync rejoin',
    });
    expect(c.replica.checkPeer(c.hello(), node.hello())?.code).not.toBe('node-name-taken');
  }
  expect(a.replica.status().members).toEqual(['n0', 'n1']);
  expect(rowsOf(a)).toEqual(rowsOf(b));
});

test('what a removed member had sent before is not applied once its removal is known', () => {
  const [a, b] = nodesOf(2) as [EngineNode, EngineNode];
  b.app.exec(`INSERT INTO item VALUES('on its way', 1, 1)`);
  b.foldAll();
  const { application } = a.startPull(b);
  a.removeMember(b);
  a.foldAll();
  expect(() => application.step()).toThrow(expect.objectContaining({ code: 'member-removed' }));
  expect(rowsOf(a)).toEqual([]);
});

test('a node that reads of its own removal exchanges nothing more', () => {
  const [a, b, c] = nodesOf(3) as [EngineNode, EngineNode, EngineNode];
  a.removeMember(c);
  a.foldAll();
  // It is in the middle of the answer when the removal comes to be known.
  const { application } = c.startPull(a);
  while (!application.step().done);
  expect(c.replica.status().memberships.find(({ isSelf }) => isSelf)?.removedAtMs).not.toBeNull();
  expect(c.replica.checkPeer(c.hello(), b.hello())).toMatchObject({ code: 'member-removed' });
});

test('of a read-only member nobody takes anything, and nobody waits for it', () => {
  const [a, b, reader] = nodesOf(3) as [EngineNode, EngineNode, EngineNode];
  a.setAccess(reader, 'read');
  quieten([a, b, reader]);
  reader.app.exec(`INSERT INTO item VALUES('own', 'stays', 0)`);
  reader.foldAll();
  a.app.exec(`INSERT INTO item VALUES('shared', 'goes', 0)`);
  a.foldAll();
  expect(reader.replica.surplusOver(a.hello())).toBe('nothing');
  const { application } = a.startPull(reader);
  expect(() => application.step()).toThrow(
    expect.objectContaining({ code: 'member-read-only', message: expect.stringContaining('changes to item') }),
  );

  for (let round = 0; round < 5; round += 1) {
    for (const [to, from] of [
      [reader, a],
      [reader, b],
      [b, a],
      [a, b],
    ] as const)
      to.pull(from);
    for (const node of [a, b]) node.replica.acknowledge(reader.hello());
    for (const node of [a, b, reader]) while (node.replica.settle().more);
  }
  expect([unsettled(a), unsettled(b)]).toEqual([0, 0]);
  // Its own write is nowhere else: its metadata stays.
  expect(unsettled(reader)).toBe(1);
  expect(rowsOf(reader)).toHaveLength(2);

  // When it may write again, that is older than what others have settled: it goes on as a reader until it has rejoined.
  a.setAccess(reader, 'write');
  a.foldAll();
  reader.pull(a);
  while (reader.replica.settle().more);
  expect(reader.replica.status()).toMatchObject({ isReadOnly: true, unsentRows: 1 });
  expect(reader.replica.surplusOver(a.hello())).toBe('nothing');
  reader.rejoin(a);
  expect(reader.replica.status()).toMatchObject({ isReadOnly: false, unsentRows: 0 });
  quieten([a, b, reader]);
  for (const node of [a, b, reader]) {
    expect(rowsOf(node)).toEqual([
      ['own', 'stays', 0],
      ['shared', 'goes', 0],
    ]);
    expect(unsettled(node)).toBe(0);
  }
});

test('a reader that has written nothing simply writes when it may', () => {
  const [a, reader] = nodesOf(2) as [EngineNode, EngineNode];
  a.setAccess(reader, 'read');
  quieten([a, reader]);
  a.app.exec(`INSERT INTO item VALUES('kept', 1, 1)`);
  quieten([a, reader]);
  a.setAccess(reader, 'write');
  a.foldAll();
  reader.pull(a);
  while (reader.replica.settle().more);
  reader.app.exec(`UPDATE item SET a = 'reader' WHERE id = 'kept'`);
  reader.foldAll();
  quieten([a, reader]);
  expect(rowsOf(a)).toEqual([['kept', 'reader', 1]]);
  expect([unsettled(a), unsettled(reader)]).toEqual([0, 0]);
});

test('a name that has come back under another file is not taken by an older one', () => {
  const [a, b] = nodesOf(2) as [EngineNode, EngineNode];
  b.backUp();
  a.removeMember(b);
  b.rejoin(a);
  b.foldAll();
  expect(a.pull(b)).toBeTypeOf('number');
  b.restore();
  expect(a.replica.checkPeer(a.hello(), b.hello())).toMatchObject({
    code: 'member-removed',
    message: expect.stringContaining('under another file'),
  });
  expect(() => b.rejoin(a)).toThrow(expect.objectContaining({ code: 'node-name-taken' }));
  // The operator says that the file that had come back is gone.
  const back = a.replica
    .status()
    .memberships.filter(({ name }) => name === 'n1')
    .at(-1);
  a.endMembership(back?.nodeId ?? '');
  a.foldAll();
  b.rejoin(a);
  expect(a.pull(b)).toBeTypeOf('number');
});

test('nobody joins by way of a node whose word does not count', () => {
  const [a, b, reader] = nodesOf(3) as [EngineNode, EngineNode, EngineNode];
  a.setAccess(reader, 'read');
  quieten([a, b, reader]);
  const newcomer = { name: 'new', nodeId: 'ab'.repeat(16), access: 'write' } as const;
  expect(() => reader.replica.admitMember(newcomer)).toThrow(expect.objectContaining({ code: 'member-read-only' }));
  a.removeMember(b);
  const { application } = b.startPull(a);
  while (!application.step().done);
  expect(() => b.replica.admitMember(newcomer)).toThrow(expect.objectContaining({ code: 'member-removed' }));
});

test('what is asked between two turns at the file is answered though another has locked it', () => {
  const made = new EngineCluster(SCHEMA, 2, { journalMode: 'delete' });
  onTestFinished(() => made.close());
  made.settleDown();
  const [a, b] = made.nodes as [EngineNode, EngineNode];
  const peer = b.hello();
  a.setAccess(b, 'read');
  a.hello();
  a.writer.pragma('busy_timeout = 0');
  a.app.exec('BEGIN EXCLUSIVE');
  expect(a.replica.surplusOver(peer)).toBeTypeOf('string');
  expect([a.replica.isReadOnly, a.replica.takesFrom('n1'), a.replica.isOnlyMember]).toEqual([false, false, false]);
  expect(() => a.hello()).toThrow('database is locked');
  a.app.exec('ROLLBACK');
});
