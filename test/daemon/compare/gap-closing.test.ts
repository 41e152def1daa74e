import { expect, test, vi } from 'vitest';
import { writeUnseen } from '../../support/compare-engines.js';
import { makeFolder } from '../../support/make-folder.js';
import { type NodeOptions, SCHEMA, TestNode } from '../node.js';

const soon = { interval: 10, timeout: 15_000 };

async function pair(options: NodeOptions = {}): Promise<{ paris: TestNode; lyon: TestNode }> {
  const paris = await TestNode.first(makeFolder(), 'paris', options).start();
  const lyon = await TestNode.joining(paris, 'lyon', { listens: false, ...options });
  await lyon.start({ peers: [paris.asPeer] });
  await vi.waitFor(async () => expect((await paris.peer('lyon'))?.state).toBe('online'), soon);
  return { paris, lyon };
}

async function replicaOf(node: TestNode) {
  const status = await node.daemon?.status();
  if (status === undefined) throw new Error(`${node.name} does not run`);
  return status.databases[0]?.replica;
}

const rows = (node: TestNode) => node.application.prepare('SELECT id, name FROM item ORDER BY id').raw().all();

/** Writes while triggers are gone; what comes after is logged, and has the daemon look at the schema. */
function goUnseen(node: TestNode, sql: string, then: string): void {
  node.application.exec('DROP TRIGGER _sqlsync_10_update; DROP TRIGGER _sqlsync_10_delete');
  node.application.exec(sql);
  node.application.exec(then);
}

function operations(node: TestNode): unknown[] {
  const select = node.application.prepare(
    "SELECT node, command, detail ->> '$.peer', detail ->> '$.rowsWritten', result FROM _sqlsync_operation",
  );
  return select.raw().all();
}

test.each(['wal', 'delete'])(
  'a gap is closed with a peer that is in touch, by itself; journal mode %s',
  async (journalMode) => {
    const { paris, lyon } = await pair({ journalMode });
    for (const id of [1, 2, 3]) paris.insert(id, `row ${id}`);
    await vi.waitFor(() => expect(rows(lyon)).toEqual(rows(paris)), soon);
    // Lyon only dials: it asks over HTTP. Paris asks over the connection that lyon has dialed.
    goUnseen(
      lyon,
      "UPDATE item SET name = 'unseen' WHERE id = 1; DELETE FROM item WHERE id = 2",
      "INSERT INTO item VALUES(4, 'seen', NULL)",
    );
    const expected = [[1, 'unseen'], [3, 'row 3'], [4, 'seen']]; // biome-ignore format: one line
    await vi.waitFor(() => expect(rows(paris)).toEqual(expected), soon);
    await vi.waitFor(async () => expect((await replicaOf(lyon))?.gap).toBe(null), soon);
    expect(rows(lyon)).toEqual(expected);
    await vi.waitFor(() => expect(operations(paris)).toEqual([['lyon', 'close gap', 'paris', 2, 'done']]), soon);
    goUnseen(paris, "UPDATE item SET name = 'in paris' WHERE id = 3", "INSERT INTO item VALUES(5, 'seen', NULL)");
    await vi.waitFor(() => expect(rows(lyon)[1]).toEqual([3, 'in paris']), soon);
    await vi.waitFor(async () => expect((await replicaOf(paris))?.gap).toBe(null), soon);
    expect(operations(paris)).toHaveLength(2);
  },
);

test('a write that came into a table between its copy and its end, in a migration of many transactions, is kept', async () => {
  const { paris, lyon } = await pair();
  for (const id of [1, 2, 3]) paris.insert(id, `row ${id}`);
  await vi.waitFor(() => expect(rows(lyon)).toEqual(rows(paris)), soon);
  lyon.application.exec(`${SCHEMA.replace('item', 'item_new')}; INSERT INTO item_new SELECT * FROM item`);
  paris.application.exec("UPDATE item SET name = 'in paris' WHERE id = 1; DELETE FROM item WHERE id = 2");
  paris.insert(4, 'row 4');
  await vi.waitFor(() => expect(rows(lyon)).toEqual(rows(paris)), soon);
  lyon.application.exec('DROP TABLE item; ALTER TABLE item_new RENAME TO item');
  await vi.waitFor(() => expect(operations(paris)).toEqual([['lyon', 'close gap', 'paris', 3, 'done']]), soon);
  await vi.waitFor(() => expect(rows(paris)).toEqual(rows(lyon)), soon);
  const select = "SELECT key ->> '$.id', kind, loser ->> '$.row.name' FROM _sqlsync_conflict ORDER BY 1";
  const kept = (node: TestNode) => node.application.prepare(select).raw().all();
  const expected = [[1, 'update-update', 'in paris'], [2, 'update-delete', null], [4, 'update-delete', 'row 4']]; // biome-ignore format: one line
  await vi.waitFor(() => expect(kept(paris)).toEqual(expected), soon);
  expect(kept(lyon)).toEqual(expected);
});

test('a rebuild by hand that takes its time, under a name that no tool uses, leaves nothing behind anywhere', async () => {
  const { paris, lyon } = await pair();
  for (const id of [1, 2, 3]) paris.insert(id, `row ${id}`);
  await vi.waitFor(() => expect(rows(lyon)).toEqual(rows(paris)), soon);
  lyon.application.exec(`${SCHEMA.replace('item', 'rebuilt')}; INSERT INTO rebuilt SELECT * FROM item`);
  await vi.waitFor(async () => expect((await replicaOf(paris))?.held.rows).toBe(3), soon);
  paris.application.exec("UPDATE item SET name = 'in paris' WHERE id = 1");
  lyon.application.exec("UPDATE rebuilt SET name = 'rebuilt' WHERE id = 2");
  await vi.waitFor(() => expect(rows(lyon)).toEqual(rows(paris)), soon);
  lyon.application.exec('DROP TABLE item; ALTER TABLE rebuilt RENAME TO item');
  await vi.waitFor(async () => expect((await replicaOf(paris))?.held.rows).toBe(0), { ...soon, timeout: 40_000 });
  await vi.waitFor(async () => expect((await replicaOf(lyon))?.gap).toBe(null), soon);
  await vi.waitFor(() => expect(rows(paris)).toEqual(rows(lyon)), soon);
  expect(rows(lyon)).toContainEqual([2, 'rebuilt']);
  const given =
    "SELECT node, detail ->> '$.table', detail ->> '$.rows' FROM _sqlsync_operation WHERE command LIKE 'give up%'";
  await vi.waitFor(() => expect(lyon.application.prepare(given).raw().all()).toEqual([['paris', 'rebuilt', 3]]), soon);
}, 60_000);

test('a gap waits for a peer; a node without others has nobody to miss anything', async () => {
  const { paris, lyon } = await pair();
  paris.insert(1, 'row 1');
  await vi.waitFor(() => expect(rows(lyon)).toEqual(rows(paris)), soon);
  await lyon.stop();
  goUnseen(paris, "UPDATE item SET name = 'unseen' WHERE id = 1", "INSERT INTO item VALUES(2, 'seen', NULL)");
  await vi.waitFor(async () => expect((await replicaOf(paris))?.gap?.tables).toEqual(['item']), soon);
  await paris.stop();
  await paris.start();
  expect((await replicaOf(paris))?.gap?.tables).toEqual(['item']);
  await lyon.start({ peers: [paris.asPeer] });
  await vi.waitFor(() => expect(rows(lyon)).toEqual([[1, 'unseen'], [2, 'seen']]), soon); // biome-ignore format: one line
  await vi.waitFor(async () => expect((await replicaOf(paris))?.gap).toBe(null), soon);

  const alone = await TestNode.first(makeFolder(), 'alone').start();
  goUnseen(alone, '', "INSERT INTO item VALUES(1, 'seen', NULL)");
  await vi.waitFor(() => expect(operations(alone)).toEqual([['alone', 'close gap', null, 0, 'done']]), soon);
  expect((await replicaOf(alone))?.gap).toBe(null);
});

test('a gap is not closed by a peer that lacks a column of which writes may have gone unrecorded', async () => {
  const { paris, lyon } = await pair();
  paris.insert(1, 'row 1');
  await vi.waitFor(() => expect(rows(lyon)).toEqual(rows(paris)), soon);
  const alter = 'ALTER TABLE item ADD COLUMN extra; ';
  goUnseen(paris, `${alter} UPDATE item SET extra = 'unseen', name = 'unseen'`, 'INSERT INTO item(id) VALUES(2)');
  await vi.waitFor(async () => expect((await replicaOf(paris))?.gap?.tables).toEqual(['item']), soon);
  const verify = async () => {
    const [result] = await (await paris.control()).compare({
      database: 'shop',
      peers: [],
      tables: null,
      mode: 'verify',
    });
    return result;
  };
  expect(await verify()).toMatchObject({ gapClosed: false });
  expect((await replicaOf(paris))?.gap?.tables).toEqual(['item']);
  lyon.application.exec(alter);
  await vi.waitFor(async () => expect(await verify()).toMatchObject({ equal: true }), soon);
  await vi.waitFor(async () => expect((await replicaOf(paris))?.gap).toBe(null), soon);
  const select = 'SELECT id, name, extra FROM item ORDER BY id';
  const expected = [[1, 'unseen', 'unseen'], [2, null, null]]; // biome-ignore format: one line
  expect(lyon.application.prepare(select).raw().all()).toEqual(expected);
});

test('nodes are compared by schedule, and the status tells how that ended', async () => {
  const { paris, lyon } = await pair({ verifySchedule: '* * * * * *' });
  paris.insert(1, 'row 1');
  await vi.waitFor(() => expect(rows(lyon)).toEqual(rows(paris)), soon);
  const verified = async (node: TestNode, peer: string) => (await replicaOf(node))?.verified[peer];
  await vi.waitFor(async () => expect((await verified(paris, 'lyon'))?.differences).toBe(0), soon);
  const equalAtMs = (await verified(paris, 'lyon'))?.equalAtMs ?? null;
  expect(equalAtMs).toBeGreaterThan(0);
  writeUnseen({ app: lyon.application }, () => lyon.application.exec("UPDATE item SET name = 'unseen'"));
  await vi.waitFor(async () => expect((await verified(paris, 'lyon'))?.differences).toBe(1), soon);
  await vi.waitFor(async () => expect((await verified(lyon, 'paris'))?.differences).toBe(1), soon);
  expect((await verified(paris, 'lyon'))?.equalAtMs).toBeGreaterThanOrEqual(equalAtMs ?? 0);
});
