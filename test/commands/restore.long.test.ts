/** `restore`: what comes back, who it is then, and what it refuses to replace. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { BackupReport } from '../../src/operations/backup/backup-report.js';
import type { RestoreReport } from '../../src/operations/backup/restore-database.js';
import { untilEqual } from '../support/compare-files.js';
import { makeFolder } from '../support/make-folder.js';
import { freePort, ProcessNode } from '../support/process-node.js';
import { runCli } from '../support/run-cli.js';
import { makeItems, names, soon, startHub, startPair, untilState, write } from '../system/start-nodes.js';

const backUp = async (node: ProcessNode): Promise<string> =>
  ((await node.succeed(['backup', '--to', join(node.folder, 'backups')])) as BackupReport).path;

const restore = async (node: ProcessNode, backup: string, as: string): Promise<RestoreReport> =>
  (await node.succeed(['restore', backup, node.path, '--as', as, '--yes'])) as RestoreReport;

/** Exit code and code of an error, or null. */
async function refusal(node: ProcessNode, args: readonly string[]): Promise<[number | null, string | null]> {
  const { exitCode, stdout } = await node.run([...args, '--json']);
  return [exitCode, JSON.parse(stdout).error?.code ?? null];
}

async function idleNode(): Promise<ProcessNode> {
  const node = await ProcessNode.first(makeFolder(), 'hub', makeItems);
  onTestFinished(() => node.dispose());
  write(node, `INSERT INTO item(id, name) VALUES(1, 'tea'), (2, 'coffee')`);
  return node;
}

test('rejoin: a lost node comes back, and the others bring what the backup lacks', async () => {
  const { hub, east } = await startPair();
  // One that has not been heard of yet: until then nobody lets go of any history.
  const silent = await ProcessNode.joining(hub, 'west');
  onTestFinished(() => silent.dispose());
  write(hub, `INSERT INTO item(id, name) VALUES(1, 'tea'), (2, 'coffee')`);
  const path = await backUp(hub);
  // Seen by the others, and in no backup.
  write(hub, `UPDATE item SET name = 'green tea' WHERE id = 1; INSERT INTO item(id, name) VALUES(3, 'cocoa')`);
  await vi.waitFor(() => expect(names(east)).toEqual(['green tea', 'coffee', 'cocoa']), soon);
  await hub.end('SIGKILL');
  for (const ending of ['', '-wal', '-shm']) rmSync(hub.path + ending, { force: true });
  rmSync(`${hub.path}.sqlsync`, { recursive: true });
  write(east, `INSERT INTO item(id, name) VALUES(4, 'water')`);

  const report = await restore(hub, path, 'rejoin');
  expect(report).toMatchObject({ as: 'rejoin', node: 'hub', rows: 2, setAside: null, mustJoin: [], restored: true });
  expect(names(hub)).toEqual(['tea', 'coffee']);
  // The application is back before the daemon is, and writes what the lost file had written otherwise.
  write(hub, `UPDATE item SET name = 'black tea' WHERE id = 1; INSERT INTO item(id, name) VALUES(5, 'milk')`);
  await hub.start();
  const both = ['black tea', 'coffee', 'cocoa', 'water', 'milk'];
  await vi.waitFor(() => expect([names(hub), names(east)]).toEqual([both, both]), soon);
  await untilState(hub, 'east', 'online');
  expect(await east.succeed(['verify'])).toMatchObject({ equal: true });
  // Both writes to the tea were made unseen of each other, and nothing else was.
  for (const node of [hub, east]) {
    const { items } = (await node.succeed(['conflicts'])) as { items: { key: object; kind: string; loser: object }[] };
    expect(items).toMatchObject([{ key: { id: 1 }, kind: 'update-update', loser: { row: { name: 'green tea' } } }]);
  }
});

test('rejoin from a backup that is older than what the others keep: refused by them, until the node rejoins', async () => {
  const { hub, east } = await startPair();
  write(hub, `INSERT INTO item(id, name) VALUES(1, 'tea'), (2, 'coffee')`);
  const path = await backUp(hub);
  write(hub, `UPDATE item SET name = 'green tea' WHERE id = 1; DELETE FROM item WHERE id = 2`);
  const settled = ({ path: file }: ProcessNode) => {
    const db = new Sqlite(file, { readonly: true });
    const rows = db.prepare('SELECT count(*) FROM _sqlsync_meta_10').pluck().get();
    db.close();
    return rows === 0;
  };
  await vi.waitFor(() => expect(names(east)).toEqual(['green tea']), soon);
  await vi.waitFor(() => expect([settled(hub), settled(east)]).toEqual([true, true]), { ...soon, timeout: 40_000 });
  await hub.end('SIGTERM');
  await restore(hub, path, 'rejoin');
  write(hub, `INSERT INTO item(id, name) VALUES(3, 'milk')`);
  await hub.start();
  await untilState(east, 'hub', 'stale');
  expect(names(hub)).toEqual(['tea', 'coffee', 'milk']);
  expect(names(east)).toEqual(['green tea']);
  expect((await east.status()).problems).toContainEqual(
    expect.objectContaining({ code: 'stale', message: expect.stringContaining('on hub: sqlsync rejoin') }),
  );
});

test('rollback: a data set of its own, to which the others are strangers until they join', async () => {
  const { hub, east } = await startPair();
  write(hub, `INSERT INTO item(id, name) VALUES(1, 'tea')`);
  await vi.waitFor(() => expect(names(east)).toEqual(['tea']), soon);
  const path = await backUp(hub);
  write(hub, 'DELETE FROM item');
  await vi.waitFor(() => expect(names(east)).toEqual([]), soon);
  const [before] = (await hub.status()).databases;
  await hub.end('SIGTERM');

  const report = await restore(hub, path, 'rollback');
  expect(report).toMatchObject({
    as: 'rollback',
    mustJoin: ['east'],
    setAside: expect.stringContaining('.before-restore-'),
  });
  expect(existsSync(report.setAside ?? '')).toBe(true);
  await hub.start();
  expect(names(hub)).toEqual(['tea']);
  const [after] = (await hub.status()).databases;
  expect(after?.dataset).not.toBe(before?.dataset);
  expect(after?.nodeId).not.toBe(before?.nodeId);
  expect(await refusal(east, ['sync'])).toEqual([65, null]);
  expect(names(hub)).toEqual(['tea']);

  await east.end('SIGTERM');
  await east.succeed(['join', hub.url, east.path, '--replace', '--node', 'east']);
  await east.start();
  write(east, `INSERT INTO item(id, name) VALUES(2, 'coffee')`);
  await vi.waitFor(() => expect(names(hub)).toEqual(['tea', 'coffee']), soon);
  expect(await hub.succeed(['verify'])).toMatchObject({ equal: true });
});

/** The command of a line that an operator has read, as arguments. */
const argumentsOf = (command: string, words: Readonly<Record<string, string>> = {}) =>
  command
    .replace(/^sqlsync /, '')
    .split(' ')
    .map((word) => words[word] ?? word);

const member = (hub: ProcessNode, url = hub.url) => ProcessNode.joining(hub, 'east', { url });

async function invited(hub: ProcessNode): Promise<ProcessNode> {
  const { invite } = (await hub.succeed(['invite', 'east'])) as { invite: string };
  return member(hub, invite);
}

test.each([
  ['a shared secret', member],
  ['an invitation', invited],
] as const)(
  'rollback on a node that only dials, and came by %s: each line that is printed leads back',
  async (_by, comeTo) => {
    const hub = await startHub();
    const east = await comeTo(hub);
    onTestFinished(() => east.dispose());
    await east.start();
    write(hub, `INSERT INTO item(id, name) VALUES(1, 'tea')`);
    await vi.waitFor(() => expect(names(east)).toEqual(['tea']), soon);
    const path = await backUp(east);
    write(east, 'DELETE FROM item');
    await vi.waitFor(() => expect(names(hub)).toEqual([]), soon);
    await east.end('SIGTERM');

    const { exitCode, stderr } = await east.run(['restore', path, east.path, '--as', 'rollback', '--yes']);
    expect(exitCode).toBe(0);
    // Whoever has read no further than the daemon's start.
    await east.start();
    await untilState(east, 'hub', 'error');
    const { problems } = await east.status();
    expect(problems).toMatchObject([
      { peer: 'hub', severity: 'error', command: expect.stringMatching(/^sqlsync init .* --listen HOST:PORT/) },
    ]);
    expect(problems[0]?.message).toContain('has to join anew');
    await east.end('SIGTERM');

    const typed = [...stderr.matchAll(/`(sqlsync [^`]+)`/g)].map(([, command]) => command as string);
    const [listen, start, invite, ...rest] = typed;
    expect([start, rest]).toEqual(['sqlsync start', []]);
    const address = `127.0.0.1:${await freePort()}`;
    expect(await runCli(argumentsOf(listen ?? '', { 'HOST:PORT': address }), { cwd: east.folder })).toMatchObject({
      exitCode: 0,
    });
    await east.start();
    expect((await east.status()).problems).toMatchObject([{ peer: 'hub', command: 'sqlsync invite hub' }]);
    const { stdout } = await runCli(argumentsOf(invite ?? ''), { cwd: east.folder });
    const [, there] = /^on hub, .*: (sqlsync .*)$/m.exec(stderr) ?? [];
    await hub.end('SIGTERM');
    const words = { INVITE: stdout.trim(), DB: hub.path };
    expect(await hub.run(argumentsOf(there ?? '', words))).toMatchObject({ exitCode: 0 });
    await hub.start();

    expect(names(hub)).toEqual(['tea']);
    write(hub, `INSERT INTO item(id, name) VALUES(2, 'coffee')`);
    write(east, `INSERT INTO item(id, name) VALUES(3, 'milk')`);
    await untilEqual([hub, east], 15_000);
    expect(names(hub)).toEqual(['tea', 'coffee', 'milk']);
    for (const node of [hub, east]) expect((await node.status()).problems).toEqual([]);
  },
);

test('rejoin: what only the replaced file has is counted, and the printed line brings it back', async () => {
  const { hub, east } = await startPair();
  write(hub, `INSERT INTO item(id, name) VALUES(1, 'tea')`);
  await vi.waitFor(() => expect(names(east)).toEqual(['tea']), soon);
  const path = await backUp(east);
  // What others have comes back from them.
  write(hub, `INSERT INTO item(id, name) VALUES(2, 'coffee')`);
  await vi.waitFor(() => expect(names(east)).toEqual(['tea', 'coffee']), soon);
  await hub.end('SIGTERM');
  write(east, `INSERT INTO item(id, name) VALUES(3, 'milk'), (4, 'salt')`);
  await east.end('SIGTERM');
  write(east, `UPDATE item SET name = 'sea salt' WHERE id = 4; INSERT INTO item(id, name) VALUES(5, 'rice')`);

  const restoring = ['restore', path, east.path, '--as', 'rejoin', '--yes'];
  expect(await east.succeed([...restoring, '--dry-run'])).toMatchObject({ onlyInSetAside: { item: 4 } });
  const { exitCode, stderr } = await east.run(restoring);
  expect(exitCode).toBe(0);
  expect(names(east)).toEqual(['tea']);
  expect(stderr).toContain(
    '4 changes in there (item 4) are neither in the backup nor, as far as it knew, on another node',
  );
  const [, from, to] = /: mv (\S+) (\S+)$/m.exec(stderr) ?? [];
  renameSync(from ?? '', to ?? '');
  await east.start();
  await hub.start();
  await untilEqual([hub, east], 15_000);
  expect(names(hub)).toEqual(['tea', 'coffee', 'milk', 'sea salt', 'rice']);
});

test('copy: the application’s file and nothing else', async () => {
  const node = await idleNode();
  const backup = await backUp(node);
  const path = join(node.folder, 'copy.db');
  expect(await node.succeed(['restore', backup, path, '--as', 'copy', '--dry-run'])).toMatchObject({ restored: false });
  expect(existsSync(path)).toBe(false);
  const report = await node.succeed(['restore', backup, path, '--as', 'copy']);
  expect(report).toMatchObject({ dataset: null, rows: 2, leftOut: 0, setAside: null });
  const db = new Sqlite(path);
  expect(db.prepare('SELECT name FROM sqlite_schema').pluck().all()).toEqual(['item']);
  expect(db.prepare('SELECT name FROM item').pluck().all()).toEqual(['tea', 'coffee']);
  expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
  db.close();
  expect(readdirSync(node.folder).filter((name) => name.startsWith('copy.db'))).toEqual(['copy.db']);
});

test('it replaces nothing that is in use, not whole, or not asked for', async () => {
  const node = await idleNode();
  const backup = await backUp(node);
  const args = ['restore', backup, node.path, '--as', 'rejoin'];
  expect(await refusal(node, args)).toEqual([2, 'usage']);
  expect(await refusal(node, ['restore', backup, node.path])).toEqual([2, 'usage']);

  const application = new Sqlite(node.path);
  application.prepare('SELECT count(*) FROM item').get();
  expect(await refusal(node, [...args, '--yes'])).toEqual([75, 'database-locked']);
  application.close();

  // As an application leaves it that was killed.
  for (const ending of ['-wal', '-journal']) {
    writeFileSync(node.path + ending, 'what was written last');
    expect(await refusal(node, [...args, '--yes'])).toEqual([77, 'journal-remains']);
    rmSync(node.path + ending);
  }
  await node.start();
  expect(await refusal(node, [...args, '--yes'])).toEqual([75, 'database-in-use']);
  await node.end('SIGTERM');

  const whole = readFileSync(backup);
  const damaged = Buffer.from(whole);
  damaged[whole.length >> 1] = (damaged[whole.length >> 1] ?? 0) ^ 1;
  writeFileSync(backup, damaged);
  expect(await refusal(node, [...args, '--yes'])).toEqual([65, 'backup-damaged']);
  writeFileSync(backup, whole);
  expect(names(node)).toEqual(['tea', 'coffee']);
  expect(readdirSync(node.folder).filter((name) => name.includes('before-restore'))).toEqual([]);
});

test('a file that SQLite cannot read any more is replaced, and kept', async () => {
  const node = await idleNode();
  const backup = await backUp(node);
  const broken = Buffer.from('SQLite format 3\0 and then nothing of the kind'.padEnd(8192, '!'));
  writeFileSync(node.path, broken);
  writeFileSync(`${node.path}-journal`, Buffer.alloc(512));
  const { setAside } = await restore(node, backup, 'rejoin');
  expect(readFileSync(setAside ?? '')).toEqual(broken);
  expect(existsSync(`${node.path}-journal`)).toBe(false);
  expect(names(node)).toEqual(['tea', 'coffee']);
});
