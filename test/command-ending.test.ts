/** How a command ends: answers, errors, signals, deadlines, readers that leave, questions without a terminal. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const PROBE = fileURLToPath(new URL('./support/probe-command.ts', import.meta.url));

function startProbe(...args: string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, ['--import', 'tsx', PROBE, ...args], { env: { PATH: process.env.PATH } });
}

async function endOf(child: ChildProcessWithoutNullStreams) {
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk;
  });
  child.stdin.end();
  await once(child, 'close');
  return { exitCode: child.exitCode, ...output };
}

test('the answer "no" is exit code 1 and no error', async () => {
  expect(await endOf(startProbe('no'))).toEqual({ exitCode: 1, stdout: '', stderr: '' });
});

test('what nobody expected is a bug: one line, and the stack only with --verbose', async () => {
  const run = await endOf(startProbe('throw'));
  expect(run).toMatchObject({ exitCode: 70, stdout: '' });
  expect(run.stderr).toMatch(/^error: internal error: first line\n {2}This is a bug.*\n$/);
  expect((await endOf(startProbe('throw', '--verbose'))).stderr).toMatch(/\n {4}at .*probe-command/);
  const json = await endOf(startProbe('throw', '--json'));
  expect(JSON.parse(json.stdout).error).toMatchObject({ code: 'bug', message: 'internal error: first line' });
});

test('a file that cannot be read is input and output, not a bug', async () => {
  const run = await endOf(startProbe('file'));
  expect(run.exitCode).toBe(74);
  expect(run.stderr).toContain('/nowhere/at/all');
});

test.each([
  ['hang', 'SIGINT'],
  ['hang', 'SIGTERM'],
  ['stop', 'SIGINT'],
] as const)('%s ends at %s with 130', async (act, signal) => {
  const child = startProbe(act, '--json');
  child.stderr.once('data', () => child.kill(signal));
  const run = await endOf(child);
  expect(run.exitCode).toBe(130);
  expect(JSON.parse(run.stdout).error.code).toBe('interrupted');
});

test.each(['hang', 'stop'])('%s ends at --timeout with 75', async (act) => {
  const run = await endOf(startProbe(act, '--timeout', '50ms'));
  expect(run).toMatchObject({ exitCode: 75, stdout: '' });
  expect(run.stderr).toContain('error: not done after 50ms\n  Give it a longer --timeout.\n');
});

test('a stream ends quietly when its reader leaves', async () => {
  const child = startProbe('stream');
  const ended = new Promise<{ exitCode: number | null; stderr: string }>((resolve) => {
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('close', (exitCode) => resolve({ exitCode, stderr }));
  });
  child.stdout.once('data', () => child.stdout.destroy());
  expect(await ended).toEqual({ exitCode: 0, stderr: '' });
});

test('a question without a terminal is refused at once, and --yes answers it', async () => {
  const run = await endOf(startProbe('confirm'));
  expect(run).toMatchObject({ exitCode: 2, stdout: '' });
  expect(run.stderr).toBe('error: this needs a confirmation: Remove everything?\n  Add --yes to agree.\n');
  const agreed = await endOf(startProbe('confirm', '--yes', '--json'));
  expect(JSON.parse(agreed.stdout)).toEqual({ agreed: true });
});
