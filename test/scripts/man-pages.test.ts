import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readManifest } from '../../scripts/command-manifest.js';
import { manPages } from '../../scripts/man-pages.js';
import { EXIT } from '../../src/errors.js';
import { missingPrograms, nameWithout } from '../support/installed-program.js';
import { makeFolder } from '../support/make-folder.js';

const missing = missingPrograms('mandoc');
const pages = manPages(readManifest(), new Date('2026-01-31T00:00:00Z'));

test('there is a page for every command, and one that names them all and every exit code', () => {
  const [overview, ...others] = pages;
  expect(others).toHaveLength(readManifest().length);
  for (const { file } of others) expect(overview?.text).toContain(`.It Xr ${file.replace(/\.1$/, '')} 1\n`);
  for (const code of Object.values(EXIT)) expect(overview?.text).toContain(`.It ${code}\n`);
});

// mandoc is what judges.
test.skipIf(missing !== null)(nameWithout('mandoc -Tlint has nothing to say', missing), () => {
  // Pages that are referred to are looked for beside those that are read.
  const cwd = makeFolder();
  for (const { file, text } of pages) writeFileSync(join(cwd, file), text);
  const files = pages.map(({ file }) => file);
  const { status, stdout, stderr } = spawnSync('mandoc', ['-Tlint', ...files], { encoding: 'utf8', cwd });
  expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' });
});
