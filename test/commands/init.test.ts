import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import { parse } from 'yaml';
import { fingerprintOfPem } from '../../src/self-made-certificate.js';
import { makeFolder } from '../support/make-folder.js';
import { runCli } from '../support/run-cli.js';
import { filesIn, makeShop, onDatabase, rowsOf } from '../support/shop-database.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const TRIGGERS = `SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name`;
const NO_KEY = 'CREATE TABLE "audit trail"(at, what); CREATE TABLE log(line);';

function shopFolder(more = ''): { cwd: string; path: string } {
  const cwd = makeFolder();
  const path = join(cwd, 'shop.db');
  makeShop(path, more);
  return { cwd, path };
}

test('a file becomes a node, with a configuration and a secret of its own', async () => {
  const { cwd, path } = shopFolder();
  const run = await runCli(['init', 'shop.db', '--node', 'paris', '--listen', '127.0.0.1:7420', '--json'], { cwd });
  expect(run).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('made a secret') });
  expect(JSON.parse(run.stdout)).toEqual({
    database: 'shop',
    path,
    node: 'paris',
    changed: true,
    added: ['product', 'sale'],
    repaired: [],
    tables: [
      { name: 'product', key: ['sku'], status: 'captured', reason: null, keyRisk: false, warnings: [] },
      { name: 'sale', key: ['id'], status: 'captured', reason: null, keyRisk: true, warnings: [] },
    ],
    configFile: join(cwd, 'sqlsync.yml'),
    secretCreated: join(cwd, 'sqlsync.secret'),
    certificateCreated: null,
  });
  expect(parse(readFileSync(join(cwd, 'sqlsync.yml'), 'utf8'))).toEqual({
    node: 'paris',
    listen: '127.0.0.1:7420',
    secretFile: './sqlsync.secret',
    databases: [{ name: 'shop', path: './shop.db' }],
  });
  expect(statSync(join(cwd, 'sqlsync.secret')).mode & 0o777).toBe(0o600);
  expect((await runCli(['config', 'check'], { cwd })).exitCode).toBe(0);
  onDatabase(path, (db) => db.exec(`UPDATE product SET price = 5 WHERE sku = 'tea'`));
  expect(rowsOf(path, `SELECT k1 FROM _sqlsync_log WHERE op = 2`)).toEqual([['tea']]);
});

test('people read the plan as a table, and of keys that two nodes would give out twice', async () => {
  const { cwd } = shopFolder();
  const run = await runCli(['init', 'shop.db', '--node', 'paris'], { cwd });
  expect(run.stdout).toContain(
    'TABLE    STATUS    KEY  REMARKS\nproduct  captured  sku\nsale     captured  id   SQLite gives out its keys',
  );
  expect(run.stdout).toContain('shop: 2 tables captured, as node paris');
  expect(run.stderr).toContain('warning: SQLite gives out the keys of sale.');
  const decided = await runCli(['init', 'shop.db', '--key-collision', 'keep'], { cwd });
  expect(decided.stderr).not.toContain('warning');
});

test('run again it changes nothing, takes in what is new, and repairs what is missing', async () => {
  const { cwd, path } = shopFolder();
  await runCli(['init', 'shop.db', '--node', 'paris'], { cwd });
  const triggers = rowsOf(path, TRIGGERS);
  const before = filesIn(cwd);

  const again = await runCli(['init', 'shop.db', '--json'], { cwd });
  expect(JSON.parse(again.stdout)).toMatchObject({ changed: false, node: 'paris', added: [], repaired: [] });
  expect((await runCli(['init', 'shop.db'], { cwd })).stdout).toContain('installed already, nothing to repair');
  expect(filesIn(cwd)).toEqual(before);

  onDatabase(path, (db) =>
    db.exec('CREATE TABLE supplier(id TEXT PRIMARY KEY NOT NULL); DROP TRIGGER _sqlsync_10_insert;'),
  );
  const status = async () => JSON.parse((await runCli(['status', '--json'], { cwd })).stdout).databases[0];
  expect(await status()).toMatchObject({ coverage: 'partial', tables: 2 });
  const repaired = await runCli(['init', 'shop.db', '--json'], { cwd });
  expect(JSON.parse(repaired.stdout)).toMatchObject({ changed: true, added: ['supplier'], repaired: ['product'] });
  expect(rowsOf(path, TRIGGERS)).toEqual(expect.arrayContaining(triggers));
  // What was written while the trigger was missing is not known, and nobody pretends that it is.
  expect(await status()).toMatchObject({ coverage: 'unknown', tables: 3 });
});

test('a refused table exits 65, changes nothing at all, and the line of the hint mends it', async () => {
  const { cwd } = shopFolder(NO_KEY);
  const before = filesIn(cwd);
  const refused = await runCli(['init', 'shop.db', '--node', 'paris', '--json'], { cwd });
  expect(refused.exitCode).toBe(65);
  const { error } = JSON.parse(refused.stdout);
  expect(error).toMatchObject({
    code: 'table-refused',
    message: expect.stringContaining('audit trail: it has no PRIMARY KEY'),
  });
  expect(filesIn(cwd)).toEqual(before);
  expect((await runCli(['init', 'shop.db'], { cwd })).stdout).toMatch(/^audit trail +refused/m);

  const flags = [...error.hint.matchAll(/(--exclude) '([^']+)'/g)].flatMap(([, flag, name]) => [flag, name]);
  expect(flags).toHaveLength(4);
  const mended = await runCli(['init', 'shop.db', '--json', ...flags], { cwd });
  expect(mended.exitCode).toBe(0);
  expect(JSON.parse(mended.stdout).tables).toContainEqual(
    expect.objectContaining({ name: 'audit trail', status: 'excluded', reason: 'left out on request' }),
  );
  expect((await runCli(['init', 'shop.db'], { cwd })).exitCode).toBe(0);
});

test('a dry run says what would be done, and changes nothing', async () => {
  const { cwd } = shopFolder();
  const before = filesIn(cwd);
  const run = await runCli(['init', 'shop.db', '--dry-run', '--json'], { cwd });
  expect(run.exitCode).toBe(0);
  expect(JSON.parse(run.stdout)).toMatchObject({ database: 'shop', changed: false });
  expect(filesIn(cwd)).toEqual(before);
  const refused = shopFolder(NO_KEY);
  expect((await runCli(['init', 'shop.db', '--dry-run', '--json'], { cwd: refused.cwd })).exitCode).toBe(65);
});

test('globs choose tables, and those of migration tools stay out by themselves', async () => {
  const { cwd } = shopFolder(
    'CREATE TABLE knex_migrations(id INTEGER PRIMARY KEY); CREATE TABLE product_note(id TEXT PRIMARY KEY NOT NULL);',
  );
  const chosen = async (...flags: string[]) => {
    const { stdout } = await runCli(['init', 'shop.db', '--dry-run', '--json', ...flags], { cwd });
    const { tables } = JSON.parse(stdout) as { tables: { name: string; status: string }[] };
    return tables.filter(({ status }) => status === 'captured').map(({ name }) => name);
  };
  expect(await chosen()).toEqual(['product', 'product_note', 'sale']);
  expect(await chosen('--exclude', '*_note', '--exclude', 'SALE')).toEqual(['product']);
  expect(await chosen('--include', 'product*')).toEqual(['product', 'product_note']);
  expect(await chosen('--include', '*')).toEqual(['product', 'product_note', 'sale']);
  expect(await chosen('--include', 'product', '--include', 'KNEX_migrations')).toEqual(['knex_migrations', 'product']);
});

test('several files are planned together, and a list tells of each', async () => {
  const { cwd } = shopFolder();
  makeShop(join(cwd, 'second.sqlite'));
  makeShop(join(cwd, 'third.db'), NO_KEY);
  const before = filesIn(cwd);
  const refused = await runCli(['init', 'shop.db', 'third.db', '--node', 'paris'], { cwd });
  expect(refused.exitCode).toBe(65);
  expect(filesIn(cwd)).toEqual(before);
  const both = await runCli(['init', 'shop.db', 'second.sqlite', '--node', 'paris', '--json'], { cwd });
  expect(JSON.parse(both.stdout)).toMatchObject({
    items: [{ database: 'shop' }, { database: 'second' }],
    total: 2,
    nextCursor: null,
  });
  expect((await runCli(['status', '--json'], { cwd })).stdout).toContain('second.sqlite');
});

test('paths with spaces and symlinks lead to one file, one entry and one folder', async () => {
  const cwd = makeFolder();
  mkdirSync(join(cwd, 'my shop'));
  const path = join(cwd, 'my shop', 'größe & co.db');
  makeShop(path);
  symlinkSync(path, join(cwd, 'link.db'));
  const first = await runCli(['init', 'link.db', '--node', 'paris', '--json'], { cwd });
  expect(JSON.parse(first.stdout)).toMatchObject({ database: 'link', changed: true });
  expect(existsSync(`${path}.sqlsync`)).toBe(true);
  const again = await runCli(['init', path, '--json'], { cwd });
  expect(JSON.parse(again.stdout)).toMatchObject({ database: 'link', changed: false });
  expect(parse(readFileSync(join(cwd, 'sqlsync.yml'), 'utf8')).databases).toHaveLength(1);
});

test('the secret that is there is kept, wherever it is', async () => {
  const { cwd } = shopFolder();
  writeFileSync(join(cwd, 'ours'), 'a secret of some length\n', { mode: 0o600 });
  const run = await runCli(['init', 'shop.db', '--secret-file', 'ours', '--json'], { cwd });
  expect(JSON.parse(run.stdout).secretCreated).toBeNull();
  expect(parse(readFileSync(join(cwd, 'sqlsync.yml'), 'utf8')).secretFile).toBe('./ours');
  expect(readFileSync(join(cwd, 'ours'), 'utf8')).toBe('a secret of some length\n');

  const other = shopFolder();
  await runCli(['init', 'shop.db'], { cwd: other.cwd, env: { SQLSYNC_SECRET: 'a secret of some length' } });
  expect(existsSync(join(other.cwd, 'sqlsync.secret'))).toBe(false);
});

const REFUSED: readonly [args: string[], exitCode: number, code: string, message: string][] = [
  [['shop.db', '--node', 'lyon'], 2, 'usage', 'is the configuration of node paris'],
  [['shop.db', '--name', 'store'], 2, 'usage', 'is the database shop'],
  [['shop.db', './shop.db'], 2, 'usage', 'named twice'],
  [['shop.db', 'other.db', '--name', 'x'], 2, 'usage', '--name can name one'],
  [['other.db', '--name', 'shop'], 2, 'usage', 'has a database shop already'],
  [['other.db', '--listen', 'nowhere'], 2, 'usage', 'must be an address'],
  [['shop.db', '--key-collision', 'rekey'], 2, 'usage', 'has its rules already'],
  [[], 2, 'usage', 'DB is missing'],
];

test('what contradicts the configuration or itself is refused before anything is touched', async () => {
  const { cwd } = shopFolder();
  await runCli(['init', 'shop.db', '--node', 'paris'], { cwd });
  makeShop(join(cwd, 'other.db'));
  const before = filesIn(cwd);
  for (const [args, exitCode, code, message] of REFUSED) {
    const run = await runCli(['init', ...args, '--json'], { cwd });
    expect({ args, exitCode: run.exitCode, ...JSON.parse(run.stdout).error }).toMatchObject({ args, exitCode, code });
    expect(run.stdout).toContain(message);
  }
  expect(filesIn(cwd)).toEqual(before);
});

test('who listens beyond this machine is given a certificate, once', async () => {
  const { cwd } = shopFolder();
  const args = ['init', 'shop.db', '--node', 'paris', '--listen', '0.0.0.0:7420', '--json'];
  const { certificateCreated } = JSON.parse((await runCli(args, { cwd })).stdout);
  const [cert, key] = [join(cwd, 'sqlsync.crt'), join(cwd, 'sqlsync.key')];
  expect(certificateCreated).toEqual({ cert, fingerprint: fingerprintOfPem(readFileSync(cert, 'utf8')) });
  expect(statSync(key).mode & 0o777).toBe(0o600);
  expect(parse(readFileSync(join(cwd, 'sqlsync.yml'), 'utf8')).tls).toEqual({
    cert: './sqlsync.crt',
    key: './sqlsync.key',
  });
  expect(JSON.parse((await runCli(args, { cwd })).stdout)).toMatchObject({ certificateCreated: null });
});

test('a wrong configuration is told of before the file is touched, all mistakes at once', async () => {
  const { cwd } = shopFolder();
  writeFileSync(join(cwd, 'sqlsync.yml'), 'node: pa ris\nnope: 1\n');
  const before = filesIn(cwd);
  const run = await runCli(['init', 'shop.db', '--json'], { cwd });
  expect(run.exitCode).toBe(78);
  const { error } = JSON.parse(run.stdout);
  expect(error.message).toMatch(/line 1: node.*\n.*line 2: nope/);
  expect(filesIn(cwd)).toEqual(before);
});

test('a writer that keeps its lock is waited for, and then nothing has changed', async () => {
  const { cwd, path } = shopFolder('PRAGMA journal_mode = WAL;');
  const application = new Sqlite(path);
  onTestFinished(() => void application.close());
  application.exec(`BEGIN IMMEDIATE; UPDATE product SET price = 1`);
  const run = await runCli(['init', 'shop.db', '--node', 'paris', '--json'], { cwd });
  expect(run.exitCode).toBe(75);
  expect(JSON.parse(run.stdout).error).toMatchObject({
    code: 'database-locked',
    hint: expect.stringContaining('try again'),
  });
  expect(readdirSync(cwd).filter((name) => !name.startsWith('shop.db-'))).toEqual(['shop.db']);
  application.exec('COMMIT');
  expect((await runCli(['init', 'shop.db', '--node', 'paris'], { cwd })).exitCode).toBe(0);
});
