/** `backup` as an operator types it, with a daemon and without one, while an application writes, and when it goes wrong. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it, onTestFinished, test } from 'vitest';
import { thisMachine } from '../../src/daemon/this-machine.js';
import type { BackupReport } from '../../src/operations/backup/backup-report.js';
import { findBackup } from '../../src/operations/backup/open-store.js';
import { verifyBackup } from '../../src/operations/backup/verify-backup.js';
import { makeFolder } from '../support/make-folder.js';
import { BUCKET, startObjectStore } from '../support/object-store.js';
import { ProcessNode } from '../support/process-node.js';
import { RUN_JS, runCli } from '../support/run-cli.js';
import { mountSmallDisk, smallDiskRefused, unmount } from '../support/small-disk.js';
import { until } from '../support/until.js';
import { makeItems, startHub, write } from '../system/start-nodes.js';

const MANY = `WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
  INSERT INTO item(name, data) SELECT 'item ' || i, randomblob(400) FROM n`;

const { signal } = new AbortController();

/** A node with some megabytes, no daemon. */
async function idleNode(folder = makeFolder()): Promise<ProcessNode> {
  const node = await ProcessNode.first(folder, 'hub', makeItems);
  onTestFinished(() => node.dispose());
  write(node, MANY);
  return node;
}

const backUp = async (node: ProcessNode, to: string): Promise<BackupReport> =>
  (await node.succeed(['backup', '--to', to])) as BackupReport;

/** What the command does, without a process of its own. */
const verify = (path: string) =>
  verifyBackup(
    { backup: findBackup(path, {}), key: null, copyPath: join(makeFolder(), 'copy.db'), onBytes: () => {}, signal },
    thisMachine,
  );

const litterIn = (node: ProcessNode): string[] =>
  readdirSync(`${node.path}.sqlsync`).filter((name) => name.includes('backup'));

test('without a daemon: a backup, its list, its proof, what is recorded, and a bad one told from a good one', async () => {
  const node = await idleNode();
  const to = join(node.folder, 'backups');
  const report = await backUp(node, to);
  expect(report).toEqual({
    path: expect.stringContaining(`${to}/shop.hub.`),
    bytes: expect.any(Number),
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    rows: 20_000,
    durationMs: expect.any(Number),
  });
  expect(await node.succeed(['backup', 'list', '--to', to])).toMatchObject({
    items: [{ path: report.path }],
    total: 1,
  });
  expect(await node.succeed(['backup', 'verify', report.path])).toMatchObject({ ok: true, rows: 20_000 });
  expect(await node.succeed(['operations', '--limit', '1'])).toMatchObject({
    items: [{ command: expect.stringContaining(`backup --to ${to}`), detail: { path: report.path }, result: 'done' }],
  });
  const [database] = (await node.status()).databases;
  expect(Date.parse(database?.lastBackup ?? '')).toBeGreaterThan(Date.now() - 60_000);
  expect(litterIn(node)).toEqual([]);

  writeFileSync(report.path, 'x', { flag: 'a' });
  const { exitCode, stdout } = await node.run(['backup', 'verify', report.path]);
  expect([exitCode, stdout]).toEqual([1, expect.stringContaining('DAMAGED')]);
  const missing = await node.run(['backup', 'verify', report.path.replace('.db.gz', '1.db.gz')]);
  expect(missing.exitCode).toBe(2);
  expect((await node.run(['backup'])).stderr).toContain('--to DIR');
});

test('with a daemon, while an application writes: each backup is whole, and one moment of the file', async () => {
  const hub = await startHub();
  write(hub, MANY);
  const to = join(hub.folder, 'backups');
  const application = new Sqlite(hub.path, { timeout: 30_000 });
  const [insert, remove] = ['INSERT INTO item(name) VALUES(?)', 'DELETE FROM item WHERE name = ?'].map((sql) =>
    application.prepare(sql),
  );
  let writes = 0;
  // Never more, never fewer rows than there were, at any commit.
  const swap = application.transaction((i: number) => [remove?.run(`item ${i}`), insert?.run(`fresh ${i}`)]);
  const timer = setInterval(() => {
    writes += 1;
    swap(writes);
  }, 5);
  const reports: BackupReport[] = [];
  try {
    for (let i = 0; i < 2; i += 1) reports.push(await backUp(hub, to));
  } finally {
    clearInterval(timer);
    application.close();
  }
  expect(writes).toBeGreaterThan(20);
  expect(reports.map(({ rows }) => rows)).toEqual(reports.map(() => 20_000));
  for (const { path } of reports) expect(await verify(path)).toMatchObject({ ok: true });
  expect(litterIn(hub)).toEqual([]);
  expect(hub.complaints).toEqual([]);
});

test('in rollback mode a backup is whole too, and nothing in it waits to be folded', async () => {
  const hub = await startHub({}, (path) => {
    makeItems(path);
    const db = new Sqlite(path);
    db.pragma('journal_mode = delete');
    db.close();
  });
  write(hub, MANY);
  const timer = setInterval(() => write(hub, `INSERT INTO item(name) VALUES('more')`), 20);
  const to = join(hub.folder, 'backups');
  const { path, rows } = await backUp(hub, to).finally(() => clearInterval(timer));
  expect(rows).toBeGreaterThanOrEqual(20_000);
  expect(await verify(path)).toMatchObject({ ok: true, rows });
  const copy = join(hub.folder, 'copy.db');
  await hub.succeed(['restore', path, copy, '--as', 'rejoin']);
  const db = new Sqlite(copy);
  const [last, folded] = [
    `SELECT max(hlc) FROM _sqlsync_log WHERE tbl <> 5`,
    `SELECT value FROM _sqlsync_state WHERE name = 'folded'`,
  ].map((sql) => db.prepare(sql).pluck().get() as number);
  db.close();
  expect(last).toBeLessThanOrEqual(folded as number);
});

test('killed in the middle, it leaves nothing that looks whole, and the next one clears what it has left', async () => {
  const node = await idleNode();
  const to = join(node.folder, 'backups');
  mkdirSync(to);
  let killed = 0;
  const looksWhole = () => readdirSync(to).filter((name) => !name.startsWith('.'));
  for (const moment of [
    () => litterIn(node).length > 0,
    () => readdirSync(to).some((name) => name.includes('.partial-')),
  ]) {
    const child = spawn(process.execPath, [RUN_JS, 'backup', '--to', to, '-c', node.configFile], { stdio: 'ignore' });
    await until(
      () => (moment() || child.exitCode !== null ? true : null),
      30_000,
      () => 'the moment did not come',
    );
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    if (child.exitCode === 0) continue;
    killed += 1;
    expect(looksWhole()).toEqual([]);
    expect(await node.succeed(['backup', 'list', '--to', to])).toMatchObject({ items: [] });
  }
  expect(killed).toBeGreaterThan(0);
  const { path } = await backUp(node, to);
  expect(
    readdirSync(to)
      .map((name) => join(to, name))
      .sort(),
  ).toEqual([path, `${path}.json`]);
  expect(litterIn(node)).toEqual([]);
  expect(await verify(path)).toMatchObject({ ok: true });
});

// Only who may mount has a disk that is small enough to fill.
it.skipIf(smallDiskRefused !== null)(
  'a full disk is exit 74, wherever it is, and leaves nothing (needs mount)',
  async () => {
    const node = await idleNode();
    const disk = join(node.folder, 'disk');
    mountSmallDisk(disk);
    onTestFinished(() => unmount(disk));
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(bavail * bsize - 1024 * 1024));
    const { exitCode, stdout } = await node.run(['backup', '--to', join(disk, 'backups'), '--json']);
    expect([exitCode, JSON.parse(stdout).error.code]).toEqual([74, 'disk-full']);
    expect(readdirSync(join(disk, 'backups'))).toEqual([]);
    expect(litterIn(node)).toEqual([]);

    const { path } = await backUp(node, join(node.folder, 'backups'));
    const restored = await node.run(['restore', path, join(disk, 'copy.db'), '--as', 'copy', '--json']);
    expect([restored.exitCode, JSON.parse(restored.stdout).error.code]).toEqual([74, 'disk-full']);
    expect(readdirSync(disk)).toEqual(['backups', 'ballast'].sort());
    expect(existsSync(node.path)).toBe(true);
  },
);

test('to a bucket and back, by credentials from the environment alone', async () => {
  const node = await idleNode();
  const env = await startObjectStore();
  const cli = async (args: readonly string[]) => {
    const result = await runCli([...args, '--json', '-c', node.configFile, '--no-input'], { cwd: node.folder, env });
    return { exitCode: result.exitCode, document: JSON.parse(result.stdout) };
  };
  const to = `s3://${BUCKET}/nightly`;
  const { document: made } = await cli(['backup', '--to', to]);
  expect(made).toMatchObject({ path: expect.stringContaining(`${to}/shop.hub.`), rows: 20_000 });
  expect(await cli(['backup', 'list', '--to', to])).toMatchObject({ document: { items: [{ path: made.path }] } });
  expect(await cli(['backup', 'verify', made.path])).toMatchObject({ exitCode: 0, document: { ok: true } });
  const restored = await cli(['restore', made.path, 'copy.db', '--as', 'copy']);
  expect(restored).toMatchObject({ exitCode: 0, document: { rows: 20_000 } });
  const { exitCode, stdout } = await node.run(['backup', '--to', to, '--json']);
  expect([exitCode, JSON.parse(stdout).error.code]).toEqual([69, 'backup-store']);
});
