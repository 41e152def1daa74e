/**
 * A command that runs in the foreground of this one, on the same terminal. Signals that would end this process are handed
 * on to it, so that what has to be done after it is done; before it runs they keep it from running.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { SqlsyncError } from '../../errors.js';
import type { CommandExit } from '../../operations/migrate-database.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** A command that was told to end gets so long before it is killed. */
const END_MS_MAX = 10_000;

export interface ChildCommandOptions {
  /** Aborts when the command has run for long enough. */
  readonly signal: AbortSignal;
  /** Keep stdout clean: what the command prints there goes to stderr. */
  readonly quietStdout: boolean;
}

export class ChildCommand {
  private child: ChildProcess | null = null;
  private received: NodeJS.Signals | null = null;
  private readonly onSignal = (signal: NodeJS.Signals) => this.relay(signal);

  constructor(private readonly options: ChildCommandOptions) {
    for (const signal of SIGNALS) process.on(signal, this.onSignal);
  }

  /** Runs it to its end. Throws `usage` when there is no such program, `interrupted`, `timed-out`. */
  async run([program = '', ...args]: readonly string[]): Promise<CommandExit> {
    const { signal, quietStdout } = this.options;
    if (this.received !== null) throw new SqlsyncError('interrupted', 'interrupted before the command ran');
    const child = spawn(program, args, { stdio: ['inherit', quietStdout ? 2 : 'inherit', 'inherit'] });
    this.child = child;
    const stop = () => this.stop(child);
    signal.addEventListener('abort', stop, { once: true });
    try {
      const [exitCode, killedBy] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
      if (signal.aborted && isTimeout(signal.reason)) throw signal.reason;
      return { exitCode, signal: killedBy };
    } catch (error) {
      throw cannotRun(error, program);
    } finally {
      signal.removeEventListener('abort', stop);
      this.child = null;
    }
  }

  /** Signals do again what they do. */
  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.onSignal);
  }

  private relay(signal: NodeJS.Signals): void {
    this.received ??= signal;
    // What is typed on a terminal reaches the command by itself.
    const hasItAlready = signal === 'SIGINT' && process.stdin.isTTY;
    if (!hasItAlready) this.child?.kill(signal);
  }

  private stop(child: ChildProcess): void {
    if (!isTimeout(this.options.signal.reason)) return;
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), END_MS_MAX).unref();
  }
}

/** Nobody reading this process's output is no reason to end the command. */
function isTimeout(reason: unknown): boolean {
  return reason instanceof SqlsyncError && reason.code === 'timed-out';
}

function cannotRun(error: unknown, program: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== 'ENOENT' && code !== 'EACCES') return error;
  return new SqlsyncError('usage', `the command ${program} cannot be run: ${message}`, {
    hint: 'Name the program and its arguments after --',
    cause: error,
  });
}
