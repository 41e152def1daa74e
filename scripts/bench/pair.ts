/** Two nodes in a scratch folder, served by the real binary: what most benchmarks run on. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { ITEMS } from './workload.js';

const BINARY = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const WAIT_MS_MAX = 600_000;

/** Blocks this process, and nothing else, for a moment. */
export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

export function waitFor(what: string, isSo: () => boolean, everyMs = 20): void {
  const until = Date.now() + WAIT_MS_MAX;
  while (!isSo()) {
    if (Date.now() > until) throw new Error(`waited in vain: ${what}`);
    pause(everyMs);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Node {
  readonly path: string;
  private daemon: ChildProcess | null = null;

  constructor(
    readonly folder: string,
    readonly name: string,
    readonly port: number,
  ) {
    this.path = join(folder, `${name}.db`);
  }

  /** Runs a command of this node and returns what it printed. */
  run(...words: string[]): string {
    const flags = ['--config', join(this.folder, `${this.name}.yml`)];
    return execFileSync(process.execPath, [BINARY, ...words, ...flags], {
      cwd: this.folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  status(): {
    databases: { pendingChanges: number | null; logEntries: number | null; peers: { name: string; state: string }[] }[];
  } {
    return JSON.parse(this.run('status', '--json'));
  }

  start(): void {
    const words = [BINARY, 'start', '--config', join(this.folder, `${this.name}.yml`)];
    const log = openSync(join(this.folder, `${this.name}.log`), 'a');
    this.daemon = spawn(process.execPath, words, { cwd: this.folder, stdio: ['ignore', 'ignore', log] });
    closeSync(log);
    waitFor(`${this.name} serves`, () => this.isServing());
  }

  private isServing(): boolean {
    try {
      const status = JSON.parse(this.run('status', '--json')) as { running: boolean };
      return status.running;
    } catch {
      return false;
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const { daemon } = this;
    if (daemon === null) return;
    this.daemon = null;
    await new Promise((resolve) => {
      daemon.once('exit', resolve);
      daemon.kill(signal);
    });
  }

  get pid(): number {
    if (this.daemon?.pid === undefined) throw new Error(`${this.name} has no daemon`);
    return this.daemon.pid;
  }

  /** The daemon's highest resident set so far, in MB. */
  peakMegabytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  /** Processor time the daemon has used, in seconds. */
  cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  open(): Database {
    const db = new SqliteDatabase(this.path, { timeout: 20_000 });
    db.pragma('synchronous = NORMAL');
    return db;
  }
}

/** Makes a pair: `a` listens, `b` has joined it and dials. Neither daemon runs. */
export async function makePair(
  rows: (db: Database) => void,
): Promise<{ a: Node; b: Node; remove: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'sqlsync-bench-'));
  const a = new Node(folder, 'a', await freePort());
  const b = new Node(folder, 'b', await freePort());
  const db = new SqliteDatabase(a.path);
  db.pragma('journal_mode = WAL');
  db.exec(ITEMS);
  rows(db);
  db.close();
  const secret = join(folder, 'secret');
  a.run('init', a.path, '--node', 'a', '--name', 'bench', '--listen', `127.0.0.1:${a.port}`, '--secret-file', secret);
  a.start();
  b.run(
    'join',
    `http://127.0.0.1:${a.port}`,
    b.path,
    '--node',
    'b',
    '--name',
    'bench',
    '--listen',
    `127.0.0.1:${b.port}`,
    '--secret-file',
    secret,
  );
  await a.stop();
  const remove = async () => {
    await a.stop('SIGKILL');
    await b.stop('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  return { a, b, remove };
}

/** Waits until the daemons of a pair are connected. */
export function waitUntilOnline(node: Node): void {
  waitFor(`${node.name} is connected`, () => node.status().databases[0]?.peers[0]?.state === 'online', 100);
}
