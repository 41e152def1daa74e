/** A release as it is built, installed by deploy.sh, and as a Debian package that lintian has nothing to say of. */
import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { missingPrograms, nameWithout } from '../support/installed-program.js';
import { makeFolder } from '../support/make-folder.js';

const TIMEOUT_MS = 300_000;

function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  expect(`${status} ${status === 0 ? '' : stdout + stderr}`).toBe('0 ');
  return stdout.trim();
}

const hurried = process.env.CI === undefined ? 'time for it; CI=1 takes half a minute' : null;
const missing = hurried ?? missingPrograms('dpkg-deb', 'lintian', 'strip', 'flock');

// It copies and packs thousands of files.
test.skipIf(missing !== null)(
  nameWithout(
    'a release runs where deploy.sh puts it; the package of it is clean, and runs where it is unpacked',
    missing,
  ),
  () => {
    const folder = makeFolder();
    const release = run('scripts/build-release.sh', '--no-build', join(folder, 'release'));
    const bin = join(folder, 'bin');
    run('scripts/deploy.sh', '--prefix', join(folder, 'opt'), '--bin', bin, '--service', 'none.service', release);
    expect(run(join(bin, 'sqlsync'), 'demo', '--json')).toContain('"equal": true');

    const deb = run('scripts/build-deb.sh', '--release', release, folder);
    expect(run('lintian', '--allow-root', '--fail-on', 'error,warning', deb)).toBe('');
    const root = join(folder, 'root');
    run('dpkg-deb', '--extract', deb, root);
    expect(readlinkSync(join(root, 'usr/bin/sqlsync'))).toBe('../lib/sqlsync/bin/run.js');
    expect(run(join(root, 'usr/bin/sqlsync'), '--version')).toMatch(/^sqlsync\/\d/);
    const unit = readFileSync(join(root, 'usr/lib/systemd/system/sqlsync@.service'), 'utf8');
    expect(unit).toContain('ExecStart=/usr/bin/sqlsync start\n');
  },
  TIMEOUT_MS,
);
