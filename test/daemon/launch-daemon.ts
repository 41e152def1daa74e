/** Starts the daemon of a node in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { NodeOptions, TestNode } from './node.js';

export interface DaemonProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly log: () => string;
}

type Environment = Readonly<Record<string, string>>;

export function launch(
  node: TestNode,
  options: NodeOptions = {},
  environment: Environment = {},
): { child: ChildProcess; log: () => string } {
  const script = join(import.meta.dirname, 'daemon-process.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(node.settings(options))], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let log = '';
  child.stderr?.on('data', (text) => {
    log += text;
  });
  return { child, log: () => log };
}

/** The same, once it serves. */
export async function spawnDaemon(
  node: TestNode,
  options: NodeOptions = {},
  environment: Environment = {},
): Promise<DaemonProcess> {
  const { child, log } = launch(node, options, environment);
  const [port] = await Promise.race([
    once(child.stdout as NodeJS.ReadableStream, 'data'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`exited with ${code}: ${log()}`))),
  ]);
  return { child, port: Number(port), log };
}
