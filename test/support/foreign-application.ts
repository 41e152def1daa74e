/**
 * Applications that know nothing of sqlsync: the sqlite3 shell and Python's sqlite3 module, each a process of its own
 * that keeps its connection open. What they have acknowledged they have committed.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

export const APPLICATION_KINDS = ['shell', 'python'] as const;
export type ApplicationKind = (typeof APPLICATION_KINDS)[number];

const BUSY_MS = 60_000;
/** Of a transaction that has failed. */
const SHOWN_CHARS_MAX = 1_000;

/** One transaction a line, as a JSON array of statements; answers each with a line that begins with ok or error. */
const PYTHON_PROGRAM = `
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=${BUSY_MS / 1000}, isolation_level=None)
db.execute('PRAGMA foreign_keys = ON')
for line in sys.stdin:
    try:
        db.execute('BEGIN IMMEDIATE')
        for statement in json.loads(line):
            db.execute(statement)
        db.execute('COMMIT')
        print('ok', flush=True)
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute('ROLLBACK')
        print('error ' + repr(error), flush=True)
`;

interface Program {
  readonly command: string;
  args(path: string): string[];
  /** What the program is told before its first transaction. */
  readonly opening: string;
  request(statements: readonly string[]): string;
}

const PROGRAMS: Readonly<Record<ApplicationKind, Program>> = {
  shell: {
    command: 'sqlite3',
    args: (path) => ['-batch', '-bail', path],
    opening: `.timeout ${BUSY_MS}\nPRAGMA foreign_keys = ON;\n`,
    request: (statements) => `BEGIN IMMEDIATE;\n${statements.join(';\n')};\nCOMMIT;\n.print ok\n`,
  },
  python: {
    command: 'python3',
    args: (path) => ['-c', PYTHON_PROGRAM, path],
    opening: '',
    request: (statements) => `${JSON.stringify(statements)}\n`,
  },
};

/** Why the applications cannot be run on this machine; null when they can. */
export function missingApplications(): string | null {
  const missing = [
    ['sqlite3', '--version'],
    ['python3', '-c', 'import sqlite3'],
  ].filter(([command = '', ...args]) => spawnSync(command, args).status !== 0);
  return missing.length === 0 ? null : `${missing.map(([command]) => command).join(' and ')} cannot be run here`;
}

export class ForeignApplication {
  private readonly process: ChildProcessByStdio<Writable, Readable, Readable>;
  private readonly answers: AsyncIterator<string>;
  private readonly program: Program;
  private readonly closed: Promise<unknown>;
  private stderr = '';

  constructor(kind: ApplicationKind, path: string) {
    this.program = PROGRAMS[kind];
    this.process = spawn(this.program.command, this.program.args(path), { stdio: ['pipe', 'pipe', 'pipe'] });
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.closed = once(this.process, 'close');
    // A process that has ended shows in its missing answer.
    this.process.stdin.on('error', () => {});
    this.answers = createInterface(this.process.stdout)[Symbol.asyncIterator]();
    this.process.stdin.write(this.program.opening);
  }

  /** One transaction; resolves once the application has been told that it is committed, and throws if it is not. */
  async commit(...statements: readonly string[]): Promise<void> {
    this.process.stdin.write(this.program.request(statements));
    const { value: answer } = await this.answers.next();
    if (answer !== 'ok') {
      if (answer === undefined) await this.closed;
      throw new Error(`${answer ?? this.stderr}\nin ${statements.join('; ').slice(0, SHOWN_CHARS_MAX)}`);
    }
  }

  /** Ends the process as its user would. */
  async close(): Promise<void> {
    this.process.stdin.end();
    await this.closed;
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }
}
