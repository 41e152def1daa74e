import { spawn } from 'node:child_process';
import { once } from 'node:events';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { RUN_JS } from '../support/run-cli.js';

vi.setConfig({ testTimeout: 60_000 });

function write(node: ProcessNode, sql: string): void {
  const db = new Sqlite(node.path, { timeout: 10_000 });
  db.exec(sql);
  db.close();
}

const shop = () =>
  ProcessNode.first(makeFolder(), 'paris', (path) => {
    const db = new Sqlite(path);
    db.exec('CREATE TABLE product(sku TEXT PRIMARY KEY NOT NULL, name TEXT, stock INTEGER)');
    db.close();
  });

test('lists writes newest first, page by page, and narrows them down', async () => {
  const node = await shop();
  write(node, `INSERT INTO product VALUES('tea', 'Assam', 4); UPDATE product SET stock = 3; DELETE FROM product`);
  const list = async (...args: string[]) => {
    return (await node.succeed(['changes', ...args])) as { nextCursor: string };
  };
  const first = await list('--limit', '2');
  expect(first).toMatchObject({
    total: 3,
    items: [
      { database: 'shop', table: 'product', key: { sku: 'tea' }, op: 'delete', node: 'paris' },
      { op: 'update', columns: ['stock'] },
    ],
  });
  expect(await list('--limit', '2', '--cursor', first.nextCursor)).toMatchObject({
    nextCursor: null,
    items: [{ op: 'insert', columns: null }],
  });
  expect(await list('--table', 'product', '--key', '"rice"')).toMatchObject({ total: 0, items: [] });
  const refused = await node.run(['changes', '--table', 'nothing', '--json']);
  expect([refused.exitCode, JSON.parse(refused.stdout).error.code]).toEqual([2, 'usage']);
});

test('follows what comes, with no daemon, and ends with a signal', async () => {
  const node = await shop();
  write(node, `INSERT INTO product VALUES('tea', 'Assam', 4)`);
  const child = spawn(process.execPath, [RUN_JS, 'changes', '--follow', '--json', '--config', node.configFile]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  child.stdout.on('data', (piece) => {
    stdout += piece;
  });
  const events = () =>
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  await vi.waitFor(() => expect(events()).toMatchObject([{ type: 'ready' }]), 20_000);
  write(node, `UPDATE product SET stock = 3`);
  await vi.waitFor(() => expect(events()).toMatchObject([{}, { type: 'change', op: 'update' }]), 20_000);
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  expect(await ended).toEqual([130, null]);
  expect(events().at(-1)).toMatchObject({ error: { code: 'interrupted' } });
  const { cursor } = events()[0];
  const again = spawn(process.execPath, [
    RUN_JS,
    'changes',
    '--follow',
    '--after',
    cursor,
    '--config',
    node.configFile,
  ]);
  onTestFinished(() => void again.kill('SIGKILL'));
  const [line] = await once(again.stdout, 'data');
  expect(String(line)).toMatch(/ {2}paris {2}update {2}product {2}\{"sku":"tea"\} {2}stock\n$/);
});
