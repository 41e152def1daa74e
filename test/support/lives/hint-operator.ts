/**
 * An operator who knows nothing but what sqlsync prints: types the commands of problems and hints as they stand, starts a
 * daemon that is down, and stops it where a hint says so. What is an operator's to know are names, addresses and that an
 * invitation goes from one machine to the other. A hint that cannot be followed is an error of the trial.
 */
import type { NodeStatus, Problem } from '../../../src/operations/status-report.js';
import type { ProcessNode } from '../process-node.js';
import { type CliResult, runCli } from '../run-cli.js';
import { run } from './life-schema.js';

const ROUNDS_MAX = 60;
const HINTS_MAX = 5;
const STARTS_MAX = 5;
/** Looks at all nodes after which what waits for a migration is not waiting for one that is on its way. */
const PATIENT_ROUNDS = 5;
const TAKEN_OUT = /of (\S+) from [^(]*\(missing here: ([^:]+):[^)]*add them, and drop them/;
const SHOWN_CHARS_MAX = 700;

interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null };
}

export class HintOperator {
  /** What was typed and what came of it, each once. */
  readonly typed = new Set<string>();
  count = 0;
  private broughtBack: { readonly node: string; readonly table: string; readonly columns: readonly string[] } | null =
    null;

  constructor(
    private readonly nodes: readonly ProcessNode[],
    private readonly running: Set<string>,
    private readonly say: (text: string) => void,
  ) {}

  /** Follows what is printed until every node is healthy. Throws with what is wrong when that does not come. */
  async untilHealthy(deadlineMs: number): Promise<void> {
    let wrong: string[] = [];
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      wrong = [];
      for (const node of this.nodes)
        wrong.push(...(await this.look(node, { follows: round > 0, hasMigrated: round >= PATIENT_ROUNDS })));
      if (wrong.length === 0 && this.broughtBack === null) return;
      if (performance.now() > deadlineMs) break;
    }
    throw new Error(`following all hints, nodes are not healthy:\n${wrong.join('\n')}\ntyped:\n${this.account()}`);
  }

  account(): string {
    return [...this.typed].map((line) => `  ${line}`).join('\n');
  }

  /** One look at a node and what is to be typed there; what is wrong with it still. */
  async look(
    node: ProcessNode,
    { follows, hasMigrated = false }: { readonly follows: boolean; readonly hasMigrated?: boolean },
  ): Promise<string[]> {
    await this.assureRunning(node);
    const status = await this.statusOf(node);
    const errors = status.problems.filter(({ severity }) => severity === 'error');
    if (hasMigrated) await this.bringBackColumns(node, errors);
    if (errors.length === 0 && !status.healthy) return [`${node.name} is unhealthy and has no problem`];
    // What mends itself is given the time of a look.
    if (follows) await this.follow(node, errors);
    return errors.map(
      ({ code, message, command }) => `${node.name}: ${code}: ${message}${command ? ` | ${command}` : ''}`,
    );
  }

  private async statusOf(node: ProcessNode): Promise<NodeStatus> {
    const { stdout, stderr } = await this.cli(node, ['status', '--json']);
    try {
      return JSON.parse(stdout) as NodeStatus;
    } catch {
      throw new Error(`${node.name}: status prints no document: ${stdout}${stderr}`);
    }
  }

  /** A daemon that has ended is started, as systemd would. */
  async assureRunning(node: ProcessNode): Promise<void> {
    if (this.running.has(node.name) && node.isAlive) return;
    this.running.delete(node.name);
    await this.start(node);
  }

  /** Adds columns that only rows kept aside have, and drops them once those are in: on one node, as the rest follows by itself. */
  private async bringBackColumns(node: ProcessNode, errors: readonly Problem[]): Promise<void> {
    const said = errors.map(({ message }) => TAKEN_OUT.exec(message)).find((match) => match !== null);
    if (said != null && this.broughtBack === null) {
      const [, table = '', columns = ''] = said;
      this.broughtBack = { node: node.name, table, columns: columns.split(', ') };
      for (const column of this.broughtBack.columns) await this.alter(node, [], `ADD COLUMN ${column} TEXT`);
      return;
    }
    if (said != null || this.broughtBack?.node !== node.name) return;
    for (const column of this.broughtBack.columns)
      await this.alter(node, ['migrate', node.path, '--'], `DROP COLUMN ${column}`);
    this.broughtBack = null;
  }

  private async alter(node: ProcessNode, within: readonly string[], change: string): Promise<void> {
    const argv = ['sqlite3', '-cmd', '.timeout 60000', node.path, `ALTER TABLE ${this.broughtBack?.table} ${change}`];
    this.note(node, [...within, ...argv].join(' '), 0, 'columns that only rows kept aside have');
    if (within.length === 0) await run(argv);
    else await this.cli(node, [...within, ...argv]);
  }

  private async start(node: ProcessNode, tries = 1): Promise<void> {
    try {
      await node.start();
      this.running.add(node.name);
    } catch (error) {
      const { message } = error as Error;
      this.note(node, 'sqlsync start', null, message);
      const [command] = commandsIn(message);
      // A service that says to try again is started again.
      if (tries >= STARTS_MAX || (command === undefined && !message.includes('exits 75'))) throw error;
      if (command !== undefined) await this.type(node, command, message);
      await this.start(node, tries + 1);
    }
  }

  private async follow(node: ProcessNode, problems: readonly Problem[]): Promise<void> {
    const commands = problems.flatMap(({ command, message }) =>
      (command === null ? commandsIn(message) : [command]).map((one) => [one, message] as const),
    );
    // Once, however many problems say it.
    for (const [command, message] of new Map(commands)) await this.type(node, command, message);
  }

  /** Types a command, and what the hint of its refusal says. */
  async type(node: ProcessNode, command: string, why: string, depth = 0): Promise<void> {
    const words = wordsOf(this.filledIn(node, command));
    if (words[0] !== 'sqlsync') throw new Error(`${node.name}: what to type is no command: ${command}`);
    const args = words.slice(1);
    if (args[0] === 'start') return this.assureRunning(node);
    const result = await this.cli(node, [...args, '--json', '--no-input']);
    const error = errorOf(result);
    const refusal = error === null ? '' : `${error.code}: ${error.message} (${error.hint}), because `;
    this.note(node, words.join(' '), result.exitCode, refusal + why);
    if (error !== null && depth < HINTS_MAX) await this.answer(node, command, error, depth);
  }

  /** Names and addresses are the operator's to know. */
  private filledIn(node: ProcessNode, command: string): string {
    const other = this.nodes.find(({ name }) => name !== node.name && this.running.has(name));
    return command.replace('NAME=URL', `${other?.name}=${other?.url}`);
  }

  private async answer(
    node: ProcessNode,
    command: string,
    { code, message, hint }: ErrorDocument['error'],
    depth: number,
  ): Promise<void> {
    if (code === 'usage' && hint?.includes('--yes')) return this.type(node, `${command} --yes`, message, depth + 1);
    if (/^stop/i.test(hint ?? '')) {
      if (!this.running.has(node.name)) return;
      await node.end('SIGTERM');
      this.running.delete(node.name);
      await this.type(node, command, message, depth + 1);
      return this.assureRunning(node);
    }
    const [next] = commandsIn(hint ?? '');
    if (next === undefined || next.startsWith('sqlsync status')) return;
    await this.type(node, next, `${code}: ${message}`, depth + 1);
    await this.type(node, command, 'as before', depth + 1);
  }

  /** A node joins the data set that another has begun: what `restore` and `status` say on that one. */
  async joinAnew(node: ProcessNode, home: ProcessNode): Promise<void> {
    const { stdout } = await this.cli(home, ['invite', node.name, '--json', '--no-input']);
    const { invite } = JSON.parse(stdout) as { invite: string };
    if (this.running.has(node.name)) await node.end('SIGTERM');
    this.running.delete(node.name);
    await this.type(node, `sqlsync join ${invite} ${node.path} --replace`, `joining ${home.name} anew`);
    await this.assureRunning(node);
  }

  private note(node: ProcessNode, command: string, exitCode: number | null, why: string): void {
    const line = `${node.name}$ ${command} → ${exitCode} (${why.slice(0, SHOWN_CHARS_MAX)})`;
    this.count += 1;
    if (!this.typed.has(line)) this.say(`    ${line}`);
    this.typed.add(line);
  }

  private cli(node: ProcessNode, args: readonly string[]): Promise<CliResult> {
    return runCli(args, { cwd: node.folder });
  }
}

export function errorOf({ stdout }: CliResult): ErrorDocument['error'] | null {
  try {
    return (JSON.parse(stdout) as Partial<ErrorDocument>).error ?? null;
  } catch {
    return null;
  }
}

function commandsIn(text: string): string[] {
  return [...text.matchAll(/`(sqlsync [^`]+)`/g)].map(([, command]) => command as string);
}

/** Words as a shell would have them, quotes of one kind. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, one, two, bare]) => one ?? two ?? bare ?? '');
}
