import { expect, test, vi } from 'vitest';
import type { PruneReport } from '../../src/operations/prune-databases.js';
import type { ProcessNode } from '../support/process-node.js';
import { onDatabase, rowsOf } from '../support/shop-database.js';
import { makeShopPair } from '../support/shop-pair.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 180_000 });

const ROWS = 3_000;

/** ROWS sales, of which a thousand stay. */
function sellMuch(node: ProcessNode, after = 1000): void {
  const numbers = `WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})`;
  onDatabase(node.path, (db) => {
    db.exec(`INSERT INTO sale ${numbers} SELECT ${after} + i, 'tea', 1 FROM n`);
    db.exec(`DELETE FROM sale WHERE id > ${after + 1000}`);
  });
}

async function prune(node: ProcessNode, ...flags: string[]): Promise<PruneReport> {
  const { items } = (await node.succeed(['prune', ...flags])) as { items: [PruneReport] };
  return items[0];
}

const metadataOf = (node: ProcessNode) =>
  onDatabase(node.path, (db) => {
    const tables = db.prepare(`SELECT name FROM sqlite_schema WHERE name GLOB '_sqlsync_meta_*' AND type = 'table'`);
    const count = (table: unknown) => db.prepare(`SELECT count(*) FROM "${table}"`).pluck().get() as number;
    return tables
      .pluck()
      .all()
      .reduce((sum: number, table) => sum + count(table), 0);
  });

test('tells who holds history, removes it when all have it, and gives the room back to the disk', async () => {
  const { paris, lyon } = await makeShopPair();
  await lyon.succeed(['sync']);
  sellMuch(paris);
  const held = await prune(paris, '--keep-log', '0s', '--dry-run');
  expect(held).toMatchObject({ database: 'shop', dryRun: true, evicted: [], undecided: [] });
  // Of the membership itself something may go.
  expect(held.removed.rows).toBeLessThanOrEqual(2);
  expect(held.left.rows).toBeGreaterThanOrEqual(ROWS);
  expect(held.holders).toMatchObject([{ member: 'lyon', why: 'lacks', lastHeardAt: expect.any(String) }]);
  expect(held.holders[0]?.changes).toBeGreaterThanOrEqual(ROWS);
  const text = await paris.run(['prune', '--dry-run']);
  expect(text.stdout).toMatch(
    /held by lyon: 3,0\d\d rows, about .* it has not acknowledged what is here, last heard of/,
  );

  // Twice: what lyon has acknowledged of that it says when it comes again.
  await lyon.succeed(['sync']);
  await lyon.succeed(['sync']);
  const gone = await prune(paris, '--keep-log', '0s');
  expect(gone).toMatchObject({ dryRun: false, left: { rows: 0 }, holders: [], vacuumedBytes: null });
  expect(gone.freeBytes).toBeGreaterThan(100_000);
  expect(metadataOf(paris)).toBe(0);
  expect(rowsOf(paris.path, 'SELECT count(*) FROM sale')).toEqual([[2 + 1000]]);

  const vacuumed = await prune(paris, '--vacuum');
  expect(vacuumed.vacuumedBytes).toBeGreaterThan(100_000);
  expect(vacuumed.freeBytes).toBe(0);
  sellMuch(lyon, 10_000);
  await lyon.succeed(['sync']);
  expect(rowsOf(paris.path, 'SELECT count(*) FROM sale')).toEqual(rowsOf(lyon.path, 'SELECT count(*) FROM sale'));
});

test('without a daemon what nobody else has stays', async () => {
  const { paris, lyon } = await makeShopPair();
  await lyon.succeed(['sync']);
  sellMuch(lyon);
  const first = await prune(lyon, '--keep-log', '0s');
  expect(first).toMatchObject({ evicted: [], undecided: [], holders: [{ member: 'paris', why: 'lacks' }] });
  expect(first.left.rows).toBeGreaterThanOrEqual(ROWS);
  // Folded entries of the log went: what they said is in the metadata.
  expect(first.removed.logEntries).toBeGreaterThan(ROWS);
  await lyon.succeed(['sync']);
  expect(rowsOf(paris.path, 'SELECT count(*) FROM sale')).toEqual([[2 + 1000]]);
});
