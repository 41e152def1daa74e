/** Which tables replicate, decided on a data set of one node, without a daemon. */
import Sqlite from 'better-sqlite3';
import { describe, expect, test, vi } from 'vitest';
import type { InclusionReport } from '../../src/operations/include-tables.js';
import { makeFolder } from '../support/make-folder.js';
import { runCli } from '../support/run-cli.js';

vi.setConfig({ testTimeout: 120_000 });

const SCHEMA = `CREATE TABLE product(sku TEXT PRIMARY KEY); CREATE TABLE sale(id INTEGER PRIMARY KEY, sku REFERENCES product(sku));
  CREATE TABLE cache_a(k TEXT PRIMARY KEY); CREATE TABLE cache_kept(k TEXT PRIMARY KEY); CREATE TABLE keyless(a);
  CREATE TABLE knex_migrations(id INTEGER PRIMARY KEY)`;

async function alone(...flags: string[]) {
  const cwd = makeFolder();
  const db = new Sqlite(`${cwd}/shop.db`);
  db.exec(SCHEMA);
  db.close();
  const init = await runCli(['init', 'shop.db', '--node', 'paris', ...flags], { cwd });
  expect(init).toMatchObject({ exitCode: 0 });
  const run = (...args: string[]) => runCli(['rules', ...args], { cwd });
  const json = async (...args: string[]) => JSON.parse((await run(...args, '--json')).stdout);
  const status = async () => JSON.parse((await runCli(['status', '--json'], { cwd })).stdout).databases[0];
  return { run, json, status };
}

test('takes effect at once; a rehearsal says what would, and changes nothing', async () => {
  const { run, json, status } = await alone('--exclude', 'keyless');
  const rehearsal = await run('exclude', 'cache_*', '--dry-run');
  expect(rehearsal.stdout).toContain('cache_* would be left out; nothing was changed');
  expect(rehearsal.stdout).toContain('here would be left out: cache_a, cache_kept');
  expect((await status()).excludedTables).toEqual(['keyless', 'knex_migrations']);
  await run('include', 'cache_kept');
  const done = (await json('exclude', 'cache_*')) as InclusionReport;
  expect(done).toEqual({
    database: 'shop',
    dryRun: false,
    changed: true,
    inEffect: true,
    glob: 'cache_*',
    included: false,
    takenIn: [],
    leftOut: ['cache_a'],
    refused: [],
    otherwise: [{ table: 'cache_kept', by: 'the rule for cache_kept' }],
    warnings: [],
    members: [{ name: 'paris', adopted: true }],
  });
  expect(await status()).toMatchObject({
    excludedTables: ['cache_a', 'keyless', 'knex_migrations'],
    tables: 3,
    coverage: 'complete',
  });
  expect((await run('exclude', 'cache_*')).stdout).toContain('nothing to change: cache_* is left out already');
  const taken = (await json('include', 'knex_migrations')) as InclusionReport;
  expect(taken.takenIn).toEqual(['knex_migrations']);
  expect((await status()).excludedTables).toEqual(['cache_a', 'keyless']);
  const text = (await run()).stdout;
  expect(text).toMatch(/^knex_migrations +yes +paris +\d/m);
  expect(text).toMatch(/^cache_\* +no +paris +\d/m);
  expect((await run('include', 'nowhere')).stdout).toContain('no table here is changed by that');
});

test('names what stays as it is, what cannot replicate, and foreign keys that are parted', async () => {
  const { run, json, status } = await alone('--exclude', 'keyless');
  const refused = await run('include', 'key*', '--json');
  expect(refused.exitCode).toBe(0);
  expect(JSON.parse(refused.stdout).otherwise).toEqual([{ table: 'keyless', by: 'the rule for keyless' }]);
  const own = await run('include', 'KEYLESS', '--json');
  expect(own.exitCode).toBe(65);
  expect(JSON.parse(own.stdout).error).toMatchObject({
    code: 'table-refused',
    message: expect.stringContaining('no PRIMARY KEY'),
  });
  expect(await json('include', 'keyless', '--dry-run')).toMatchObject({ refused: [{ table: 'keyless' }] });
  expect((await json('include', '*', '--dry-run')).otherwise).toContainEqual({
    table: 'knex_migrations',
    by: 'a migration tool keeps it for this file alone',
  });
  const parent = await run('exclude', 'product');
  expect(parent.stderr).toContain('warning: sale refers to product: its rows reach nodes that may lack their parents');
  expect((await status()).coverage).toBe('complete');
});

describe('what is taken by rule', () => {
  test('is not undone by init, nor brought in by it', async () => {
    const { json, status } = await alone('--include', 'product', '--include', 'sale');
    expect((await status()).tables).toBe(2);
    expect(await json('include', 'cache_*')).toMatchObject({ takenIn: ['cache_a', 'cache_kept'] });
    expect((await status()).tables).toBe(4);
    expect(await json('exclude', 'sale')).toMatchObject({ leftOut: ['sale'] });
    expect(await json('set', 'product', 'lww')).toMatchObject({ changed: true });
    expect((await status()).excludedTables).toEqual(['keyless', 'knex_migrations', 'sale']);
  });

  test.each(['', '_sqlsync_member'])('a name like %j is a mistake', async (glob) => {
    const { run } = await alone('--exclude', 'keyless');
    const answer = await run('include', glob, '--json');
    expect(answer.exitCode).toBe(2);
    expect(JSON.parse(answer.stdout).error.code).toBe('usage');
  });
});
