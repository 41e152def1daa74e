/**
 * The command line at a terminal: Python's pty module gives a process one, waits for what it shows and types what a
 * person would.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { RUN_JS } from './run-cli.js';

/** Waits for a text beyond the last one found, then types; at the end prints all that was shown, and the exit code. */
const PROGRAM = `
import json, os, pty, select, sys, time
argv, steps = json.loads(sys.argv[1]), json.loads(sys.argv[2])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(argv[0], argv)
shown, at, deadline = b'', 0, time.time() + 60
def read():
    global shown
    if time.time() > deadline:
        sys.exit('not shown in time: ' + repr(steps[0]) + ' in ' + repr(shown[at:]))
    if select.select([terminal], [], [], 1)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            part = b''
        shown += part
        return part != b''
    return True
alive = True
for wanted, typed in steps:
    while alive and shown.find(wanted.encode(), at) < 0:
        alive = read()
    if not alive:
        sys.exit('ended before: ' + repr(wanted) + ' in ' + repr(shown[at:]))
    at = shown.find(wanted.encode(), at) + len(wanted.encode())
    os.write(terminal, typed.encode())
while read():
    pass
print(json.dumps({'shown': shown.decode(errors='replace'), 'exitCode': os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}))
`;

export const KEYS = { enter: '\r', down: '\u001b[B', interrupt: '\u0003' } as const;

export interface TerminalStep {
  /** What must be shown first. */
  readonly waitFor: string;
  readonly type: string;
}

/** Why there is no terminal to be had; null: there is. */
export function missingTerminal(): string | null {
  const { status } = spawnSync('python3', ['-c', 'import os, pty; os.waitstatus_to_exitcode']);
  return status === 0 ? null : 'python3 with a pty module cannot be run here';
}

/** Runs the command line at a terminal of its own, and returns what it showed, without colors, and its exit code. */
export async function runAtTerminal(
  args: readonly string[],
  steps: readonly TerminalStep[],
  cwd: string,
): Promise<{ readonly shown: string; readonly exitCode: number }> {
  const argv = JSON.stringify([process.execPath, RUN_JS, ...args]);
  const child = spawn('python3', ['-c', PROGRAM, argv, JSON.stringify(steps.map((s) => [s.waitFor, s.type]))], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, TERM: 'xterm' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(output.stderr);
  return JSON.parse(output.stdout) as { shown: string; exitCode: number };
}
