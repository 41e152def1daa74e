/**
 * Applications with a SQLite of their own that run one script and say what they saw: the sqlite3 shell, Python, and
 * better-sqlite3, whose SQLite is newer than theirs.
 */
import { spawnSync } from 'node:child_process';
import SqliteDatabase from 'better-sqlite3';

export interface Application {
  readonly name: string;
  /** Is its program on this machine? */
  readonly isHere: boolean;
  /** Runs the statements one after the other, failures included; returns what each answered. */
  run(path: string, statements: readonly string[]): string[];
}

const PYTHON_PROGRAM = `
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
answers = []
for statement in json.load(sys.stdin):
    try:
        cursor = db.execute(statement)
        rows = cursor.fetchall()
        answers.append(json.dumps([rows, cursor.rowcount, cursor.lastrowid], default=repr))
    except sqlite3.Error as error:
        answers.append(repr(error))
print(json.dumps(answers))
`;

const answersTo = (program: string, args: readonly string[]): boolean => spawnSync(program, args).status === 0;

function runInPython(path: string, statements: readonly string[]): string[] {
  const input = JSON.stringify(statements);
  const { stdout, stderr } = spawnSync('python3', ['-c', PYTHON_PROGRAM, path], { input, encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as string[];
}

/** Each statement's output ends with a line of its own; errors come on stderr, which here is the same. */
function runInShell(path: string, statements: readonly string[]): string[] {
  const end = '--- end of answer ---';
  const input = statements.map((statement) => `${statement};\n.print ${JSON.stringify(end)}\n`).join('');
  const command = 'exec stdbuf -o0 sqlite3 -batch "$1" 2>&1';
  const { stdout } = spawnSync('sh', ['-c', command, 'sh', path], { input, encoding: 'utf8' });
  return stdout
    .replace(/near line \d+/g, 'near line')
    .split(`${end}\n`)
    .slice(0, -1);
}

function runInNode(path: string, statements: readonly string[]): string[] {
  const db = new SqliteDatabase(path);
  const answers = statements.map((sql) => {
    try {
      const statement = db.prepare(sql);
      return JSON.stringify(statement.reader ? statement.raw().all() : statement.run());
    } catch (error) {
      return String(error);
    }
  });
  db.close();
  return answers;
}

function application(name: string, isHere: boolean, run: Application['run']): Application {
  return { name: isHere ? name : `${name} (not on this machine)`, isHere, run };
}

const NODE = application('better-sqlite3', true, runInNode);
export const SHELL = application('the sqlite3 shell', answersTo('sqlite3', ['--version']), runInShell);
export const PYTHON = application("Python's sqlite3", answersTo('python3', ['-c', 'import sqlite3']), runInPython);
export const APPLICATIONS: readonly Application[] = [NODE, SHELL, PYTHON];
