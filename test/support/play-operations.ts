/**
 * docs/operations.md as a play. Its console blocks are what operators type on several machines (`paris$ …`), each of which
 * is a folder here; lines that begin with `> ` go on with the command above. What stands below a command must come out of
 * it, line by line, `…` being anything; what only reads is asked again until it does, as an operator looks again.
 *
 * Where the page says `systemctl`, the daemon of that machine is started, stopped or told to reload without systemd.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './process-node.js';
import { RUN_JS } from './run-cli.js';

export interface Step {
  readonly machine: string;
  readonly command: string;
  /** The lines that the page shows. */
  readonly shown: readonly string[];
}

const PATIENCE_MS = 60_000;
const LOOK_AGAIN_MS = 300;
/** Asking again changes nothing. */
const READS =
  /^(sqlsync (status|explain|members|conflicts( summary)?|changes|verify|quarantine|peers|operations)\b|sqlite3 \S+ "SELECT|curl )/;
const SYSTEMCTL = /^sudo (?:systemctl (start|stop|reload|restart) sqlsync|sqlsync service (install) --now)$/;
const INVITE = /sqlsync-invite:[\w-]+/;

export function stepsOf(page: string): Step[] {
  const blocks = [...page.matchAll(/^```console\n(.*?)^```$/gms)].map(([, text]) => text as string);
  return blocks.flatMap((block) =>
    block
      .split(/^(?=\w+\$ )/m)
      .filter((part) => part.trim() !== '')
      .map(parseStep),
  );
}

function parseStep(part: string): Step {
  const [first = '', ...rest] = part.trimEnd().split('\n');
  const [, machine, command] = /^(\w+)\$ (.*)$/.exec(first) ?? [];
  if (machine === undefined || command === undefined) throw new Error(`no command: ${first}`);
  const more = rest.filter((line) => line.startsWith('> ')).map((line) => line.slice(2));
  const shown = rest.filter((line) => !line.startsWith('> ') && line.trim() !== '');
  return { machine, command: [command, ...more].join('\n'), shown };
}

export class Stage {
  private readonly daemons = new Map<string, ChildProcess>();
  private readonly ports = new Map<string, number>();
  /** The latest line that lets a node join. */
  private invite = '';

  constructor(private readonly folder: string) {}

  /** Throws when something else comes out than the page shows. */
  async play({ machine, command, shown }: Step): Promise<void> {
    const folder = join(this.folder, machine);
    mkdirSync(folder, { recursive: true });
    const [, action] = SYSTEMCTL.exec(command)?.filter((group) => group !== undefined) ?? [];
    if (action !== undefined) return this.systemctl(machine, action);
    const typed = await this.withThisMachine(command);
    const untilMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const { output, exitCode } = await this.run(typed, machine);
      this.invite = INVITE.exec(output)?.[0] ?? this.invite;
      const wrong = whatIsWrong(output, exitCode, shown);
      if (wrong === null) return;
      if (!READS.test(command) || performance.now() > untilMs) {
        throw new Error(`${machine}$ ${command}\n${wrong}\nIt prints (exit ${exitCode}):\n${output}`);
      }
      await delay(LOOK_AGAIN_MS);
    }
  }

  async close(): Promise<void> {
    for (const machine of [...this.daemons.keys()]) await this.stop(machine, 'SIGKILL');
  }

  /** Ports that are free here, the machine's own address, and the invitation that was printed last. */
  private async withThisMachine(command: string): Promise<string> {
    let typed = command.replaceAll('paris.example', '127.0.0.1').replaceAll(/sqlsync-invite:…/g, this.invite);
    for (const [port] of command.matchAll(/\b74\d\d\b/g)) {
      if (!this.ports.has(port)) this.ports.set(port, await freePort());
      typed = typed.replaceAll(port, String(this.ports.get(port)));
    }
    return typed;
  }

  private async run(command: string, machine: string): Promise<{ output: string; exitCode: number }> {
    const script = `sqlsync() { '${process.execPath}' '${RUN_JS}' "$@"; }\nexec 2>&1\n${command}`;
    const child = spawn('bash', ['-c', script], {
      ...this.surroundings(machine),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const [exitCode] = (await once(child, 'close')) as [number];
    return { output, exitCode };
  }

  private surroundings(machine: string) {
    const cwd = join(this.folder, machine);
    return { cwd, env: { PATH: process.env.PATH, HOME: cwd, USER: 'operator' } };
  }

  private async systemctl(machine: string, action: string): Promise<void> {
    if (action === 'reload') this.daemons.get(machine)?.kill('SIGHUP');
    if (action === 'stop' || action === 'restart') await this.stop(machine, 'SIGTERM');
    if (action === 'start' || action === 'restart' || action === 'install') await this.start(machine);
  }

  private async start(machine: string): Promise<void> {
    const child = spawn(process.execPath, [RUN_JS, 'start'], {
      ...this.surroundings(machine),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    const ended = once(child, 'close').then(([code]) => {
      throw new Error(`the daemon of ${machine} exits ${code}: ${log}`);
    });
    await Promise.race([once(child.stdout, 'data'), ended]);
    ended.catch(() => {});
    this.daemons.set(machine, child);
  }

  private async stop(machine: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.daemons.get(machine);
    if (child === undefined) return;
    this.daemons.delete(machine);
    if (child.exitCode !== null) return;
    const ended = once(child, 'close');
    child.kill(signal);
    await ended;
  }
}

/** A last line `exit N` of a step says how the command ends; 0 without one. */
function whatIsWrong(output: string, exitCode: number, shown: readonly string[]): string | null {
  const lines = output.split('\n').map(evenly);
  const [, exit = '0'] = /^exit (\d+)$/.exec(shown.at(-1) ?? '') ?? [];
  if (exitCode !== Number(exit)) return `It should exit ${exit}.`;
  let from = 0;
  for (const line of exit === '0' ? shown : shown.slice(0, -1)) {
    const pattern = new RegExp(`^${evenly(line).split('…').map(escapeRegExp).join('.*')}$`);
    const at = lines.slice(from).findIndex((actual) => pattern.test(actual));
    if (at < 0) return `It should print: ${line}`;
    from += at + 1;
  }
  return null;
}

const evenly = (line: string) => line.trim().replaceAll(/\s+/g, ' ');

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
