/**
 * The turns that the life of a file may take, each as an operator or an accident brings it about, under writers on every
 * node. What a turn leaves to be done is left to the hints that sqlsync prints.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { withReader } from '../compare-files.js';
import { ProcessNode } from '../process-node.js';
import { runCli } from '../run-cli.js';
import type { Random } from '../seeded-random.js';
import { errorOf, type HintOperator } from './hint-operator.js';
import { type LifeMigrations, MIGRATIONS, run } from './life-schema.js';
import type { LifeValues } from './life-values.js';
import type { LifeWriter } from './life-writer.js';

export interface TurnDeps {
  /** A node that leaves is replaced by who comes back. */
  readonly nodes: ProcessNode[];
  readonly writers: readonly LifeWriter[];
  readonly values: LifeValues;
  readonly migrations: LifeMigrations;
  readonly operator: HintOperator;
  /** Names of nodes whose daemon is meant to run. */
  readonly running: Set<string>;
  readonly random: Random;
  commitsPass(): Promise<void>;
  say(text: string): void;
}

const TRIES_MAX = 5;

type Turn = (node: ProcessNode, deps: TurnDeps) => Promise<void>;

/** Stops a node's daemon, if it runs, for what is done then. */
async function whileStopped(node: ProcessNode, deps: TurnDeps, work: () => Promise<void>): Promise<void> {
  await stop(node, deps);
  await work();
  await deps.operator.assureRunning(node);
}

async function stop(node: ProcessNode, { running }: TurnDeps, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (!running.has(node.name)) return;
  if (!node.isAlive) {
    running.delete(node.name);
    return;
  }
  const { code } = await node.end(signal);
  running.delete(node.name);
  if (signal === 'SIGTERM' && code !== 0) throw new Error(`${node.name}: SIGTERM ends the daemon with ${code}`);
}

/** The applications of a node have closed its file meanwhile. */
async function withoutWriters(node: ProcessNode, { writers }: TurnDeps, work: () => Promise<void>): Promise<void> {
  const own = writers.filter((writer) => writer.node === node);
  await Promise.all(own.map((writer) => writer.pause()));
  await work();
  for (const writer of own) writer.resume();
}

/** Types a command until it does not say any more that it is to be tried again. */
async function succeed(node: ProcessNode, args: readonly string[], { say }: TurnDeps): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const result = await node.run([...args, '--json']);
    if (result.exitCode === 0) return;
    const said = `${node.name}: sqlsync ${args.join(' ')} exits ${result.exitCode}: ${result.stdout}${result.stderr}`;
    const lacksTriggers = errorOf(result)?.code === 'coverage-partial';
    if ((result.exitCode !== 75 && !lacksTriggers) || tries >= TRIES_MAX) throw new Error(said);
    say(`    ${said}`);
    // Which is what its hint says, where the daemon has not come to it yet.
    if (lacksTriggers) await node.succeed(['init', node.path]);
  }
}

const sqlite = (node: ProcessNode, sql: string) => run(['sqlite3', '-batch', '-cmd', '.timeout 60000', node.path, sql]);
const others = (node: ProcessNode, { nodes }: TurnDeps) => nodes.filter((other) => other !== node);

async function migrateNext(node: ProcessNode, deps: TurnDeps): Promise<void> {
  const wraps = deps.random.chance(0.3);
  const kind = await deps.migrations.advance(node.path, wraps, async (argv) => {
    const result = await runCli(['migrate', node.path, '-c', node.configFile, '--', ...argv], { cwd: node.folder });
    if (result.exitCode !== 0) throw new Error(`${node.name}: migrate exits ${result.exitCode}: ${result.stderr}`);
  });
  if (kind !== null) deps.say(`    ${node.name} runs migration ${kind}${wraps ? ' in sqlsync migrate' : ''}`);
}

/** An operator comes by at a node and types what is printed there, with its applications stopped as a rejoin wants it. */
export function comeBy(node: ProcessNode, deps: TurnDeps): Promise<void> {
  return withoutWriters(node, deps, async () => {
    await deps.operator.look(node, { follows: true });
  });
}

/** Nodes that are behind run one migration more. */
export async function migrateOthers(deps: TurnDeps, chance: number): Promise<void> {
  for (const node of deps.nodes) if (deps.random.chance(chance)) await migrateNext(node, deps);
}

/** Runs migrations on all nodes until none lacks any. */
export async function migrateAll(deps: TurnDeps): Promise<void> {
  for (const node of deps.nodes) for (let n = 0; n <= deps.migrations.count; n += 1) await migrateNext(node, deps);
}

/** The file whole, as another: what `cp` makes of one that nobody has open. */
async function copyOf(node: ProcessNode, to: string): Promise<void> {
  rmSync(to, { force: true });
  await sqlite(node, `.backup '${to}'`);
}

function dropJournals(node: ProcessNode): void {
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(node.path + suffix, { force: true });
}

/** Puts a copy of earlier in the place of the file, which is lost. */
async function putBack(node: ProcessNode, deps: TurnDeps, copy: string): Promise<void> {
  deps.values.noteGone(
    node.path,
    others(node, deps).map(({ path }) => path),
  );
  dropJournals(node);
  copyFileSync(copy, `${node.path}.new`);
  renameSync(`${node.path}.new`, node.path);
}

const killDaemon: Turn = async (node, deps) => {
  await stop(node, deps, 'SIGKILL');
  await deps.commitsPass();
  await deps.operator.assureRunning(node);
};

const restart: Turn = (node, deps) => whileStopped(node, deps, () => deps.commitsPass());

const killApplication: Turn = async (node, { writers, random }) => {
  random.pick(writers.filter((writer) => writer.node === node)).kill();
};

const migrate: Turn = async (node, deps) => {
  deps.migrations.add(deps.random.pick(MIGRATIONS));
  await migrateNext(node, deps);
};

const vacuum: Turn = (node) => sqlite(node, 'VACUUM');

const switchJournal: Turn = (node, deps) =>
  withoutWriters(node, deps, () =>
    whileStopped(node, deps, async () => {
      const isWal = withReader(node.path, (db) => db.pragma('journal_mode', { simple: true }) === 'wal');
      await sqlite(node, `PRAGMA journal_mode = ${isWal ? 'DELETE' : 'WAL'}`);
    }),
  );

const dropTrigger: Turn = async (node, deps) => {
  const triggers = withReader(node.path, (db) =>
    db
      .prepare<[], string>(`SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB '_sqlsync_*'`)
      .pluck()
      .all(),
  );
  if (triggers.length > 0) await sqlite(node, `DROP TRIGGER IF EXISTS "${deps.random.pick(triggers)}"`);
};

const dropLog: Turn = (node) => sqlite(node, 'DROP TABLE IF EXISTS _sqlsync_log');

const replaceStopped: Turn = (node, deps) =>
  withoutWriters(node, deps, () => whileStopped(node, deps, () => replaceByCopy(node)));

/** Of a rollback-journal file only: another process's WAL is not to be had with a copy. */
const replaceRunning: Turn = (node, deps) =>
  withoutWriters(node, deps, async () => {
    if (withReader(node.path, (db) => db.pragma('journal_mode', { simple: true })) === 'wal') return;
    await replaceByCopy(node);
    await deps.commitsPass();
  });

async function replaceByCopy(node: ProcessNode): Promise<void> {
  await copyOf(node, `${node.path}.copy`);
  if (!existsSync(`${node.path}-wal`)) dropJournals(node);
  renameSync(`${node.path}.copy`, node.path);
}

const rawCopy: Turn = async (node, deps) => {
  const copy = join(node.folder, 'earlier.db');
  await copyOf(node, copy);
  await deps.commitsPass();
  await deps.commitsPass();
  await withoutWriters(node, deps, () => whileStopped(node, deps, () => putBack(node, deps, copy)));
};

async function newestBackup(node: ProcessNode, deps: TurnDeps): Promise<string> {
  const backups = join(node.folder, 'backups');
  mkdirSync(backups, { recursive: true });
  await succeed(node, ['backup', '--to', backups], deps);
  const newest = readdirSync(backups)
    .filter((name) => name.endsWith('.gz'))
    .sort()
    .at(-1);
  return join(backups, newest as string);
}

const restoreRejoin: Turn = async (node, deps) => {
  const backup = await newestBackup(node, deps);
  await deps.commitsPass();
  await withoutWriters(node, deps, () =>
    whileStopped(node, deps, async () => {
      deps.values.noteGone(
        node.path,
        others(node, deps).map(({ path }) => path),
      );
      await succeed(node, ['restore', backup, node.path, '--as', 'rejoin', '--yes'], deps);
    }),
  );
};

const removeMember: Turn = async (node, deps) => {
  await stop(node, deps);
  await deps.commitsPass();
  const other = deps.random.pick(others(node, deps));
  await node.run(['sync']);
  await succeed(other, ['members', 'remove', node.name, '--yes'], deps);
  await deps.commitsPass();
  await deps.operator.assureRunning(node);
};

const prune: Turn = (node, deps) => succeed(node, ['prune', '--keep-log', '0s'], deps);

const verify: Turn = async (node, deps) => {
  const { exitCode, stdout } = await node.run(['verify', '--json', '--timeout', '20s']);
  deps.say(`    verify exits ${exitCode}`);
  if (exitCode === 70) throw new Error(`${node.name}: verify: ${stdout}`);
};

const repair: Turn = async (node, deps) => {
  const other = deps.random.pick(others(node, deps));
  const { exitCode, stdout } = await node.run(['repair', other.name, '--use', 'here', '--json', '--timeout', '20s']);
  deps.say(`    repair exits ${exitCode}`);
  if (exitCode === 70) throw new Error(`${node.name}: repair: ${stdout}`);
};

const setRules: Turn = async (node, deps) => {
  const strategy = deps.random.pick(['merge', 'lww', 'version']);
  const table = deps.random.pick(['item', 'archive', 'remark', '*']);
  const { exitCode, stdout } = await node.run(['rules', 'set', table, strategy, '--json']);
  deps.say(`    rules set ${table} ${strategy} exits ${exitCode}`);
  if (exitCode === 70) throw new Error(`${node.name}: rules set: ${stdout}`);
};

/** A node leaves for good, and its file joins again under another name: with the rows it has, or without. */
function leave(joinFlags: readonly string[], keepsRows: boolean): Turn {
  return (node, deps) =>
    withoutWriters(node, deps, async () => {
      // A merge is refused where the two schemas are not one.
      if (keepsRows) await migrateAll(deps);
      await stop(node, deps);
      await node.run(['sync']);
      await succeed(node, ['uninstall', node.path, '--yes', '--force'], deps);
      const again = ProcessNode.renamed(node, `${node.name}-again`);
      const rest = others(node, deps);
      await forget(node, again, rest, deps);
      if (!keepsRows)
        deps.values.noteGone(
          node.path,
          rest.map(({ path }) => path),
        );
      const sponsor = deps.random.pick(rest);
      await succeed(again, ['join', sponsor.url, again.path, ...again.nodeFlags, ...joinFlags], deps);
      again.configure({});
      deps.nodes.splice(deps.nodes.indexOf(node), 1, again);
      for (const writer of deps.writers) if (writer.node === node) writer.node = again;
      await deps.operator.assureRunning(again);
    });
}

/** The others are told of a node that has left, and dial who comes in its place. */
async function forget(node: ProcessNode, again: ProcessNode, rest: readonly ProcessNode[], deps: TurnDeps) {
  await succeed(rest[0] as ProcessNode, ['members', 'remove', node.name, '--yes'], deps);
  for (const other of rest) {
    const { items } = (await other.succeed(['peers'])) as { items: { name: string; url: string | null }[] };
    if (!items.some(({ name, url }) => name === node.name && url !== null)) continue;
    await succeed(other, ['peers', 'remove', node.name], deps);
    await succeed(other, ['peers', 'add', `${again.name}=${again.url}`], deps);
  }
}

/** What is written meanwhile on a member that may not is taken when it may again. */
const readOnly: Turn = async (node, deps) => {
  const other = deps.random.pick(others(node, deps));
  await succeed(other, ['members', 'set', node.name, '--access', 'read'], deps);
  await deps.commitsPass();
  await succeed(other, ['members', 'set', node.name, '--access', 'write'], deps);
};

const rollback: Turn = async (node, deps) => {
  const copy = join(node.folder, 'before-backup.db');
  await copyOf(node, copy);
  const backup = await newestBackup(node, deps);
  await deps.commitsPass();
  const all = [...deps.nodes];
  await Promise.all(deps.writers.map((writer) => writer.pause()));
  for (const one of all) deps.values.noteGone(one.path, [copy]);
  await stop(node, deps);
  await succeed(node, ['restore', backup, node.path, '--as', 'rollback', '--yes'], deps);
  await deps.operator.assureRunning(node);
  for (const other of others(node, deps)) await deps.operator.joinAnew(other, node);
  for (const writer of deps.writers) writer.resume();
};

const TURNS_OF = {
  'kill-daemon': killDaemon,
  restart,
  'kill-application': killApplication,
  migrate,
  vacuum,
  'switch-journal': switchJournal,
  'drop-trigger': dropTrigger,
  'drop-log': dropLog,
  'replace-stopped': replaceStopped,
  'replace-running': replaceRunning,
  'raw-copy': rawCopy,
  'restore-rejoin': restoreRejoin,
  'remove-member': removeMember,
  prune,
  verify,
  repair,
  'set-rules': setRules,
  'leave-merge': leave(['--merge', '--prefer', 'here'], true),
  'leave-replace': leave(['--replace'], false),
  'read-only': readOnly,
  rollback,
} as const satisfies Record<string, Turn>;

export type TurnKind = keyof typeof TURNS_OF;
export const TURNS = Object.keys(TURNS_OF) as TurnKind[];

export function takeTurn(kind: TurnKind, node: ProcessNode, deps: TurnDeps): Promise<void> {
  return TURNS_OF[kind](node, deps);
}
