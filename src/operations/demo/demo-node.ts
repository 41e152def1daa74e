/** One node of the demo: a folder with a database, commands of the real program, its daemon, and an application. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SqlsyncError } from '../../errors.js';

const APPLICATION = fileURLToPath(new URL('./demo-application.js', import.meta.url));

/** How long a process may take to begin, to answer or to end. */
const PATIENCE_MS = 20_000;

export type Row = Readonly<Record<string, unknown>>;

export class DemoNode {
  readonly folder: string;
  private readonly children: ChildProcessWithoutNullStreams[] = [];
  private application: Conversation | null = null;

  /** @param program the script that is the command line */
  constructor(
    readonly name: string,
    parent: string,
    private readonly program: string,
    private readonly signal: AbortSignal,
  ) {
    this.folder = join(parent, name);
    mkdirSync(this.folder);
  }

  get databasePath(): string {
    return join(this.folder, 'shop.db');
  }

  /** Runs a command to its end; returns its stdout, and throws when it fails. */
  async command(...args: readonly string[]): Promise<string> {
    const child = this.start([this.program, ...args]);
    child.stdin.end();
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    await once(child, 'close', { signal: this.signal });
    if (child.exitCode === 0) return output.stdout;
    throw failed(`sqlsync ${args.join(' ')} on ${this.name} ended with ${child.exitCode}: ${output.stderr}`);
  }

  /** Starts the daemon; returns the address it listens on, once it serves. */
  async startDaemon(): Promise<string | null> {
    const daemon = new Conversation(this.start([this.program, 'start', '--json', '--quiet']), this.signal);
    const { listen } = (await daemon.nextLine()) as { listen: string | null };
    return listen;
  }

  /** Has the application run one statement; returns its rows. */
  async sql(text: string): Promise<Row[]> {
    this.application ??= new Conversation(this.start([APPLICATION, this.databasePath]), this.signal);
    const answer = (await this.application.ask(text)) as { rows?: Row[]; error?: string };
    if (answer.error !== undefined) throw failed(`SQLite on ${this.name}: ${answer.error}`);
    return answer.rows ?? [];
  }

  /** Ends every process that this node has started, the hard way if it must. */
  async stop(): Promise<void> {
    await Promise.all(this.children.map(end));
  }

  private start(args: readonly string[]): ChildProcessWithoutNullStreams {
    const child = spawn(process.execPath, args, { cwd: this.folder, env: plainEnvironment() });
    this.children.push(child);
    return child;
  }
}

/** Lines of JSON to and from a process. */
class Conversation {
  private readonly lines: AsyncIterableIterator<string>;
  private readonly reader: Interface;
  private stderr = '';

  constructor(
    private readonly child: ChildProcessWithoutNullStreams,
    private readonly signal: AbortSignal,
  ) {
    this.reader = createInterface({ input: child.stdout });
    this.lines = this.reader[Symbol.asyncIterator]();
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    signal.addEventListener('abort', () => this.reader.close(), { once: true });
  }

  ask(question: unknown): Promise<unknown> {
    this.child.stdin.write(`${JSON.stringify(question)}\n`);
    return this.nextLine();
  }

  async nextLine(): Promise<unknown> {
    const tooLate = setTimeout(() => this.reader.close(), PATIENCE_MS);
    const { value, done } = await this.lines.next().finally(() => clearTimeout(tooLate));
    this.signal.throwIfAborted();
    if (done) throw failed(`a process of the demo ended, or said nothing for ${PATIENCE_MS} ms: ${this.stderr}`);
    return JSON.parse(value as string);
  }
}

async function end(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const tooLate = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  await ended.finally(() => clearTimeout(tooLate));
}

/** Without what the operator has set for sqlsync: the demo is to be the same everywhere. */
function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SQLSYNC_')));
}

function failed(what: string): SqlsyncError {
  return new SqlsyncError('bug', `the demo did not come out as it should: ${what.trim()}`);
}
