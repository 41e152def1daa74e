/** The inbox from the command line, on files that no daemon serves: lists, filters, pages, one conflict, counts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { ConflictReport } from '../../src/operations/conflict-report.js';
import { ConflictShop } from '../support/conflict-shop.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('a list', () => {
  test('tells of each conflict what the contract says, alike on every node', async () => {
    const shop = new ConflictShop();
    const lists = await Promise.all([0, 2].map((node) => shop.json(['conflicts'], node)));
    expect(lists[1]).toEqual(lists[0]);
    expect(lists[0]).toMatchObject({ total: 3, nextCursor: null });
    const tea = (await shop.list(['--table', 'product', '--kind', 'update-update']))[0] as ConflictReport;
    const at = expect.stringMatching(RFC3339);
    expect(tea).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      database: 'shop',
      table: 'product',
      key: { sku: 'tea' },
      kind: 'update-update',
      state: 'auto',
      detectedAt: at,
      strategy: 'merge',
      columns: ['price'],
      winner: { node: 'n1', at, row: { sku: 'tea', name: 'Assam', price: 4.9, photo: null } },
      loser: { node: 'n0', at, row: { sku: 'tea', name: 'Assam, 100 g', price: 4.5, photo: null } },
      resolvedBy: null,
    });
  });

  test('takes every filter', async () => {
    const shop = new ConflictShop();
    shop.clash.operator(0).resolveAll([shop.idOf('product', 'tea')], { use: 'loser' });
    const all = [
      '--table',
      'product',
      '--kind',
      'update-update',
      '--column',
      'price',
      '--node',
      'n1',
      '--state',
      'resolved',
    ];
    const times = ['--since', '2020-01-01', '--until', '2999-01-01T00:00:00+01:00'];
    expect(await shop.list([...all, ...times])).toMatchObject([{ key: { sku: 'tea' } }]);
    expect(await shop.list(['--until', '1h'])).toEqual([]);
  });

  test('is read page by page, each conflict once', async () => {
    const shop = new ConflictShop();
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const page: { items: ConflictReport[]; total: number; nextCursor: string | null } = await shop.json([
        'conflicts',
        '--limit',
        '2',
        ...(cursor === null ? [] : ['--cursor', cursor]),
      ]);
      expect(page.total).toBe(3);
      ids.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(ids).toEqual(shop.conflicts().map(({ id }) => id));
    expect(new Set(ids).size).toBe(3);
  });

  test('is a table for people', async () => {
    const shop = new ConflictShop();
    const { stdout, stderr } = await shop.run(['conflicts', '--table', 'account']);
    expect(stdout).toMatch(/^ID +STATE +KIND +TABLE +KEY +COLUMNS +WINNER +LOSER +FOUND\n/);
    expect(stdout).toMatch(/[0-9a-f]{12} +auto +unique +account +id=2 +mail +n0 +n1 +\d+ \w+ ago\n$/);
    expect(stderr).toBe('look at one: sqlsync conflicts show ID\n');
    expect((await shop.run(['conflicts', '--state', 'open'])).stdout).toBe('no conflicts\n');
  });
});

describe('one conflict', () => {
  test('shows both sides beside what is there now, and what to type', async () => {
    const shop = new ConflictShop();
    const id = shop.idOf('product', 'tea');
    const { stdout } = await shop.run(['conflicts', 'show', id.slice(0, 8)]);
    expect(stdout).toContain('update-update in product sku=tea  auto');
    expect(stdout).toMatch(/\* price +4\.9 +4\.5 +4\.9\n/);
    expect(stdout).toMatch(/~ name +Assam +Assam, 100 g +Assam, 100 g\n/);
    expect(stdout).toMatch(/ {2}photo +NULL +NULL +NULL\n/);
    expect(stdout).toContain('Neither knew of the other’s write: n1 had not seen n0’s, nor n0 n1’s.');
    expect(stdout).toContain(`sqlsync conflicts resolve ${id.slice(0, 12)} --use loser`);
    shop.clash.node(0).app.exec(`UPDATE product SET price = 7 WHERE sku = 'tea'`);
    expect((await shop.run(['conflicts', 'show', id])).stdout).toContain(
      'Somebody has written here since it was settled',
    );
    expect(await shop.json(['conflicts', 'show', id])).toMatchObject({
      changed: true,
      now: { price: { $real: '7' } },
      resolutions: [],
    });
  });

  test('tells of a deletion, of two rows with one UNIQUE value, and of what was decided', async () => {
    const shop = new ConflictShop();
    const [cocoa, ann] = [shop.idOf('product', 'cocoa'), shop.idOf('account', 2)];
    const deleted = await shop.run(['conflicts', 'show', cocoa]);
    expect(deleted.stdout).toMatch(/winner +n0 deleted the row at /);
    expect(deleted.stdout).toMatch(/\(row\) +no row +no row\n/);
    shop.clash.operator(0).resolveAll([ann], { use: 'loser' });
    const unique = await shop.run(['conflicts', 'show', ann]);
    expect(unique.stdout).toMatch(/COLUMN +WINNER +LOSER +WINNER’S ROW NOW +LOSER’S ROW NOW\n/);
    expect(unique.stdout).toMatch(/resolved: loser, by ann on n0 at /);
    expect(unique.stdout).toContain(`sqlsync conflicts undo ${ann.slice(0, 12)}`);
  });

  test('is asked for by enough of its id', async () => {
    const shop = new ConflictShop();
    const id = shop.idOf('product', 'tea');
    for (const [given, exitCode, code] of [
      ['zz99', 2, 'usage'],
      [id.slice(0, 3), 2, 'usage'],
      ['0'.repeat(32), 2, 'conflict-unknown'],
    ] as const) {
      const run = await shop.run(['conflicts', 'show', given, '--json']);
      expect([run.exitCode, JSON.parse(run.stdout).error.code]).toEqual([exitCode, code]);
    }
  });

  test('shows values of every kind so that they are told apart', async () => {
    const blob = `x'${'89504e47'.repeat(10)}'`;
    const shop = new ConflictShop({
      schema: 'CREATE TABLE v(k PRIMARY KEY, a, b, c, d, e, f, g)',
      common: `INSERT INTO v(k, d) VALUES(x'00ff', 0)`,
      first: `UPDATE v SET a = 5, b = 5.0, c = '5', d = NULL, e = 'NULL', f = '', g = ${blob}`,
      second: `UPDATE v SET a = 9007199254740993, b = 'a' || char(10, 27) || 'b', c = ' x', d = 1, e = hex(zeroblob(100)), f = CAST(x'ff' AS TEXT), g = x''`,
    });
    const [conflict] = shop.conflicts();
    const { stdout } = await shop.run(['conflicts', 'show', conflict?.id ?? '']);
    const row = (name: string) =>
      stdout
        .match(new RegExp(`^\\* ${name} +(.*)$`, 'm'))?.[1]
        ?.split(/ {2,}/)
        .slice(0, 2);
    expect(stdout).toContain('in v k=blob 2 B 00ff');
    expect(row('a')).toEqual(['9007199254740993', '5']);
    expect(row('b')).toEqual(['"a\\n\\u001bb"', '5.0']);
    expect(row('c')).toEqual(['" x"', '"5"']);
    expect(row('d')).toEqual(['1', 'NULL']);
    expect(row('e')).toEqual([`"${'0'.repeat(40)}"… (200 characters)`, '"NULL"']);
    expect(row('f')).toEqual(['text, not UTF-8, 1 B ff', '""']);
    expect(row('g')).toEqual(['blob 0 B', 'blob 40 B 89504e4789504e47…']);
  });
});

test('a summary counts by table, kind, node and day', async () => {
  const shop = new ConflictShop();
  shop.clash.operator(0).resolveAll([shop.idOf('product', 'tea')], { use: 'winner' });
  const day = new Date(shop.conflicts()[0]?.detectedAtMs ?? 0).toISOString().slice(0, 10);
  expect(await shop.json(['conflicts', 'summary'])).toEqual({
    database: 'shop',
    total: 3,
    open: 0,
    auto: 2,
    resolved: 1,
    byTable: [
      { table: 'product', total: 2, open: 0, auto: 1, resolved: 1 },
      { table: 'account', total: 1, open: 0, auto: 1, resolved: 0 },
    ],
    byKind: expect.arrayContaining([{ kind: 'unique', total: 1, open: 0, auto: 1, resolved: 0 }]),
    byNode: expect.arrayContaining([
      { node: 'n0', total: 3, open: 0, auto: 2, resolved: 1, won: 2, lost: 1 },
      { node: 'n1', total: 3, open: 0, auto: 2, resolved: 1, won: 1, lost: 2 },
    ]),
    byDay: [{ day, total: 3, open: 0, auto: 2, resolved: 1 }],
  });
  expect(await shop.json(['conflicts', 'summary', '--kind', 'unique'])).toMatchObject({ total: 1 });
  expect((await shop.run(['conflicts', 'summary'])).stdout).toMatch(
    /^NODE +CONFLICTS +OPEN +AUTO +RESOLVED +WON +LOST$/m,
  );
});

describe('what cannot be asked', () => {
  test.each([
    [['conflicts', '--kind', 'nonsense'], 2, 'usage'],
    [['conflicts', '--since', 'yesterday'], 2, 'usage'],
    [['conflicts', '--cursor', 'nonsense'], 2, 'usage'],
    [['conflicts', '-d', 'other'], 2, 'usage'],
  ])('%j', async (args, exitCode, code) => {
    const shop = new ConflictShop();
    const run = await shop.run([...args, '--json']);
    expect([run.exitCode, JSON.parse(run.stdout).error.code]).toEqual([exitCode, code]);
  });

  test('of several databases one must be named', async () => {
    const shop = new ConflictShop();
    writeFileSync(
      join(shop.folder, 'n0.yml'),
      'node: n0\ndatabases: [{ name: shop, path: n0.db }, { name: other, path: n1.db }]\n',
    );
    const run = await shop.run(['conflicts', '--json']);
    expect([run.exitCode, JSON.parse(run.stdout).error.code]).toEqual([2, 'database-ambiguous']);
    expect((await shop.run(['conflicts', '-d', 'shop'])).exitCode).toBe(0);
    expect((await shop.run(['conflicts', '-d', 'n0.db'])).exitCode).toBe(0);
  });
});
