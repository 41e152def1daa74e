import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder } from './support/make-folder.js';
import { RUN_JS, runCli } from './support/run-cli.js';

function folderWith(config: string): string {
  const cwd = makeFolder();
  writeFileSync(join(cwd, 'sqlsync.yml'), config);
  return cwd;
}

test('config check says ok and where', async () => {
  const cwd = folderWith('node: paris');
  expect(await runCli(['config', 'check'], { cwd })).toEqual({
    exitCode: 0,
    stdout: `ok ${join(cwd, 'sqlsync.yml')}\n`,
    stderr: '',
  });
  const json = await runCli(['config', 'check', '--json'], { cwd });
  expect(JSON.parse(json.stdout)).toEqual({ ok: true, file: join(cwd, 'sqlsync.yml') });
});

test('an error goes to stderr with its hint, or to stdout as one document, with one exit code', async () => {
  const cwd = folderWith('node: paris\nnope: 1');
  const text = await runCli(['config', 'check'], { cwd });
  expect(text).toMatchObject({ exitCode: 78, stdout: '' });
  expect(text.stderr).toMatch(/^error: .*sqlsync\.yml has a mistake\n {2}line 2: nope: is no key.*\n {2}\S/);
  for (const run of [
    await runCli(['config', 'check', '--json'], { cwd }),
    await runCli(['config', 'check'], { cwd, env: { SQLSYNC_JSON: '1' } }),
  ]) {
    expect(run).toMatchObject({ exitCode: 78, stderr: '' });
    expect(JSON.parse(run.stdout)).toEqual({
      error: { code: 'config-invalid', message: expect.stringContaining('nope'), hint: expect.any(String) },
    });
  }
});

test('an exposed secret keeps its own exit code', async () => {
  const cwd = folderWith('node: paris\nsecretFile: ./sqlsync.secret');
  writeFileSync(join(cwd, 'sqlsync.secret'), 'sixteen-characters-or-more');
  chmodSync(join(cwd, 'sqlsync.secret'), 0o644);
  const run = await runCli(['config', 'check', '--json'], { cwd });
  expect(run.exitCode).toBe(77);
  expect(JSON.parse(run.stdout).error.code).toBe('secret-exposed');
});

test.each([
  [['config', 'check', '--nope'], 'Nonexistent flag: --nope'],
  [['init'], 'DB is missing: an SQLite file; several can be given'],
  [['members', 'set', 'lyon'], '--access is missing'],
  [
    ['conflicts', 'resolve', 'abcd', '--use', 'winner', '--set', 'a=1'],
    '--set cannot also be provided when using --use',
  ],
  [['config', 'check', '--timeout', 'soon'], '--timeout: "soon" is no duration'],
  [['config', 'check', '-q', '-c'], 'Flag --config expects a value'],
  [['confg', 'check'], '"confg check" is no command'],
  [['--json', 'config', 'check'], '--json stands before a command'],
])('%j is a usage error', async (args, message) => {
  const cwd = makeFolder();
  const text = await runCli(args, { cwd });
  expect(text.exitCode).toBe(2);
  const json = await runCli([...args, '--json'], { cwd, env: { SQLSYNC_JSON: '1' } });
  expect(json).toMatchObject({ exitCode: 2, stderr: '' });
  expect(JSON.parse(json.stdout).error).toMatchObject({ code: 'usage', message, hint: expect.any(String) });
});

test('-h is --help, before a command and behind it', async () => {
  for (const args of [[], ['conflicts', 'show']]) {
    const help = await runCli([...args, '--help'], { cwd: makeFolder() });
    expect(help.stdout).toContain('USAGE');
    expect(await runCli([...args, '-h'], { cwd: makeFolder() })).toEqual(help);
  }
});

test('a configuration that is a folder, or empty, is a mistake of the configuration', async () => {
  const cwd = folderWith('');
  const folder = await runCli(['config', 'check', '-c', cwd], { cwd });
  expect(folder.exitCode).toBe(78);
  expect(folder.stderr).toContain(
    `is a folder, and no configuration file\n  Name the file: --config ${cwd}/sqlsync.yml`,
  );
  const empty = await runCli(['config', 'check'], { cwd });
  expect(empty.exitCode).toBe(78);
  expect(empty.stderr).toContain('line 1: node: is missing');
});

test('the nearest command is suggested', async () => {
  const { stderr } = await runCli(['config', 'chek'], { cwd: makeFolder() });
  expect(stderr).toBe('error: "config chek" is no command\n  Did you mean `sqlsync config check`?\n');
});

test('flags stand above the environment, and the environment above the usual places', async () => {
  const cwd = folderWith('node: here');
  writeFileSync(join(cwd, 'env.yml'), 'node: env');
  writeFileSync(join(cwd, 'flag.yml'), 'node: flag');
  const nodeOf = async (args: string[], env = {}) =>
    JSON.parse((await runCli(['config', 'show', '--json', ...args], { cwd, env })).stdout).config.node;
  expect(await nodeOf([])).toBe('here');
  expect(await nodeOf([], { SQLSYNC_CONFIG: 'env.yml' })).toBe('env');
  expect(await nodeOf(['-c', 'flag.yml'], { SQLSYNC_CONFIG: 'env.yml' })).toBe('flag');
});

test('help and version are no errors', async () => {
  const cwd = makeFolder();
  expect((await runCli(['--version'], { cwd })).stdout).toMatch(/^sqlsync\/\d/);
  const help = await runCli(['config', 'check', '--help'], { cwd });
  expect(help.exitCode).toBe(0);
  for (const flag of [
    '--config',
    '--database',
    '--json',
    '--quiet',
    '--verbose',
    '--timeout',
    '--no-color',
    '--no-input',
  ]) {
    expect(help.stdout).toContain(flag);
  }
});

test('an error that the journal keeps is one of its errors, line by line', () => {
  const cwd = makeFolder();
  const journal = openSync(join(cwd, 'journal'), 'w');
  const { dev, ino } = fstatSync(journal);
  const env = { PATH: process.env.PATH, HOME: cwd, JOURNAL_STREAM: `${dev}:${ino}` };
  spawnSync(process.execPath, [RUN_JS, 'start'], { cwd, env, stdio: ['ignore', 'ignore', journal] });
  closeSync(journal);
  expect(readFileSync(join(cwd, 'journal'), 'utf8')).toMatch(
    /^<3>error: no configuration in .*\n<3> {2}`sqlsync init.*\n$/,
  );
});
