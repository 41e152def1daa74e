/**
 * A page of documentation as a play: its SQL blocks are what applications write on Paris and Lyon, which are apart until
 * the block is over; its console blocks are what an operator in Paris types, and what comes of it. Blocks are played in
 * their order, but for what both have (`-- both`): that is there before. While rules are set and
 * nodes are compared, Lyon's daemon runs.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineCluster, type EngineNode } from './engine-node.js';
import { passMillisecond } from './operator.js';
import { freePort } from './process-node.js';
import { RUN_JS } from './run-cli.js';

export interface Scene {
  readonly command: string;
  /** As the page has it, and as it came out. */
  readonly expected: string;
  readonly actual: string;
}

/** What differs from one run to the next: ids, times, ages, keys that were derived, and who typed. */
const VARYING =
  /\b[0-9a-f]{12}(?:[0-9a-f]{20})?\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|\d{4}-\d\d-\d\d\b|\d+ \w+ ago|-\d{16}\b|by \S+ on/g;

/** The text without what varies, so that two runs can be compared. Columns of a table may be as wide as they like. */
export function withoutVarying(text: string): string {
  return text.replace(VARYING, (found) => (found.endsWith('ago') ? 'AGO' : 'VARIES')).replaceAll(/ {2,}/g, '  ');
}

const blocksOf = (page: string) =>
  [...page.matchAll(/^```(sql|console)\n(.*?)^```$/gms)].map(([, kind, text]) => ({ kind, text: text ?? '' }));

/** The sections of an SQL block: `-- both`, `-- paris`, `-- lyon`. */
function sectionsOf(text: string): { where: string; sql: string }[] {
  return text
    .split(/^-- /m)
    .slice(1)
    .map((section) => {
      const end = section.indexOf('\n');
      return { where: section.slice(0, end).trim(), sql: section.slice(end) };
    });
}

/** The commands of a console block, each with the lines that follow it. */
function commandsOf(text: string): { command: string; expected: string }[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf('\n');
      return { command: part.slice(0, end), expected: part.slice(end + 1) };
    });
}

export async function playPage(page: string): Promise<Scene[]> {
  const blocks = blocksOf(page);
  const sections = blocks.flatMap(({ kind, text }) => (kind === 'sql' ? sectionsOf(text) : []));
  const schema = sections.filter(({ where }) => where === 'both').map(({ sql }) => sql);
  const cluster = new EngineCluster(schema.join('\n'), 2, { names: ['paris', 'lyon'] });
  const scenes: Scene[] = [];
  /** Ids of the page → ids of this run. */
  const ids = new Map<string, string>();
  const play = async (text: string) => {
    for (const { command, expected } of commandsOf(text)) {
      const typed = [...ids].reduce((line, [id, actual]) => line.replaceAll(id, actual), command);
      const actual = await runInShell(typed, cluster.directory);
      learnIds(ids, expected, actual);
      scenes.push({ command, expected, actual });
    }
  };
  try {
    cluster.settleDown();
    await configure(cluster.directory);
    for (const { kind, text } of blocks) {
      if (kind === 'sql') writeApart(cluster, sectionsOf(text));
      else if (/rules set|verify/.test(text)) await besideDaemon(cluster, () => play(text));
      else await play(text);
    }
    return scenes;
  } finally {
    cluster.close();
  }
}

/** Paris dials Lyon. */
async function configure(folder: string): Promise<void> {
  const address = `127.0.0.1:${await freePort()}`;
  const shared = 'secretFile: secret\n';
  const database = (node: string) => `node: ${node}\ndatabases: [{ name: shop, path: ${node}.db }]\n`;
  writeFileSync(join(folder, 'secret'), 'a secret of Paris and Lyon alone\n', { mode: 0o600 });
  const peers = `peers: [{ name: lyon, url: "http://${address}" }]\n`;
  writeFileSync(join(folder, 'sqlsync.yml'), `${database('paris')}${shared}${peers}`);
  writeFileSync(join(folder, 'lyon.yml'), `${database('lyon')}${shared}listen: ${address}\n`);
}

/** While Lyon's daemon runs. The engines of this process are closed meanwhile: a file has one at a time. */
async function besideDaemon(cluster: EngineCluster, work: () => Promise<void>): Promise<void> {
  for (const node of cluster.nodes) node.kill();
  const daemon = spawn(process.execPath, [RUN_JS, 'start', '-c', 'lyon.yml'], {
    cwd: cluster.directory,
    env: { PATH: process.env.PATH, HOME: cluster.directory },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(daemon, 'close');
  try {
    await Promise.race([
      once(daemon.stdout, 'data'),
      ended.then(() => Promise.reject(new Error('Lyon does not start'))),
    ]);
    await work();
  } finally {
    daemon.kill();
    await ended;
    for (const node of cluster.nodes) node.open();
  }
}

/** Of what is settled on one alone, for its daemon has run for longer, edits would count from elsewhere there. */
function settleAll({ nodes }: EngineCluster): void {
  for (let round = 0; round < 2; round += 1) {
    for (const to of nodes) for (const from of nodes) if (to !== from) to.replica.acknowledge(from.hello());
    for (const { replica } of nodes) while (replica.settle().more);
  }
}

function writeApart(cluster: EngineCluster, sections: readonly { where: string; sql: string }[]): void {
  settleAll(cluster);
  for (const { where, sql } of sections) {
    const node = cluster.nodes.find(({ name }) => name === where) as EngineNode | undefined;
    node?.app.exec(sql);
    passMillisecond();
  }
  cluster.settleDown();
}

/** An id of the page stands for the one in its place. */
function learnIds(ids: Map<string, string>, expected: string, actual: string): void {
  const idsIn = (text: string) => text.match(/\b[0-9a-f]{12}\b/g) ?? [];
  const found = idsIn(actual);
  for (const [i, id] of idsIn(expected).entries()) if (!ids.has(id)) ids.set(id, found[i] ?? id);
}

/** As a shell runs it that knows sqlsync; both of its outputs, as a terminal shows them. */
async function runInShell(command: string, cwd: string): Promise<string> {
  const script = `sqlsync() { '${process.execPath}' '${RUN_JS}' "$@"; }\nexec 2>&1\n${command}`;
  const child = spawn('sh', ['-c', script], {
    cwd,
    // Without notes, of which the page would have one after each command that no daemon runs.
    env: { PATH: process.env.PATH, HOME: cwd, SQLSYNC_QUIET: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  return output;
}
