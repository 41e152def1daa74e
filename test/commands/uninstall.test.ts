import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { parse } from 'yaml';
import { readSchemaRows } from '../support/compare-files.js';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { runCli } from '../support/run-cli.js';
import { filesIn, makeShop, onDatabase, rowsOf } from '../support/shop-database.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** What an application of some age may have in its schema. */
const MORE = `
  CREATE TABLE "odd ""name"""(a, b, PRIMARY KEY(b, a)) WITHOUT ROWID;
  CREATE TRIGGER on_sale AFTER INSERT ON sale BEGIN UPDATE product SET price = price + 0 WHERE sku = NEW.sku; END;
  CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, n INT UNIQUE);
  INSERT INTO counted(n) VALUES(7);
  ANALYZE;`;

test.each(['wal', 'delete'])('leaves the schema byte for byte as it was, in journal mode %s', async (mode) => {
  const cwd = makeFolder();
  const path = join(cwd, 'shop.db');
  makeShop(path, `${MORE} PRAGMA journal_mode = ${mode};`);
  const before = readSchemaRows(path);
  const statistics = rowsOf(path, 'SELECT * FROM sqlite_stat1 ORDER BY 1, 2');
  await runCli(['init', 'shop.db', '--node', 'paris'], { cwd });
  onDatabase(path, (db) => db.exec(`INSERT INTO sale VALUES(9, 'tea', 1); ANALYZE;`));

  const asked = await runCli(['uninstall', 'shop.db', '--json'], { cwd });
  expect(asked.exitCode).toBe(2);
  expect(JSON.parse(asked.stdout).error.hint).toContain('--yes');
  const dry = await runCli(['uninstall', 'shop.db', '--dry-run', '--json'], { cwd });
  expect(JSON.parse(dry.stdout)).toMatchObject({ uninstalled: false, database: 'shop' });
  expect(readSchemaRows(path)).not.toEqual(before);

  const run = await runCli(['uninstall', 'shop.db', '--yes', '--json'], { cwd });
  expect(run.exitCode).toBe(0);
  expect(JSON.parse(run.stdout)).toMatchObject({
    path,
    database: 'shop',
    uninstalled: true,
    configFile: join(cwd, 'sqlsync.yml'),
  });
  expect(readSchemaRows(path)).toEqual(before);
  expect(rowsOf(path, `SELECT count(*) FROM sqlite_stat1 WHERE tbl LIKE '_sqlsync%'`)).toEqual([[0]]);
  expect(statistics).not.toEqual([]);
  expect(rowsOf(path, 'SELECT id FROM sale WHERE id = 9')).toEqual([[9]]);
  expect(rowsOf(path, 'PRAGMA journal_mode')).toEqual([[mode]]);
  expect(existsSync(`${path}.sqlsync`)).toBe(false);
  expect(parse(readFileSync(join(cwd, 'sqlsync.yml'), 'utf8')).databases).toEqual([]);
  expect((await runCli(['uninstall', 'shop.db', '--yes'], { cwd })).exitCode).toBe(65);
});

test('by its configured name and through a symlink it is the same file', async () => {
  const cwd = makeFolder();
  makeShop(join(cwd, 'the shop.db'));
  symlinkSync('the shop.db', join(cwd, 'link.db'));
  await runCli(['init', 'the shop.db', '--name', 'store'], { cwd });
  const run = await runCli(['uninstall', 'store', '--yes', '--json'], { cwd });
  expect(JSON.parse(run.stdout)).toMatchObject({ database: 'store', uninstalled: true });
  await runCli(['init', 'the shop.db', '--name', 'store'], { cwd });
  const linked = await runCli(['uninstall', 'link.db', '--yes', '--json'], { cwd });
  expect(JSON.parse(linked.stdout)).toMatchObject({ database: 'store', uninstalled: true });
  expect(readdirSync(cwd).sort()).toEqual(['link.db', 'sqlsync.secret', 'sqlsync.yml', 'the shop.db']);
});

test('what has not reached every node keeps it back, and so does a daemon', async () => {
  const folder = makeFolder();
  const paris = await ProcessNode.first(folder, 'paris', (path) => makeShop(path));
  onTestFinished(() => paris.dispose());
  await paris.start();
  const served = await paris.run(['uninstall', paris.path, '--yes', '--json']);
  expect(served.exitCode).toBe(75);
  expect(JSON.parse(served.stdout).error.code).toBe('database-in-use');

  const lyon = await ProcessNode.joining(paris, 'lyon');
  onDatabase(lyon.path, (db) => db.exec(`INSERT INTO sale VALUES(9, 'tea', 1)`));
  const before = filesIn(lyon.folder);
  const unsent = await lyon.run(['uninstall', lyon.path, '--yes', '--json']);
  expect(unsent.exitCode).toBe(77);
  expect(JSON.parse(unsent.stdout).error).toMatchObject({
    code: 'unsent-changes',
    message: expect.stringContaining('1 change'),
  });
  expect(filesIn(lyon.folder)).toEqual(before);
  await lyon.succeed(['sync']);
  onDatabase(lyon.path, (db) => db.exec(`INSERT INTO sale VALUES(10, 'tea', 1)`));
  expect((await lyon.run(['uninstall', lyon.path, '--yes'])).exitCode).toBe(77);
  expect((await lyon.run(['uninstall', lyon.path, '--yes', '--force'])).exitCode).toBe(0);
  expect(rowsOf(lyon.path, 'SELECT count(*) FROM sale')).toEqual([[4]]);
});

test('rows that wait outside their tables keep it back, and --force says what is lost', async () => {
  const folder = makeFolder();
  const paris = await ProcessNode.first(folder, 'paris', (path) =>
    makeShop(
      path,
      'CREATE TABLE seat(id INTEGER PRIMARY KEY, place UNIQUE); CREATE TABLE later(id INTEGER PRIMARY KEY, a)',
    ),
  );
  onTestFinished(() => paris.dispose());
  await paris.start();
  const lyon = await ProcessNode.joining(paris, 'lyon', { change: { limits: { applyTransactionRowsMax: 1 } } });
  onDatabase(paris.path, (db) => db.exec(`ALTER TABLE later ADD COLUMN b; INSERT INTO later VALUES(1, 2, 3)`));
  await vi.waitFor(async () => {
    await lyon.run(['sync']);
    expect((await lyon.status()).databases[0]?.heldRows).toBe(1);
  }, 30_000);
  onDatabase(lyon.path, (db) => {
    const { arrival, version, hlc, since } = db.prepare('SELECT * FROM _sqlsync_held').get() as Record<string, unknown>;
    const tbl = db.prepare(`SELECT id FROM _sqlsync_table WHERE name = 'later'`).pluck().get();
    db.prepare(`INSERT INTO _sqlsync_quarantine(tbl, key, id, arrival, version, reason, error, hlc, since)
      VALUES(?, x'01', 'f00d', ?, ?, 'parked', '', ?, ?)`).run(tbl, arrival, version, hlc, since);
    db.exec(
      `UPDATE _sqlsync_state SET value = '{"stageId":"aa","sender":"paris","vector":{}}' WHERE name = 'catch_up'`,
    );
  });
  const before = filesIn(lyon.folder);
  const refused = await lyon.run(['uninstall', lyon.path, '--yes', '--json']);
  expect(refused.exitCode).toBe(77);
  expect(JSON.parse(refused.stdout).error).toMatchObject({
    code: 'changes-aside',
    message: expect.stringContaining('later 2'),
  });
  const dry = await lyon.run(['uninstall', lyon.path, '--force', '--dry-run', '--json']);
  const expected = { catchingUp: true, aside: [{ table: 'later', placed: 1, lost: 1 }] };
  expect(JSON.parse(dry.stdout)).toMatchObject({ ...expected, uninstalled: false });
  expect(dry.stderr).toContain('later: 1 row goes back into the table; 1 row version is lost in this file');
  expect(filesIn(lyon.folder)).toEqual(before);
  const forced = await lyon.run(['uninstall', lyon.path, '--force', '--yes', '--json']);
  expect(JSON.parse(forced.stdout)).toMatchObject({ ...expected, uninstalled: true });
  expect(rowsOf(lyon.path, 'SELECT * FROM later')).toEqual([[1, 2]]);
});
