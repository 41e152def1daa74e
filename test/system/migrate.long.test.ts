/** Applications migrate a data set, node after node, while daemons and writers go on: all end equal. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import { untilEqual } from '../support/compare-files.js';
import type { ProcessNode } from '../support/process-node.js';
import { RUN_JS } from '../support/run-cli.js';
import { joinHub, soon, startHub, untilState, write } from './start-nodes.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 180_000 });

const SCHEMA = `CREATE TABLE item(id TEXT PRIMARY KEY NOT NULL, name TEXT, price INTEGER, colour TEXT);
  CREATE UNIQUE INDEX by_name ON item(name);
  CREATE TABLE note(id INTEGER PRIMARY KEY, item TEXT, body TEXT)`;
const ROWS = `INSERT INTO item SELECT 'i' || value, 'name ' || value, value, 'red' FROM
  (WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM s WHERE value < 500) SELECT value FROM s)`;

const REBUILD = `PRAGMA foreign_keys = OFF; BEGIN;
  CREATE TABLE item_new(id TEXT PRIMARY KEY NOT NULL, label TEXT, price INTEGER NOT NULL DEFAULT 0, stock INTEGER DEFAULT 1);
  INSERT INTO item_new(id, label, price) SELECT id, name, price FROM item; DROP TABLE item;
  ALTER TABLE item_new RENAME TO item; UPDATE item SET stock = 5 WHERE id = 'i7'; DELETE FROM item WHERE id = 'i8'; COMMIT`;

function makeFile(journalMode: string) {
  return (path: string) => {
    const db = new Sqlite(path);
    db.pragma(`journal_mode = ${journalMode}`);
    db.exec(`${SCHEMA}; ${ROWS}`);
    db.close();
  };
}

async function pair(journalMode = 'wal') {
  const hub = await startHub({}, makeFile(journalMode));
  const east = await joinHub(hub, 'east');
  return { hub, east };
}

/** The same SQL on each node, through its own daemon where one runs. */
function migrate(node: ProcessNode, sql: string) {
  const script = `const db = require(${JSON.stringify(`${process.cwd()}/node_modules/better-sqlite3`)})(process.argv[1]); db.exec(process.argv[2])`;
  return node.run(['migrate', 'shop', '--json', '--', process.execPath, '-e', script, node.path, sql]);
}

test.each([
  ['ADD COLUMN', 'ALTER TABLE item ADD COLUMN stock INTEGER DEFAULT 3'],
  ['RENAME COLUMN, then DROP', 'ALTER TABLE item RENAME COLUMN colour TO paint; ALTER TABLE item DROP COLUMN paint'],
  ['DROP INDEX, then DROP COLUMN', 'DROP INDEX by_name; ALTER TABLE item DROP COLUMN name'],
  ['a table made anew', REBUILD],
])('%s, with daemons on both sides', async (_, sql) => {
  const { hub, east } = await pair();
  await east.start();
  const before = await (await hub.control()).status();
  const there = await migrate(hub, sql);
  expect(there.exitCode, there.stdout + there.stderr).toBe(0);
  expect(JSON.parse(there.stdout)).toMatchObject({ daemon: before.pid, behind: [{ node: 'east', known: true }] });
  write(hub, `INSERT INTO item(id) VALUES('from the hub'); INSERT INTO note(id, body) VALUES(1, 'hub')`);
  const here = await migrate(east, sql);
  expect(here.exitCode, here.stdout + here.stderr).toBe(0);
  write(east, `INSERT INTO item(id) VALUES('from the east'); UPDATE item SET price = 99 WHERE id = 'i3'`);
  const contents = await untilEqual([hub, east], soon.timeout);
  expect(contents.get('item')?.length).toBeGreaterThan(500);
  for (const node of [hub, east]) {
    const { databases, problems } = await node.status();
    expect([databases[0]?.coverage, databases[0]?.heldRows, problems]).toEqual(['complete', 0, []]);
  }
  // Rows that are equal were not sent.
  expect((await hub.peer('east')).rowsSent).toBeLessThan(20);
});

test('what is written in the old shape, by a node that migrates later, gets where it belongs', async () => {
  const { hub, east } = await pair();
  await east.start();
  const sql = 'ALTER TABLE item RENAME COLUMN colour TO paint; DROP INDEX by_name; ALTER TABLE item DROP COLUMN name';
  expect((await migrate(hub, sql)).exitCode).toBe(0);
  write(east, `UPDATE item SET colour = 'blue' WHERE id = 'i5'; DELETE FROM item WHERE id = 'i6'`);
  write(east, `INSERT INTO item VALUES('new', 'a name', 1, 'green')`);
  await vi.waitFor(async () => expect((await hub.status()).databases[0]?.schemaBehind).toEqual(['hub']), soon);
  expect((await migrate(east, sql)).exitCode).toBe(0);
  await untilEqual([hub, east], soon.timeout);
  await vi.waitFor(async () => expect((await hub.status()).problems).toEqual([]), soon);
});

test('without a daemon on the node that migrates, in rollback mode', async () => {
  const { hub, east } = await pair('delete');
  await hub.end('SIGTERM');
  const { exitCode, stdout } = await migrate(hub, REBUILD);
  expect([exitCode, JSON.parse(stdout).behind]).toEqual([0, [{ node: 'east', known: false }]]);
  expect((await migrate(east, REBUILD)).exitCode).toBe(0);
  await hub.start();
  await east.start();
  await untilEqual([hub, east], soon.timeout);
});

test('an application that goes on writing loses nothing', async () => {
  const { hub, east } = await pair();
  await east.start();
  const app = new Sqlite(hub.path, { timeout: 10_000 });
  onTestFinished(() => void app.close());
  let written = 0;
  let isOver = false;
  const writer = (async () => {
    while (!isOver) {
      app.prepare('INSERT INTO note(item, body) VALUES(?, ?)').run('i1', `note ${written}`);
      app.prepare(`UPDATE item SET price = ? WHERE id = ?`).run(BigInt(written), `i${(written % 100) + 100}`);
      written += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const { exitCode, stderr } = await migrate(
    hub,
    'ALTER TABLE note ADD COLUMN seen; ALTER TABLE item RENAME COLUMN colour TO paint',
  );
  isOver = true;
  await writer;
  expect(exitCode, stderr).toBe(0);
  await migrate(east, 'ALTER TABLE note ADD COLUMN seen; ALTER TABLE item RENAME COLUMN colour TO paint');
  const contents = await untilEqual([hub, east], 30_000);
  expect(contents.get('note')).toHaveLength(written);
});

function ids(node: ProcessNode): unknown[] {
  const db = new Sqlite(node.path, { readonly: true, timeout: 30_000 });
  try {
    return db.prepare('SELECT id FROM item').pluck().all();
  } finally {
    db.close();
  }
}

const coverageOf = async (node: ProcessNode) => (await node.status()).databases[0]?.coverage;

/** A migration whose command stays until it is killed. */
async function begin(node: ProcessNode, sql: string) {
  const script = `const db = require(${JSON.stringify(`${process.cwd()}/node_modules/better-sqlite3`)})(process.argv[1]);
    db.exec(process.argv[2]); console.log('migrated');
    const parent = process.ppid; setInterval(() => process.ppid === parent || process.exit(), 100)`;
  const args = ['migrate', 'shop', '-c', node.configFile, '--', process.execPath, '-e', script, node.path, sql];
  const child = spawn(process.execPath, [RUN_JS, ...args], { cwd: node.folder, stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  return { child, exited };
}

test('meanwhile peers are told a state, commands try again later, and a killed migration leaves a loud status', async () => {
  const { hub, east } = await pair();
  await east.start();
  await untilState(east, 'hub', 'online');
  const { child, exited } = await begin(hub, `UPDATE item SET price = 1; ALTER TABLE note ADD COLUMN seen`);
  await untilState(east, 'hub', 'offline');
  await vi.waitFor(async () => expect((await east.peer('hub')).lastError?.code).toBe('migrating'), soon);
  expect((await east.run(['sync', '--json'])).exitCode).toBe(75);
  expect((await hub.run(['init', hub.path])).exitCode).toBe(75);
  expect((await hub.run(['migrate', 'shop', '--', 'true'])).exitCode).toBe(75);
  const { healthy, databases, problems: meanwhile } = await hub.status();
  expect([healthy, databases[0]?.coverage]).toEqual([true, 'unknown']);
  expect(meanwhile.map(({ code }) => code)).toContain('migrating');
  expect(hub.complaints).toEqual([]);
  expect(east.complaints.filter(({ code }) => code === 'migrating').length).toBeLessThan(3);
  child.kill('SIGKILL');
  await exited;
  // What it had written is in question, until it is compared with a peer: then it is written again.
  await vi.waitFor(async () => expect(await coverageOf(hub)).toBe('complete'), soon);
  write(hub, `INSERT INTO note(id, body) VALUES(7, 'captured again')`);
  expect((await migrate(east, `ALTER TABLE note ADD COLUMN seen`)).exitCode).toBe(0);
  const contents = await untilEqual([hub, east], soon.timeout);
  expect(contents.get('item')?.filter((row) => !row.includes('price=integer:1 '))).toEqual([]);
});

test('what a killed migration wrote into a new column is found once the other node has it too', async () => {
  const { hub, east } = await pair();
  await east.start();
  const { child, exited } = await begin(
    hub,
    `ALTER TABLE item ADD COLUMN seen INTEGER DEFAULT 0; UPDATE item SET seen = 1 WHERE id = 'i3'; DELETE FROM item WHERE id = 'i4'`,
  );
  child.kill('SIGKILL');
  await exited;
  expect((await migrate(east, 'ALTER TABLE item ADD COLUMN seen INTEGER DEFAULT 0')).exitCode).toBe(0);
  await vi.waitFor(() => expect(ids(east)).not.toContain('i4'), soon);
  const contents = await untilEqual([hub, east], soon.timeout);
  expect(contents.get('item')?.filter((row) => row.includes('seen=integer:1'))).toHaveLength(1);
  await vi.waitFor(async () => expect(await coverageOf(hub)).toBe('complete'), soon);
});

test('a daemon that dies meanwhile leaves the file to the migration', async () => {
  const { hub, east } = await pair();
  const { child, exited } = await begin(hub, 'UPDATE item SET price = 1; ALTER TABLE note ADD COLUMN seen');
  await hub.end('SIGKILL');
  expect((await hub.run(['start'])).exitCode).toBe(75);
  child.kill('SIGTERM');
  expect(await exited).toEqual([143, null]);
  await hub.start();
  expect((await hub.status()).databases[0]?.coverage).toBe('complete');
  await migrate(east, 'UPDATE item SET price = 1; ALTER TABLE note ADD COLUMN seen');
  await east.start();
  await untilEqual([hub, east], soon.timeout);
});
