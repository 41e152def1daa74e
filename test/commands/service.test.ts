/** The units of a real configuration, as systemd judges them. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { missingPrograms, nameWithout } from '../support/installed-program.js';
import { makeFolder } from '../support/make-folder.js';
import { runCli } from '../support/run-cli.js';
import { makeShop } from '../support/shop-database.js';

vi.setConfig({ testTimeout: 60_000 });

/** Exposure is a number from 0 (closed) to 10; the threshold is ten times that. */
const EXPOSURE_MAX = 3;
const missing = missingPrograms('systemd-analyze');

/** A configuration whose folder has a name that units must quote. */
async function configured(): Promise<{ cwd: string; units: string; run: (...args: string[]) => Promise<string> }> {
  const cwd = join(makeFolder(), 'a shop of 100 %');
  const units = join(cwd, 'units');
  mkdirSync(units, { recursive: true });
  makeShop(join(cwd, 'shop.db'));
  const run = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await runCli(args, { cwd });
    expect(`${exitCode} ${exitCode === 0 ? '' : stderr}`).toBe('0 ');
    return stdout;
  };
  await run('init', 'shop.db', '--node', 'paris', '--key-collision', 'keep');
  return { cwd, units, run };
}

function analyze(units: string, ...args: string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, {
    encoding: 'utf8',
    // Units of ours first, then those of systemd that they are ordered after.
    env: { ...process.env, SYSTEMD_UNIT_PATH: `${units}:`, SYSTEMD_COLORS: '0' },
  });
  return { status, said: stdout + stderr };
}

function exposureOf(units: string, unit: string): number {
  const { said } = analyze(units, 'security', '--offline=true', '--no-pager', join(units, unit));
  return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(said)?.[1]);
}

// systemd itself is what judges.
describe.skipIf(missing !== null)(nameWithout('units', missing), () => {
  it.each([
    ['as the owner', []],
    ['as a user that systemd makes up', ['--dynamic-user']],
  ])('are sound and closed, run %s', async (_, flags) => {
    const { units, run } = await configured();
    await run('service', 'install', '--unit-dir', units, '--timers', ...flags);
    const names = readdirSync(units);
    expect(names.sort()).toEqual(['sqlsync-prune.service', 'sqlsync-prune.timer', 'sqlsync.service']);
    for (const name of names) expect(analyze(units, 'verify', join(units, name))).toEqual({ status: 0, said: '' });
    for (const name of names.filter((unit) => unit.endsWith('.service')))
      expect(exposureOf(units, name)).toBeLessThan(EXPOSURE_MAX);
    await run('service', 'uninstall', '--unit-dir', units);
    expect(readdirSync(units)).toEqual([]);
  });

  it('of a template are sound and closed, with the drop-in of an instance', async () => {
    const { units, run } = await configured();
    await run('service', 'install', '--unit-dir', units, '--instance', 'paris');
    expect(analyze(units, 'verify', join(units, 'sqlsync@paris.service'))).toEqual({ status: 0, said: '' });
    expect(exposureOf(units, 'sqlsync@.service')).toBeLessThan(EXPOSURE_MAX);
  });
});

it('a unit is printed as it would be installed, and a template without a configuration', async () => {
  const { run } = await configured();
  const { items } = JSON.parse(await run('service', 'print', '--json'));
  expect(items).toEqual([{ name: 'sqlsync.service', text: await run('service', 'print') }]);
  for (const verb of ['install', 'uninstall']) {
    const report = JSON.parse(await run('service', verb, '--unit-dir', '.', '--json'));
    expect(report.dryRun).toBe(false);
  }
  const { exitCode, stdout } = await runCli(['service', 'print', '--template', '--program', '/usr/bin/sqlsync'], {
    cwd: makeFolder(),
  });
  expect(exitCode).toBe(0);
  expect(stdout).toContain('ExecStart=/usr/bin/sqlsync start\n');
  expect(stdout).toContain('SQLSYNC_CONFIG=/etc/sqlsync/%i.yml\n');
});
