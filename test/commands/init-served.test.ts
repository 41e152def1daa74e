/** `init` beside a daemon that serves the file: what is repaired and taken in goes on at once. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { makeShop, onDatabase, rowsOf } from '../support/shop-database.js';
import { until } from '../support/until.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

async function makePair(): Promise<{ paris: ProcessNode; lyon: ProcessNode }> {
  const folder = makeFolder();
  const paris = await ProcessNode.first(folder, 'paris', (path) => makeShop(path));
  onTestFinished(() => paris.dispose());
  await paris.start();
  const lyon = await ProcessNode.joining(paris, 'lyon');
  onTestFinished(() => lyon.dispose());
  await lyon.start();
  return { paris, lyon };
}

test('a table that both nodes take in replicates from then on, with the rows it had', async () => {
  const { paris, lyon } = await makePair();
  const create = 'CREATE TABLE supplier(id TEXT PRIMARY KEY NOT NULL, name TEXT);';
  onDatabase(paris.path, (db) => db.exec(`${create} INSERT INTO supplier VALUES('a', 'from before')`));
  onDatabase(lyon.path, (db) => db.exec(create));
  // The daemons take it in after a moment, if `init` has not done it before.
  for (const node of [paris, lyon]) expect(await node.succeed(['init', node.path])).toMatchObject({ repaired: [] });
  onDatabase(lyon.path, (db) => db.exec(`INSERT INTO supplier VALUES('b', 'from lyon')`));
  const suppliers = 'SELECT * FROM supplier ORDER BY id';
  await until(
    () =>
      JSON.stringify(rowsOf(paris.path, suppliers)) === JSON.stringify(rowsOf(lyon.path, suppliers)) ? true : null,
    20_000,
    () => `${JSON.stringify(rowsOf(paris.path, suppliers))} ${JSON.stringify(rowsOf(lyon.path, suppliers))}`,
  );
  expect(rowsOf(paris.path, suppliers)).toEqual([
    ['a', 'from before'],
    ['b', 'from lyon'],
  ]);
  expect((await paris.status()).databases[0]).toMatchObject({ tables: 3, coverage: 'complete' });
});

test('a trigger that somebody has dropped is back, and what went past it is found by comparing the nodes', async () => {
  const { paris, lyon } = await makePair();
  onDatabase(paris.path, (db) =>
    db.exec(`DROP TRIGGER _sqlsync_10_update; UPDATE product SET name = 'unseen' WHERE sku = 'tea'`),
  );
  const names = (node: ProcessNode) => JSON.stringify(rowsOf(node.path, 'SELECT name FROM product ORDER BY sku'));
  await until(
    () => (names(lyon) === names(paris) ? true : null),
    20_000,
    () => names(lyon),
  );
  expect(names(lyon)).toContain('unseen');
  expect(rowsOf(paris.path, `SELECT count(*) FROM sqlite_schema WHERE name = '_sqlsync_10_update'`)).toEqual([[1]]);
  const status = await until(
    async () => {
      const found = await paris.status();
      return found.databases[0]?.coverage === 'complete' ? found : null;
    },
    20_000,
    () => 'the gap is not closed',
  );
  expect(status.problems).toEqual([]);
  expect(
    paris.log.filter(({ msg }) => msg.startsWith('the gap of capture is closed: compared with lyon')),
  ).toHaveLength(1);
});
