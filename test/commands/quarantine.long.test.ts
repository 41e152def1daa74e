/** Changes that a constraint of one node refuses: seen, tried again, given up; with real daemons and without one. */
import { expect, onTestFinished, test, vi } from 'vitest';
import type { QuarantineReport } from '../../src/operations/decide-quarantine.js';
import type { OperationReport } from '../../src/operations/list-operations.js';
import type { QuarantinedChange } from '../../src/operations/list-quarantine.js';
import type { Page } from '../../src/page.js';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { makeShop, onDatabase, rowsOf } from '../support/shop-database.js';
import { until } from '../support/until.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const PRODUCTS = 'SELECT sku, name, price FROM product ORDER BY sku';

/** The twelve steps of https://sqlite.org/lang_altertable.html, section 7, by the application, whoever serves the file. */
function rebuild({ path }: ProcessNode, priceType: string): void {
  onDatabase(path, (db) =>
    db.exec(`PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; BEGIN IMMEDIATE; CREATE TABLE made(sku TEXT PRIMARY KEY NOT NULL, name TEXT, price ${priceType});
      INSERT INTO made SELECT * FROM product; DROP TABLE product; ALTER TABLE made RENAME TO product; COMMIT`),
  );
}

/** Paris takes products without a price, lyon does not any more. */
async function makePair(): Promise<{ paris: ProcessNode; lyon: ProcessNode }> {
  const folder = makeFolder();
  const paris = await ProcessNode.first(folder, 'paris', (path) => makeShop(path));
  onTestFinished(() => paris.dispose());
  await paris.start();
  const lyon = await ProcessNode.joining(paris, 'lyon');
  onTestFinished(() => lyon.dispose());
  rebuild(lyon, 'REAL NOT NULL');
  return { paris, lyon };
}

const write = ({ path }: ProcessNode, sql: string) => onDatabase(path, (db) => db.exec(sql));
const products = ({ path }: ProcessNode) => rowsOf(path, PRODUCTS);

async function quarantineOf(node: ProcessNode, args: string[] = []): Promise<Page<QuarantinedChange>> {
  return (await node.succeed(['quarantine', ...args])) as Page<QuarantinedChange>;
}

function untilKept(node: ProcessNode, count: number): Promise<Page<QuarantinedChange>> {
  const look = async () => {
    const page = await quarantineOf(node);
    return page.total === count ? page : null;
  };
  return until(look, 20_000, () => `${node.name} does not keep ${count}`);
}

async function untilSame(x: ProcessNode, y: ProcessNode): Promise<unknown> {
  const look = () => (JSON.stringify(products(x)) === JSON.stringify(products(y)) ? true : null);
  return until(look, 20_000, () => JSON.stringify([products(x), products(y)]));
}

test('a row that NOT NULL keeps out on one node is counted and shown, holds nobody up, and goes in when it may', async () => {
  const { paris, lyon } = await makePair();
  await lyon.start();
  write(paris, `INSERT INTO product VALUES('mate', 'Mate', NULL), ('cocoa', 'Cocoa', 3.5)`);
  const { items, total, nextCursor } = await untilKept(lyon, 1);
  expect([total, nextCursor]).toEqual([1, null]);
  expect(items).toEqual([
    {
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      database: 'shop',
      table: 'product',
      key: { sku: 'mate' },
      reason: 'not-null',
      error: 'NOT NULL constraint failed: product.price',
      since: expect.stringMatching(/^\d{4}-.*Z$/),
      node: 'paris',
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      row: { sku: 'mate', name: 'Mate', price: null },
    },
  ]);
  expect(products(lyon)).toContainEqual(['cocoa', 'Cocoa', 3.5]);
  const status = await lyon.status();
  expect(status.databases[0]).toMatchObject({ quarantined: 1 });
  expect(status.problems).toContainEqual(
    expect.objectContaining({ code: 'changes-quarantined', command: 'sqlsync quarantine -d shop' }),
  );
  const text = await lyon.run(['quarantine']);
  expect(text.stdout).toMatch(new RegExp(`^${items[0]?.id.slice(0, 12)} +product +sku=mate +paris .*NOT NULL`, 'm'));
  expect(text.stdout).toContain('{"sku":"mate","name":"Mate","price":null}');

  rebuild(lyon, 'REAL');
  await untilSame(lyon, paris);
  expect(products(lyon)).toContainEqual(['mate', 'Mate', null]);
  expect((await quarantineOf(lyon)).total).toBe(0);
  expect((await lyon.status()).databases[0]).toMatchObject({ quarantined: 0 });
  expect((await lyon.run(['quarantine'])).stdout).toBe('nothing is in quarantine\n');
  expect(lyon.complaints).toEqual([]);
});

test('what is given up is gone on every node, and stands in the record of operations on each', async () => {
  const { paris, lyon } = await makePair();
  await lyon.start();
  write(paris, `UPDATE product SET price = NULL; INSERT INTO product VALUES('mate', 'Mate', NULL)`);
  const before = products(lyon);
  const { items } = await untilKept(lyon, 3);
  const [mate] = items.filter(({ key }) => key.sku === 'mate');
  const id = mate?.id.slice(0, 12) ?? '';

  expect(await lyon.run(['quarantine', 'discard', id])).toMatchObject({ exitCode: 2 });
  const dry = await lyon.run(['quarantine', 'discard', '--all', '--dry-run']);
  expect([dry.exitCode, dry.stdout]).toEqual([0, expect.stringContaining('3 changes would be given up')]);
  expect((await quarantineOf(lyon)).total).toBe(3);

  const again = (await lyon.run(['quarantine', 'retry', id, '--json'])) as { exitCode: number; stdout: string };
  expect(again.exitCode).toBe(1);
  expect(JSON.parse(again.stdout).items).toEqual([
    { id: mate?.id, database: 'shop', table: 'product', key: { sku: 'mate' }, outcome: 'refused', error: mate?.error },
  ]);

  const done = (await lyon.succeed(['quarantine', 'discard', '--all', '--yes'])) as Page<QuarantineReport>;
  expect(done.items.map(({ outcome }) => outcome)).toEqual(['discarded', 'discarded', 'discarded']);
  await untilSame(lyon, paris);
  expect(products(paris)).toEqual(before);
  expect((await quarantineOf(lyon)).total).toBe(0);

  const discards = await until(
    async () => {
      const { items: found } = (await paris.succeed(['operations'])) as Page<OperationReport>;
      const discarding = found.filter(({ command }) => command.includes('discard'));
      return discarding.length > 0 ? discarding : null;
    },
    20_000,
    () => 'paris has not heard of the operation',
  );
  expect(discards).toMatchObject([
    { node: 'lyon', result: 'done', command: expect.stringMatching(/^quarantine discard --all --yes /) },
  ]);
  expect(JSON.stringify(discards[0]?.detail)).toContain('"row":{"sku":"mate","name":"Mate","price":null}');
  expect([...paris.complaints, ...lyon.complaints]).toEqual([]);
});

test('without a daemon the same is done by the command itself', async () => {
  const { paris, lyon } = await makePair();
  write(paris, `INSERT INTO product VALUES('mate', 'Mate', NULL), ('cola', 'Cola', NULL)`);
  await lyon.succeed(['sync']);
  const [cola, mate] = (await quarantineOf(lyon)).items as [QuarantinedChange, QuarantinedChange];
  expect([cola.key, mate.key]).toEqual([{ sku: 'cola' }, { sku: 'mate' }]);
  const first = await quarantineOf(lyon, ['--limit', '1']);
  expect(first).toEqual({ items: [cola], total: 2, nextCursor: expect.any(String) });
  expect(await quarantineOf(lyon, ['--limit', '1', '--cursor', first.nextCursor ?? ''])).toEqual({
    items: [mate],
    total: 2,
    nextCursor: null,
  });
  const cases: readonly [args: string[], code: string][] = [
    [['retry'], 'usage'],
    [['discard', mate.id, '00000000', '--yes'], 'quarantine-unknown'],
  ];
  for (const [args, code] of cases) {
    const run = await lyon.run(['quarantine', ...args, '--json']);
    expect([args, run.exitCode, JSON.parse(run.stdout).error?.code]).toEqual([args, 2, code]);
  }
  expect((await lyon.run(['quarantine', 'retry', '--all', '--table', 'product'])).exitCode).toBe(1);
  await lyon.succeed(['quarantine', 'discard', mate.id, '--yes']);
  await lyon.succeed(['sync']);
  expect(products(paris)).toContainEqual(['cola', 'Cola', null]);
  expect(products(paris)).not.toContainEqual(['mate', 'Mate', null]);
  expect((await quarantineOf(lyon)).items).toEqual([cola]);
});
