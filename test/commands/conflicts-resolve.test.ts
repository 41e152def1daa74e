/** Decisions from the command line, on files that no daemon serves: one, many, from a pipe, rehearsed, refused. */
import { describe, expect, test, vi } from 'vitest';
import { ConflictShop } from '../support/conflict-shop.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const tea = `SELECT name, price FROM product WHERE sku = 'tea'`;
const operations = 'SELECT node, command, detail, result FROM _sqlsync_operation ORDER BY at';

test('a decision is told, entered, replicated and taken back', async () => {
  const shop = new ConflictShop();
  const id = shop.idOf('product', 'tea');
  const resolved = await shop.run(['conflicts', 'resolve', id, '--use', 'n0']);
  expect(resolved).toEqual({
    exitCode: 0,
    stdout: `${id.slice(0, 12)} product sku=tea  loser: set price 4.9 → 4.5\n1 conflict resolved\n`,
    stderr: 'no daemon runs: the other nodes hear of it with `sqlsync start` or `sqlsync sync`\n',
  });
  const detail = { resolved: 1, skipped: 0, failed: 0, ids: [id] };
  expect(shop.rows(operations)).toEqual([
    ['n0', `conflicts resolve ${id} --use n0 -c n0.yml`, JSON.stringify(detail), 'done'],
  ]);
  shop.clash.agreed();
  expect(shop.rows(tea, 2)).toEqual([['Assam, 100 g', 4.5]]);
  const [onOther] = await shop.list(['--state', 'resolved'], 2);
  expect(onOther).toMatchObject({ id, resolvedBy: { node: 'n0', choice: 'loser', operator: expect.any(String) } });

  const undone = await shop.run(['conflicts', 'undo', id.slice(0, 6)], { node: 2 });
  expect(undone.stdout).toBe(`${id.slice(0, 12)} product sku=tea  undo: set price 4.5 → 4.9\n1 decision taken back\n`);
  shop.clash.agreed();
  expect(shop.rows(tea)).toEqual([['Assam, 100 g', 4.9]]);
  expect(shop.conflicts('resolved')).toEqual([]);
});

test('values of one’s own are JSON, and keep what they are', async () => {
  const shop = new ConflictShop();
  const id = shop.idOf('product', 'tea');
  const set = ['--set', 'name="a \\"b\\" = 1"', '--set', 'price=7', '--set', 'photo={"$blob":"AP8="}'];
  const { items } = await shop.resolve([id, ...set]);
  expect(items[0]).toMatchObject({
    id,
    table: 'product',
    key: { sku: 'tea' },
    kind: 'update-update',
    status: 'resolved',
    choice: 'set',
    changes: [{ after: { name: 'a "b" = 1', price: { $real: '7' }, photo: { $blob: 'AP8=' } } }],
    error: null,
  });
  expect(shop.rows(`SELECT typeof(price), hex(photo) FROM product WHERE sku = 'tea'`)).toEqual([['real', '00FF']]);
  for (const [value, hint] of [
    ['name=Assam', /quoted/],
    ['name', /Such as/],
    ['name=[1]', /JSON document/],
    ['price=99999999999999999999', /\$int/],
  ] as const) {
    const run = await shop.run(['conflicts', 'resolve', id, '--set', value]);
    expect([run.exitCode, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(hint);
  }
});

describe('many', () => {
  test('are rehearsed, then decided; those written since are skipped by name, until forced', async () => {
    const shop = new ConflictShop();
    const id = shop.idOf('product', 'tea');
    const rehearsed = await shop.run([
      'conflicts',
      'resolve',
      '--all',
      '--table',
      'product',
      '--use',
      'loser',
      '--dry-run',
    ]);
    expect(rehearsed.exitCode).toBe(0);
    expect(rehearsed.stdout).toContain(`${id.slice(0, 12)} product sku=tea  loser: would set price 4.9 → 4.5`);
    expect(rehearsed.stdout).toContain('loser: would put back product sku=cocoa (name=Cocoa, price=5.5, photo=NULL)');
    expect(rehearsed.stdout).toContain('2 conflicts would be resolved; nothing was changed');
    expect(shop.conflicts('resolved')).toEqual([]);
    expect(shop.rows(operations)).toEqual([]);

    shop.clash.node(0).app.exec(`UPDATE product SET price = 8 WHERE sku = 'tea'`);
    const decided = await shop.run(['conflicts', 'resolve', '--all', '--table', 'product', '--use', 'loser', '--yes']);
    expect(decided.exitCode).toBe(1);
    expect(decided.stdout).toMatch(/product sku=tea {2}skipped: .* price is 8\.0, and was left at 4\.9\n/);
    expect(decided.stdout).toContain('1 conflict resolved, 1 skipped\n');
    expect(shop.rows(operations)).toEqual([
      ['n0', expect.anything(), expect.stringContaining('"skipped":1'), 'row-changed'],
    ]);

    const report = await shop.resolve(['--all', '--use', 'winner', '--force', '--yes']);
    expect(report).toMatchObject({ total: 2, resolved: 2, skipped: 0, failed: 0, dryRun: false, database: 'shop' });
    expect(shop.rows(tea)).toEqual([['Assam, 100 g', 4.9]]);
    expect(await shop.resolve(['--all', '--use', 'winner', '--yes'])).toMatchObject({ items: [], total: 0 });
  });

  test('are asked about before, and need agreement where nobody can be asked', async () => {
    const shop = new ConflictShop();
    const run = await shop.run(['conflicts', 'resolve', '--all', '--use', 'loser']);
    expect(run).toMatchObject({ exitCode: 2, stdout: '' });
    expect(run.stderr).toContain('Resolve 3 conflicts of shop by taking loser?');
    expect(shop.conflicts('resolved')).toEqual([]);
  });

  test('come from a pipe as another command prints them, and may be none', async () => {
    const shop = new ConflictShop();
    const { stdout } = await shop.run(['conflicts', '--json', '--kind', 'unique']);
    const run = await shop.run(['conflicts', 'resolve', '--use', 'winner'], { input: stdout });
    expect(run.stdout).toMatch(/account id=2 {2}winner: nothing to write\n1 conflict resolved\n$/);
    const none = await shop.run(['conflicts', 'resolve', '--use', 'winner'], { input: '' });
    expect(none).toMatchObject({ exitCode: 0, stdout: 'no conflict is meant\n' });
    const nonsense = await shop.run(['conflicts', 'resolve', '--use', 'winner'], { input: '{"total":3}' });
    expect(nonsense.exitCode).toBe(2);
  });
});

describe('what goes wrong', () => {
  test.each([
    [['resolve', 'ID'], 2, 'usage'],
    [['resolve', '--use', 'winner'], 2, 'usage'],
    [['resolve', '--use', 'winner', '--table', 'product'], 2, 'usage'],
    [['resolve', 'ID', '--all', '--use', 'winner'], 2, 'usage'],
    [['resolve', 'ID', '--use', 'winner', '--set', 'price=1'], 2, 'usage'],
    [['resolve', 'xyz', '--use', 'winner'], 2, 'usage'],
    [['resolve', '0'.repeat(32), '--use', 'winner'], 2, 'conflict-unknown'],
    [['resolve', 'ID', '--use', 'n7'], 65, 'resolution-refused'],
    [['resolve', 'ID', '--set', 'prise=1'], 65, 'resolution-refused'],
  ])('%j exits %i with %s', async (args, exitCode, code) => {
    const shop = new ConflictShop();
    const id = shop.idOf('product', 'tea');
    const run = await shop.run(['conflicts', ...args.map((arg) => (arg === 'ID' ? id : arg)), '--json']);
    const document = JSON.parse(run.stdout);
    expect([run.exitCode, (document.error ?? document.items[0].error).code]).toEqual([exitCode, code]);
    expect(shop.conflicts('resolved')).toEqual([]);
  });

  test('of several, one is named and the others are resolved', async () => {
    const shop = new ConflictShop();
    const id = shop.idOf('product', 'tea');
    const run = await shop.run(['conflicts', 'resolve', id, 'f'.repeat(32), '--use', 'loser']);
    expect(run.exitCode).toBe(1);
    expect(run.stdout).toContain(`ffffffffffff  failed: there is no conflict ${'f'.repeat(32)}\n`);
    expect(run.stdout).toContain('1 conflict resolved, 1 failed\n');
  });
});
