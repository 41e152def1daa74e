/** Comparisons with a read-only member: what it has for itself is told, and nobody takes it. */
import { expect, test, vi } from 'vitest';
import type { CompareMode } from '../../../src/operations/verify-report.js';
import { updateMember } from '../../../src/replication/member-table.js';
import { OperatorWrites } from '../../../src/replication/operator-writes.js';
import { makeFolder } from '../../support/make-folder.js';
import { TestNode } from '../node.js';

const soon = { interval: 10, timeout: 15_000 };

/** Paris, and lyon as a reader that has what paris has. */
async function withReader(): Promise<{ paris: TestNode; lyon: TestNode }> {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
  await lyon.start({ peers: [paris.asPeer] });
  for (const id of [1, 2, 3]) paris.insert(id, `row ${id}`);
  const nodeId = (await replicaOf(lyon))?.memberships.find(({ isSelf }) => isSelf)?.nodeId ?? '';
  OperatorWrites.transaction(paris.application, Date.now(), (writes) =>
    updateMember(writes.db, writes.log, writes.nextHlc(), nodeId, { access: 'read' }),
  );
  await vi.waitFor(async () => expect((await replicaOf(lyon))?.isReadOnly).toBe(true), soon);
  await vi.waitFor(() => expect(rows(lyon)).toEqual(rows(paris)), soon);
  return { paris, lyon };
}

async function replicaOf(node: TestNode) {
  const [database] = (await node.daemon?.status())?.databases ?? [];
  return database?.replica ?? undefined;
}

const rows = ({ application }: TestNode) => application.prepare('SELECT id, name FROM item ORDER BY id').raw().all();

async function compare(node: TestNode, mode: CompareMode) {
  const [result] = await (await node.control()).compare({ database: 'shop', peers: [], tables: null, mode });
  return result;
}

/** Writes while the triggers are gone; what comes after is logged, and has the daemon look at the schema. */
function goUnseen({ application }: TestNode): void {
  application.exec('DROP TRIGGER _sqlsync_10_update; DROP TRIGGER _sqlsync_10_delete');
  application.exec(`UPDATE item SET name = 'unseen' WHERE id = 1; DELETE FROM item WHERE id = 2`);
  application.exec(`INSERT INTO item VALUES(4, 'seen', NULL)`);
}

test('what goes unrecorded on a reader is recorded as its own, differs on, and is mended from there only', async () => {
  const { paris, lyon } = await withReader();
  const before = rows(paris);
  goUnseen(lyon);
  await vi.waitFor(async () => expect((await replicaOf(lyon))?.unsentRows).toBe(3), soon);
  await vi.waitFor(async () => expect((await replicaOf(lyon))?.gap).toBe(null), soon);
  expect(rows(paris)).toEqual(before);
  for (const node of [lyon, paris]) {
    expect(await compare(node, 'verify')).toMatchObject({ equal: false, differencesTotal: 3, rowsWritten: 0 });
  }
  for (const [node, mode] of [
    [lyon, 'use-here'],
    [paris, 'use-there'],
  ] as const) {
    const message = expect.stringContaining('lyon is a read-only member');
    expect(await compare(node, mode)).toMatchObject({ equal: null, error: { code: 'member-read-only', message } });
  }
  expect(rows(paris)).toEqual(before);
  expect(await compare(lyon, 'use-there')).toMatchObject({ rowsWritten: 3 });
  await vi.waitFor(() => expect(rows(lyon)).toEqual(before), soon);
  expect(rows(paris)).toEqual(before);
});

test('a writer closes a gap with a reader, and takes nothing from it', async () => {
  const { paris, lyon } = await withReader();
  lyon.insert(9, 'of the reader alone');
  goUnseen(paris);
  await vi.waitFor(async () => expect((await replicaOf(paris))?.gap).toBe(null), soon);
  const expected = [[1, 'unseen'], [3, 'row 3'], [4, 'seen']]; // biome-ignore format: one line
  await vi.waitFor(() => expect(rows(paris)).toEqual(expected), soon);
  await vi.waitFor(() => expect(rows(lyon)).toEqual([...expected, [9, 'of the reader alone']]), soon);
  expect(await compare(paris, 'verify')).toMatchObject({ equal: false, differencesTotal: 1 });
});
