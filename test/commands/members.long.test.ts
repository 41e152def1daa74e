import { expect, test, vi } from 'vitest';
import type { MemberReport } from '../../src/operations/list-members.js';
import type { ProcessNode } from '../support/process-node.js';
import { rowsOf } from '../support/shop-database.js';
import { makeShopPair, sell } from '../support/shop-pair.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 180_000 });

async function members(node: ProcessNode): Promise<MemberReport[]> {
  return ((await node.succeed(['members'])) as { items: MemberReport[] }).items;
}

test('lists who belongs, what each has acknowledged, and since when it is silent', async () => {
  const { paris, lyon } = await makeShopPair();
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);
  expect(await members(paris)).toEqual([
    {
      ...{ database: 'shop', name: 'lyon', nodeId: expect.any(String), access: 'write', self: false, revoked: false },
      ...{ joinedAt: time, removedAt: null, lastHeardAt: null, acknowledgedUntil: null },
      ...{ unacknowledged: { changes: 0, oldestSeconds: null }, lagSeconds: null },
    },
    {
      ...{ database: 'shop', name: 'paris', nodeId: expect.any(String), access: 'write', self: true, revoked: false },
      ...{ joinedAt: time, removedAt: null, lastHeardAt: null, acknowledgedUntil: null },
      ...{ unacknowledged: { changes: null, oldestSeconds: null }, lagSeconds: null },
    },
  ]);
  await lyon.succeed(['sync']);
  sell(paris, 10);
  const [before] = await members(paris);
  expect(before).toMatchObject({ lastHeardAt: time, unacknowledged: { changes: 1 }, lagSeconds: expect.any(Number) });
  await lyon.succeed(['sync']);
  const [after] = await members(paris);
  expect(after).toMatchObject({ unacknowledged: { changes: 0 }, lagSeconds: 0 });
  const text = await paris.run(['members']);
  expect(text.stdout).toMatch(/^shop +lyon +write +\d{4}-\d\d-\d\d +0 +0 s +\d+ s ago$/m);
  expect(text.stdout).toMatch(/^shop +paris .* this node$/m);
});

test('one that is removed is refused, says so, and comes back by rejoin with what it has written', async () => {
  const { paris, lyon } = await makeShopPair();
  await lyon.succeed(['sync']);
  sell(lyon, 20);
  sell(paris, 30);

  const unasked = await paris.run(['members', 'remove', 'lyon']);
  expect(unasked).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--yes') });
  expect((await members(paris))[0]?.removedAt).toBeNull();
  for (const change of [
    ['remove', 'lyon'],
    ['revoke', 'lyon'],
    ['set', 'lyon', '--access', 'read'],
  ]) {
    const dry = await paris.succeed(['members', ...change, '--dry-run']);
    expect(dry).toMatchObject({ database: 'shop', member: 'lyon', changed: true, dryRun: true });
  }
  expect((await members(paris))[0]).toMatchObject({ removedAt: null, revoked: false, access: 'write' });
  expect(await paris.succeed(['members', 'remove', 'lyon', '--yes'])).toEqual({
    ...{ database: 'shop', member: 'lyon', changed: true, dryRun: false },
  });
  expect(await paris.succeed(['operations', '--limit', '1'])).toMatchObject({
    items: [{ command: expect.stringMatching(/^members remove lyon --yes --json/) }],
  });
  expect(await paris.succeed(['members', 'remove', 'lyon'])).toMatchObject({ changed: false });
  expect((await members(paris))[0]?.removedAt).toMatch(/^\d{4}/);

  const refused = await lyon.run(['sync', '--json']);
  expect(refused.exitCode).toBe(65);
  expect(JSON.parse(refused.stdout).items[0].error).toMatchObject({
    ...{ code: 'member-removed', hint: 'on lyon: sqlsync rejoin' },
  });
  const rejoined = await lyon.succeed(['rejoin']);
  expect(rejoined).toMatchObject({ peer: 'paris', kept: { rows: { sale: 1 }, conflicts: 0 } });
  await lyon.succeed(['sync']);
  for (const node of [paris, lyon]) {
    expect(rowsOf(node.path, 'SELECT id FROM sale WHERE id >= 20')).toEqual([[20], [30]]);
    expect((await members(node)).map(({ name, removedAt }) => [name, removedAt])).toEqual([
      ['lyon', null],
      ['paris', null],
    ]);
  }
  const operations = (await paris.succeed(['operations'])) as { items: { command: string; node: string }[] };
  expect(operations.items.map(({ node, command }) => [node, command])).toEqual(
    expect.arrayContaining([
      ['paris', expect.stringMatching(/^members remove lyon/)],
      ['lyon', expect.stringMatching(/^rejoin paris/)],
    ]),
  );
});

test('nobody takes what a read-only member writes, and it says so; as a writer it rejoins', async () => {
  const { paris, lyon } = await makeShopPair();
  await lyon.succeed(['sync']);
  expect(await paris.succeed(['members', 'set', 'lyon', '--access', 'read'])).toMatchObject({ changed: true });
  expect(await paris.succeed(['members', 'set', 'lyon', '--access', 'read'])).toMatchObject({ changed: false });
  await lyon.succeed(['sync']);
  sell(lyon, 40);
  sell(paris, 50);
  await lyon.succeed(['sync']);
  expect(rowsOf(paris.path, 'SELECT id FROM sale WHERE id >= 40')).toEqual([[50]]);
  expect(rowsOf(lyon.path, 'SELECT id FROM sale WHERE id >= 40')).toEqual([[40], [50]]);
  expect((await lyon.status()).problems).toContainEqual(
    expect.objectContaining({ code: 'read-only-writes', message: expect.stringContaining('1 row was written here') }),
  );
  for (const args of [
    ['members', 'remove', 'paris', '--yes'],
    ['members', 'set', 'paris', '--access', 'read'],
    ['conflicts', 'resolve', '--all', '--use', 'winner', '--yes'],
    ['repair', 'paris', '--use', 'here', '--yes'],
  ]) {
    const run = await lyon.run([...args, '--json']);
    expect({ args, ...run }).toMatchObject({ args, exitCode: 77 });
    expect(run.stdout).toContain('member-read-only');
  }
  await paris.succeed(['members', 'set', 'lyon', '--access', 'write']);
  await lyon.run(['sync']);
  expect((await lyon.status()).problems).toContainEqual(
    expect.objectContaining({ code: 'read-only-writes', command: expect.stringMatching(/^sqlsync rejoin/) }),
  );
  await lyon.succeed(['rejoin']);
  await lyon.succeed(['sync']);
  expect(rowsOf(paris.path, 'SELECT id FROM sale WHERE id >= 40')).toEqual([[40], [50]]);
});

test('a node does not remove itself, nor anybody who does not belong', async () => {
  const { paris } = await makeShopPair();
  expect(await paris.run(['members', 'remove', 'paris', '--yes'])).toMatchObject({
    ...{ exitCode: 2, stderr: expect.stringContaining('on another node') },
  });
  for (const args of [
    ['remove', 'nice', '--yes'],
    ['set', 'nice', '--access', 'read'],
    ['revoke', 'nice'],
  ]) {
    const run = await paris.run(['members', ...args, '--json']);
    expect(JSON.parse(run.stdout).error).toMatchObject({ code: 'member-unknown', hint: expect.any(String) });
  }
});
