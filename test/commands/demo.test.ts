import { readdirSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { runCli } from '../support/run-cli.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

test('the demo comes out as it says, and cleans up', async () => {
  const cwd = makeFolder();
  const run = await runCli(['demo'], { cwd, env: { TMPDIR: cwd, SQLSYNC_NODE: 'disturbance' } });
  expect(run).toMatchObject({ exitCode: 0, stderr: '' });
  expect(run.stdout).toMatch(/^1\. Paris has a shop database/);
  expect(run.stdout).toContain('update-update in price: lyon wrote later, its price of 4.9 stands');
  expect(run.stdout).toContain('product: 3 rows, equal');
  expect(readdirSync(cwd)).toEqual([]);
});

test('as a document it tells what was checked', async () => {
  const cwd = makeFolder();
  const run = await runCli(['demo', '--json'], { cwd, env: { TMPDIR: cwd } });
  expect(JSON.parse(run.stdout)).toMatchObject({
    equal: true,
    rows: { product: 3, sale: 1 },
    visibleAfterMs: [expect.any(Number), expect.any(Number)],
    conflict: { kind: 'update-update', columns: ['price'], winner: { node: 'lyon' }, loser: { row: { price: 4.5 } } },
  });
});
