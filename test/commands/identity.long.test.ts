/** A file that may be a copy: it is not served before it is known what it is, and each answer comes to what it says. */
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { makeFolder } from '../support/make-folder.js';
import type { ProcessNode } from '../support/process-node.js';
import { runCli } from '../support/run-cli.js';
import { joinHub, makeItems, names, soon, startHub, untilState, write } from '../system/start-nodes.js';

/** Copies a node's file, its log included, and names the copy in the configuration. */
function serveCopy(node: ProcessNode, path: string): void {
  const db = new Sqlite(node.path);
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
  copyFileSync(node.path, path);
  namePath(node, path);
}

function namePath(node: ProcessNode, path: string): void {
  const config = parse(readFileSync(node.configFile, 'utf8')) as { databases: { path: string }[] };
  config.databases = config.databases.map((database) => ({ ...database, path }));
  writeFileSync(node.configFile, stringify(config));
}

const codeOf = (stdout: string) => JSON.parse(stdout).error.code as string;

async function servedOnce(): Promise<ProcessNode> {
  const hub = await startHub();
  write(hub, `INSERT INTO item(name) VALUES('before')`);
  await hub.end('SIGTERM');
  return hub;
}

test('a copy is not served before somebody has said what it is', async () => {
  const hub = await servedOnce();
  serveCopy(hub, join(hub.folder, 'copy.db'));
  const started = await hub.run(['start', '--json']);
  expect([started.exitCode, codeOf(started.stdout)]).toEqual([77, 'identity-unknown']);
  expect(started.stdout).toContain('--moved');
  const { problems } = await hub.status();
  expect(problems.map(({ code, command }) => [code, command])).toContainEqual([
    'identity-unknown',
    `sqlsync identity ${join(hub.folder, 'copy.db')}`,
  ]);

  const unanswered = await hub.run(['identity', 'shop', '--json']);
  expect([unanswered.exitCode, codeOf(unanswered.stdout)]).toEqual([2, 'usage']);
  expect((await hub.run(['identity', 'shop', '--moved', '--copied'])).exitCode).toBe(2);
  await hub.succeed(['identity', 'shop', '--moved', '--dry-run']);
  expect((await hub.run(['start', '--json'])).exitCode).toBe(77);

  expect(await hub.succeed(['identity', 'shop', '--restored'])).toMatchObject({ answer: 'restored', changed: true });
  await hub.start();
  expect((await hub.status()).problems).toEqual([]);
});

test('a file that was renamed, or put back in its place, raises no question', async () => {
  const hub = await servedOnce();
  const elsewhere = join(hub.folder, 'elsewhere.db');
  renameSync(hub.path, elsewhere);
  namePath(hub, elsewhere);
  await hub.start();
  await hub.end('SIGTERM');
  copyFileSync(elsewhere, `${elsewhere}.backup`);
  renameSync(`${elsewhere}.backup`, elsewhere);
  await hub.start();
  expect((await hub.status()).running).toBe(true);
});

test('where files move by design the configuration says so', async () => {
  const hub = await servedOnce();
  serveCopy(hub, join(hub.folder, 'copy.db'));
  const config = parse(readFileSync(hub.configFile, 'utf8')) as { databases: object[] };
  config.databases = config.databases.map((database) => ({ ...database, identity: 'trust' }));
  writeFileSync(hub.configFile, stringify(config));
  await hub.start();
  expect((await hub.status()).problems).toEqual([]);
});

test('a copy becomes a plain file, and the original goes on', async () => {
  const hub = await servedOnce();
  const copy = join(makeFolder(), 'copy.db');
  copyFileSync(hub.path, copy);
  const unconfirmed = await runCli(['identity', copy, '--copied', '--no-input'], { cwd: hub.folder });
  expect(unconfirmed.exitCode).toBe(2);
  const answered = await runCli(['identity', copy, '--copied', '--yes'], { cwd: hub.folder });
  expect([answered.exitCode, answered.stderr]).toEqual([0, expect.stringContaining('join URL')]);
  const db = new Sqlite(copy);
  expect(db.prepare(`SELECT name FROM sqlite_schema`).pluck().all()).toEqual(['item']);
  expect(db.prepare('SELECT name FROM item').pluck().all()).toEqual(['before']);
  db.close();
  await hub.start();
  const plain = join(makeFolder(), 'plain.db');
  makeItems(plain);
  expect((await runCli(['identity', plain, '--moved'], { cwd: hub.folder })).exitCode).toBe(65);
});

test('two processes in one node’s name are both refused', async () => {
  const hub = await startHub();
  const east = await joinHub(hub, 'east');
  const twinFolder = makeFolder();
  await east.start();
  write(east, `INSERT INTO item(name) VALUES('from east')`);
  await vi.waitFor(() => expect(names(hub)).toEqual(['from east']), soon);
  // A copy that lacks what the others hold to be settled would be stale, which is another thing.
  const ahead = async () => (await east.status()).databases[0]?.peers[0]?.inbound.changes;
  await vi.waitFor(async () => expect(await ahead()).toBe(0), soon);
  const db = new Sqlite(east.path);
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
  const twin = join(twinFolder, 'east.db');
  copyFileSync(east.path, twin);
  const config = parse(readFileSync(east.configFile, 'utf8'));
  const configFile = join(twinFolder, 'sqlsync.yml');
  writeFileSync(
    configFile,
    stringify({ ...config, secretFile: join(east.folder, 'secret'), databases: [{ name: 'shop', path: twin }] }),
  );
  const run = (args: string[]) => runCli([...args, '-c', configFile, '--json'], { cwd: twinFolder });
  expect((await run(['identity', 'shop', '--moved'])).exitCode).toBe(0);
  const other = new Sqlite(twin);
  other.exec(`INSERT INTO item(name) VALUES('from the copy')`);
  other.close();
  // Whether the hub sees both in this exchange already depends on when the other one speaks.
  expect([0, 77]).toContain((await run(['sync', 'hub'])).exitCode);
  write(east, `INSERT INTO item(name) VALUES('from east again')`);
  await untilState(east, 'hub', 'error');
  expect((await east.peer('hub')).lastError).toMatchObject({ code: 'node-name-taken' });
  const again = await run(['sync', 'hub']);
  expect(again.exitCode).toBe(77);
});
