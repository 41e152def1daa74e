/**
 * A node as its operator has it: a folder with a configuration and a file, commands in processes of their own, and a
 * daemon in another. Nothing of it needs a test runner; whoever makes a node disposes of it.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { parse, stringify } from 'yaml';
import { ControlClient } from '../../src/daemon/control/control-client.js';
import type { PeerFigures } from '../../src/daemon/daemon-status.js';
import type { NodeStatus } from '../../src/operations/status-report.js';
import { type CliResult, RUN_JS, runCli } from './run-cli.js';
import { until } from './until.js';

/** Bounds under which a test need not wait long for anything. */
const LIMITS = { retryMsMin: 50, retryMsMax: 500, heartbeatMs: 500, idleTimeoutMs: 5_000, pollMs: 100 };

export const DATABASE = 'shop';
const RELOAD_MS_MAX = 15_000;
const SECRET = 'a secret that all nodes of a test share';

/** What a test changes of a configuration: sections are joined, everything else is replaced. */
export interface ConfigChange {
  readonly limits?: Readonly<Record<string, number | string>>;
  readonly prune?: Readonly<Record<string, number | string | null>>;
  /** For every peer that the node dials. */
  readonly peer?: Readonly<Record<string, unknown>>;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly code?: string;
}

export interface DaemonExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

type DaemonProcess = ChildProcessByStdio<null, Readable, Readable>;

export class ProcessNode {
  readonly path: string;
  readonly configFile: string;
  private process: DaemonProcess | null = null;
  private exited: Promise<DaemonExit> = Promise.resolve({ code: null, signal: null });
  private stderr = '';

  private constructor(
    readonly folder: string,
    readonly name: string,
    /** Null: it only dials. */
    readonly port: number | null,
  ) {
    mkdirSync(folder, { recursive: true });
    this.path = join(folder, `${DATABASE}.db`);
    this.configFile = join(folder, 'sqlsync.yml');
    writeFileSync(join(folder, 'secret'), `${SECRET}\n`, { mode: 0o600 });
  }

  /** The first node of a data set, of the file that `makeDatabase` makes at the path it is given. */
  static async first(
    folder: string,
    name: string,
    makeDatabase: (path: string) => void,
    change?: ConfigChange,
    initFlags: readonly string[] = [],
  ): Promise<ProcessNode> {
    const node = new ProcessNode(join(folder, name), name, await freePort());
    makeDatabase(node.path);
    await node.succeed(['init', node.path, ...node.nodeFlags, ...initFlags]);
    node.configure(change ?? {});
    return node;
  }

  /** A node that joins by way of a sponsor whose daemon runs, and dials it at `url`. */
  static async joining(
    sponsor: ProcessNode,
    name: string,
    options: { readonly listens?: boolean; readonly url?: string; readonly change?: ConfigChange } = {},
  ): Promise<ProcessNode> {
    const { listens = false, url = sponsor.url, change = {} } = options;
    const folder = join(sponsor.folder, '..', name);
    const node = new ProcessNode(folder, name, listens ? await freePort() : null);
    await node.succeed(['join', url, node.path, ...node.nodeFlags]);
    node.configure(change);
    return node;
  }

  /** The same machine and address under another name: of what was configured there only the secret is left. */
  static renamed(former: ProcessNode, name: string): ProcessNode {
    rmSync(former.configFile, { force: true });
    return new ProcessNode(former.folder, name, former.port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The daemon's process id. Throws when none has been started. */
  get pid(): number {
    const { pid } = this.running();
    if (pid === undefined) throw new Error(`${this.name} has no process`);
    return pid;
  }

  /** Has a daemon been started here that has not ended? */
  get isAlive(): boolean {
    return this.process !== null && this.process.exitCode === null && this.process.signalCode === null;
  }

  /** What the daemon has logged since it was started, in order. */
  get log(): readonly LogLine[] {
    const lines = this.stderr.split('\n').slice(0, -1);
    return lines.map((line) => parseLogLine(line, this.stderr));
  }

  /** What the daemon has logged beyond the ordinary. */
  get complaints(): readonly LogLine[] {
    return this.log.filter(({ level }) => level !== 'info');
  }

  /** Changes the configuration file. A daemon takes it up when it starts next. */
  configure(change: ConfigChange): void {
    const config = parse(readFileSync(this.configFile, 'utf8')) as Record<string, unknown> & { peers?: object[] };
    writeFileSync(
      this.configFile,
      stringify({
        ...config,
        log: { level: 'info', format: 'json' },
        limits: { ...LIMITS, ...(config.limits as object), ...change.limits },
        prune: { ...(config.prune as object), ...change.prune },
        peers: (config.peers ?? []).map((peer) => ({ ...peer, ...change.peer })),
      }),
    );
  }

  /** Changes anything of the configuration file, in its own words. */
  edit(change: (config: Readonly<Record<string, unknown>>) => object): void {
    writeFileSync(
      this.configFile,
      stringify(change(parse(readFileSync(this.configFile, 'utf8')) as Record<string, unknown>)),
    );
  }

  /** Has the daemon read its configuration anew. Resolves when its log has a further line that begins so. */
  async reload(said = 'configuration reloaded'): Promise<void> {
    const count = () => this.log.filter(({ msg }) => msg.startsWith(said)).length;
    const before = count();
    process.kill(this.pid, 'SIGHUP');
    await until(
      () => (count() > before ? true : null),
      RELOAD_MS_MAX,
      () => `${this.name} does not say "${said}": ${this.stderr}`,
    );
  }

  run(args: readonly string[]): Promise<CliResult> {
    return runCli([...args, '-c', this.configFile, '--no-input'], { cwd: this.folder });
  }

  /** Runs a command that must succeed, and returns its document. */
  async succeed(args: readonly string[]): Promise<unknown> {
    const { exitCode, stdout, stderr } = await this.run([...args, '--json']);
    if (exitCode !== 0) throw new Error(`${this.name}: sqlsync ${args[0]} exits ${exitCode}: ${stdout}${stderr}`);
    return JSON.parse(stdout);
  }

  async status(): Promise<NodeStatus> {
    return (await this.succeed(['status'])) as NodeStatus;
  }

  /** What the running daemon says, without a process for the question. */
  async control(): Promise<ControlClient> {
    const client = await ControlClient.find(this.path);
    if (client === null) throw new Error(`the daemon of ${this.name} does not answer`);
    return client;
  }

  async peer(name: string): Promise<PeerFigures> {
    const [database] = (await (await this.control()).status()).databases;
    const peer = database?.peers.find((candidate) => candidate.name === name);
    if (peer === undefined) throw new Error(`${this.name} has no peer ${name}`);
    return peer;
  }

  /** Starts the daemon; resolves once it serves. Throws with its exit code and log when it does not come to that. */
  async start(): Promise<this> {
    this.stderr = '';
    const child: DaemonProcess = spawn(process.execPath, [RUN_JS, 'start', '--json', '-c', this.configFile], {
      cwd: this.folder,
      env: { PATH: process.env.PATH, HOME: this.folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    // What it prints when it cannot start is an error's document, and its exit follows.
    let said = '';
    const started = once(child.stdout, 'data').then(([text]) => {
      said = String(text);
      return said.includes('"started"') ? null : this.exited;
    });
    const exit = await Promise.race([started, this.exited]);
    if (exit !== null) throw new Error(`the daemon of ${this.name} exits ${exit.code}: ${said}${this.stderr}`);
    return this;
  }

  /** Sends a signal and waits for the end of the process. */
  async end(signal: NodeJS.Signals): Promise<DaemonExit> {
    this.running().kill(signal);
    const exit = await this.exited;
    this.process = null;
    return exit;
  }

  /** Kills the daemon if it runs. */
  async dispose(): Promise<void> {
    if (this.process !== null) await this.end('SIGKILL');
  }

  /** What a command that makes it a node is told. */
  get nodeFlags(): string[] {
    const listen = this.port === null ? [] : ['--listen', `127.0.0.1:${this.port}`];
    return ['--node', this.name, '--name', DATABASE, '--secret-file', join(this.folder, 'secret'), ...listen];
  }

  private running(): DaemonProcess {
    if (this.process === null) throw new Error(`the daemon of ${this.name} does not run`);
    return this.process;
  }
}

function parseLogLine(line: string, log: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch (cause) {
    throw new Error(`the daemon's log is no JSON:\n${log}`, { cause });
  }
}

/** A port that was free a moment ago; a node keeps it over restarts. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
