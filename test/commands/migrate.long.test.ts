/** The command by itself, without a daemon: what it runs, how it ends, and what is left when it is killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { RUN_JS } from '../support/run-cli.js';
import { makeShop, onDatabase, rowsOf } from '../support/shop-database.js';
import { until } from '../support/until.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 180_000 });

/** A program that an application's migration runs: the SQL, then whatever else. */
function program(node: ProcessNode, sql: string, more = ''): string[] {
  const path = join(node.folder, `migration-${Math.random().toString(36).slice(2)}.cjs`);
  const sqlite = JSON.stringify(join(process.cwd(), 'node_modules/better-sqlite3'));
  writeFileSync(
    path,
    `const db = require(${sqlite})(${JSON.stringify(node.path)}); db.exec(${JSON.stringify(sql)}); console.log('migrated'); ${more}`,
  );
  return [process.execPath, path];
}

const UNIQUE = '; CREATE UNIQUE INDEX by_name ON product(name)';
const DROP = 'DROP INDEX by_name; ALTER TABLE product DROP COLUMN name; UPDATE product SET price = 1 WHERE sku = $tea$';
const sqlOf = (text: string) => text.replaceAll('$', "'");

function shop(): Promise<ProcessNode> {
  return ProcessNode.first(makeFolder(), 'paris', (path) => makeShop(path, UNIQUE));
}

async function statusOf(node: ProcessNode) {
  const { databases, problems } = await node.status();
  return { coverage: databases[0]?.coverage, codes: problems.map(({ code }) => code) };
}

test('a migration that fails on our triggers runs, and what it wrote is a change of this node', async () => {
  const node = await shop();
  expect(() => onDatabase(node.path, (db) => db.exec(sqlOf(DROP)))).toThrow(/_sqlsync_/);
  onDatabase(node.path, (db) => db.exec('CREATE UNIQUE INDEX by_name ON product(name)'));
  const { exitCode, stdout, stderr } = await node.run([
    'migrate',
    'shop',
    '--json',
    '--',
    ...program(node, sqlOf(DROP)),
  ]);
  expect(exitCode, stderr).toBe(0);
  expect(stderr).toContain('migrated\n');
  expect(JSON.parse(stdout)).toEqual({
    database: 'shop',
    path: node.path,
    daemon: null,
    exitCode: 0,
    signal: null,
    tables: [
      { name: 'product', fate: 'written', inserted: 0, updated: 1, deleted: 0 },
      { name: 'sale', fate: 'untouched', inserted: 0, updated: 0, deleted: 0 },
    ],
    refused: [],
    schemaChanged: true,
    behind: [],
  });
  expect(await statusOf(node)).toEqual({ coverage: 'complete', codes: ['daemon-down'] });
  expect(rowsOf(node.path, 'SELECT command, result FROM _sqlsync_operation ORDER BY at').slice(1)).toEqual([
    [`migrate shop -- ${process.execPath}`, 'done'],
  ]);
});

test.each([
  ['fails', 'process.exit(7)', 7],
  ['is killed', `process.kill(process.pid, 'SIGKILL')`, 137],
])('a command that %s: its code, the triggers back, and what it had written recorded', async (_, end, code) => {
  const node = await shop();
  const sql = `ALTER TABLE product ADD COLUMN colour; INSERT INTO product VALUES('milk', 'Oat', 2, NULL)`;
  const { exitCode, stderr } = await node.run(['migrate', node.path, '--', ...program(node, sql, end)]);
  expect(exitCode, stderr).toBe(code);
  expect(stderr).toContain('product written to, 1 row inserted');
  expect(await statusOf(node)).toEqual({ coverage: 'complete', codes: ['daemon-down'] });
});

test('what cannot be run changes nothing, and neither does a dry run', async () => {
  const node = await shop();
  const codeOf = async (args: string[]) => {
    const { exitCode, stdout } = await node.run(['migrate', '--json', ...args]);
    return [exitCode, JSON.parse(stdout).error?.code];
  };
  expect(await codeOf(['shop', '--', '/no/such/program'])).toEqual([2, 'usage']);
  expect(await codeOf(['shop', 'true'])).toEqual([2, 'usage']);
  expect(await codeOf(['shop', '--'])).toEqual([2, 'usage']);
  expect(await codeOf(['--', 'true'])).toEqual([2, 'usage']);
  expect(await codeOf([join(node.folder, 'gone.db'), '--', 'true'])).toEqual([74, 'database-missing']);
  const plain = join(node.folder, 'plain.db');
  makeShop(plain);
  expect(await codeOf([plain, '--', 'true'])).toEqual([65, 'database-not-initialised']);
  const before = onDatabase(node.path, (db) => db.pragma('schema_version', { simple: true }));
  const { stdout } = await node.run(['migrate', 'shop', '--dry-run', '--', 'rm', '-rf', 'it all']);
  expect(stdout).toContain(`would run: rm -rf 'it all'`);
  expect(onDatabase(node.path, (db) => db.pragma('schema_version', { simple: true }))).toBe(before);
  expect(await statusOf(node)).toEqual({ coverage: 'complete', codes: ['daemon-down'] });
});

/** Begins a migration whose command stays, and waits until it has written. */
async function begin(node: ProcessNode, sql: string) {
  const command = program(
    node,
    sql,
    `process.on('SIGTERM', () => process.exit(3));
    const parent = process.ppid; setInterval(() => process.ppid === parent || process.exit(), 100)`,
  );
  const child = spawn(process.execPath, [RUN_JS, 'migrate', 'shop', '-c', node.configFile, '--', ...command], {
    cwd: node.folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  await until(
    () => (output.includes('migrated') ? true : null),
    30_000,
    () => output,
  );
  const exited = once(child, 'exit');
  onTestFinished(() => void child.kill('SIGKILL'));
  return { child, exited };
}

test('a signal is handed on to the command, and all is put back', async () => {
  const node = await shop();
  const { child, exited } = await begin(node, `UPDATE product SET price = 3`);
  expect((await node.run(['start'])).exitCode).toBe(75);
  expect((await node.run(['init', node.path])).exitCode).toBe(75);
  child.kill('SIGTERM');
  expect(await exited).toEqual([3, null]);
  expect(await statusOf(node)).toEqual({ coverage: 'complete', codes: ['daemon-down'] });
});

test('killed, it leaves what a daemon or init puts back, and names what may be missing', async () => {
  const node = await shop();
  const { child, exited } = await begin(node, `DELETE FROM sale; ALTER TABLE product ADD COLUMN colour`);
  child.kill('SIGKILL');
  await exited;
  expect(await statusOf(node)).toEqual({ coverage: 'unknown', codes: ['daemon-down', 'migrating'] });
  expect((await node.run(['migrate', 'shop', '--', 'true'])).exitCode).toBe(75);
  expect(await node.succeed(['init', node.path])).toMatchObject({ changed: true, repaired: ['sale'] });
  const { problems } = await node.status();
  expect(problems).toContainEqual(
    expect.objectContaining({ code: 'coverage-unknown', message: expect.stringMatching(/ to sale may/) }),
  );
  await node.start();
  onTestFinished(() => node.dispose());
  onDatabase(node.path, (db) => db.exec(`UPDATE product SET colour = 'red'`));
  await until(
    async () => ((await (await node.control()).status()).databases[0]?.replica?.unfolded === 0 ? true : null),
    15_000,
    () => 'nothing is folded',
  );
});
