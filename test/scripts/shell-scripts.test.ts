/** The scripts for cron and for installing: what shellcheck says of them, and what bats does with them. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { missingPrograms, nameWithout } from '../support/installed-program.js';

vi.setConfig({ testTimeout: 120_000 });

const FOLDER = join('test', 'scripts');
const scripts = readdirSync('scripts').filter((name) => name.endsWith('.sh'));
const pages = readdirSync(FOLDER).filter((name) => name.endsWith('.bats'));

const noShellcheck = missingPrograms('shellcheck');
// shellcheck is what judges.
test.skipIf(noShellcheck !== null)(nameWithout('shellcheck has nothing to say', noShellcheck), () => {
  expect(scripts.length).toBeGreaterThan(0);
  const files = [...scripts.map((name) => join('scripts', name)), '.ci/run'];
  expect(spawnSync('shellcheck', files, { encoding: 'utf8' })).toMatchObject({ status: 0, stdout: '' });
});

const noBats = missingPrograms('bats', 'flock');
// bats is what runs them.
test.skipIf(noBats !== null).each(pages)(nameWithout('%s', noBats), (page) => {
  const { status, stdout } = spawnSync('bats', ['--tap', join(FOLDER, page)], { encoding: 'utf8' });
  expect(stdout.split('\n').filter((line) => /^(not ok|#)/.test(line))).toEqual([]);
  expect(stdout).toMatch(/^ok 1 /m);
  expect(status).toBe(0);
});
