import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { DoctorReport } from '../../src/operations/doctor/diagnose.js';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { runCli } from '../support/run-cli.js';
import { makeShop, onDatabase } from '../support/shop-database.js';

vi.setConfig({ testTimeout: 60_000 });

const codesOf = (stdout: string) => (JSON.parse(stdout) as DoctorReport).items.map(({ code }) => code);

async function startShop(): Promise<ProcessNode> {
  const node = await ProcessNode.first(makeFolder(), 'paris', (path) => makeShop(path));
  onTestFinished(() => node.dispose());
  return node.start();
}

test('beside a daemon: a document of items, healthy, exit 0', async () => {
  const node = await startShop();
  const { exitCode, stdout } = await node.run(['doctor', '--json']);
  const report = JSON.parse(stdout) as DoctorReport;
  expect([exitCode, report.healthy, report.nextCursor, report.total]).toEqual([0, true, null, report.items.length]);
  for (const item of report.items)
    expect(Object.keys(item)).toEqual(['code', 'severity', 'database', 'message', 'what']);
  expect(codesOf(stdout)).toEqual(expect.arrayContaining(['versions', 'integer-keys']));
  expect(codesOf(stdout)).not.toContain('daemon-down');
  const text = await node.run(['doctor', '-d', 'shop', '--deep', '--no-color']);
  expect(text.stdout).toMatch(/^warning integer-keys \[shop\]: /m);
  expect(text.stdout).toMatch(/0 errors, \d+ warnings?, \d+ to know\n$/);
});

test('an error exits 1, and what cannot be looked at keeps nothing else from being', async () => {
  const node = await ProcessNode.first(makeFolder(), 'paris', (path) => makeShop(path));
  onDatabase(node.path, (db) => db.exec('DROP TRIGGER _sqlsync_11_update'));
  chmodSync(join(node.folder, 'secret'), 0o644);
  const { exitCode, stdout } = await node.run(['doctor', 'shop', join(node.folder, 'gone.db'), '--json']);
  expect(exitCode).toBe(1);
  expect(codesOf(stdout)).toEqual(
    expect.arrayContaining(['coverage-partial', 'secret-exposed', 'database-missing', 'daemon-down']),
  );
});

test('a configuration that cannot be read is a finding; a file can be looked at without one', async () => {
  const folder = makeFolder();
  const path = join(folder, 'plain.db');
  makeShop(path);
  const plain = await runCli(['doctor', 'plain.db', '--json'], { cwd: folder });
  expect(plain.exitCode).toBe(0);
  expect(codesOf(plain.stdout)).toContain('not-installed');
  expect((await runCli(['doctor', '--json'], { cwd: folder })).exitCode).toBe(1);
  writeFileSync(join(folder, 'sqlsync.yml'), 'node: paris\nlisten: 0.0.0.0:7420\n', { mode: 0o600 });
  const open = await runCli(['doctor', 'plain.db', '--json'], { cwd: folder });
  expect(open.exitCode).toBe(1);
  expect(JSON.parse(open.stdout).items[0]).toMatchObject({
    code: 'config-invalid',
    message: expect.stringContaining('listen'),
  });
});
