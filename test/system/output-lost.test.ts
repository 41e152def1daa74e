/** What is printed and logged cannot be written: the disk is full, or nobody is there any more. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { RUN_JS } from '../support/run-cli.js';
import { makeItems, soon, write } from './start-nodes.js';

/** Linux's device on which no write ever succeeds for want of room (full(4)). */
const full = () => openSync('/dev/full', 'w');

async function run(node: ProcessNode, args: readonly string[], stdio: StdioOptions): Promise<ChildProcess> {
  const child = spawn(process.execPath, [RUN_JS, ...args, '-c', node.configFile], {
    cwd: node.folder,
    env: { PATH: process.env.PATH, HOME: node.folder },
    stdio,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child;
}

async function idleNode(): Promise<ProcessNode> {
  const node = await ProcessNode.first(makeFolder(), 'hub', makeItems);
  onTestFinished(() => node.dispose());
  return node;
}

const isServed = (node: ProcessNode) => node.control().then(({ pid }) => pid);

test.each([
  ['a full disk', () => ['ignore', full(), full()] as StdioOptions],
  ['pipes that nobody reads any more', () => ['ignore', 'pipe', 'pipe'] as StdioOptions],
])('a daemon whose output goes to %s serves, reloads, and stops in good order', async (_where, stdio) => {
  const node = await idleNode();
  const daemon = await run(node, ['start'], stdio());
  daemon.stdout?.destroy();
  daemon.stderr?.destroy();
  await vi.waitFor(async () => expect(await isServed(node)).toBe(daemon.pid), soon);
  for (let reload = 0; reload < 3; reload += 1) daemon.kill('SIGHUP');
  write(node, `INSERT INTO item(id, name) VALUES(1, 'recorded')`);
  await vi.waitFor(async () => {
    const [database] = (await (await node.control()).status()).databases;
    expect(database?.replica?.unfolded).toBe(0);
  }, soon);
  daemon.kill('SIGTERM');
  expect(await once(daemon, 'exit')).toEqual([0, null]);
});

test('a command whose answer cannot be written says so by its exit code, one whose notes cannot goes on', async () => {
  const node = await idleNode();
  const answer = await run(node, ['status', '--check', '--json'], ['ignore', full(), 'pipe']);
  let said = '';
  answer.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  expect(await once(answer, 'close')).toEqual([74, null]);
  expect(said).toBe(
    'error: what belongs on standard output could not be written: ENOSPC: no space left on device, write\n',
  );
  const notes = await run(node, ['backup', '--to', node.folder], ['ignore', 'ignore', full()]);
  expect(await once(notes, 'exit')).toEqual([0, null]);
});
