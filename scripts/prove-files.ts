/**
 * Any database files, replicated: npm run prove:files -- FILE… [--transactions N] [--seed N] [--exclude GLOB]…
 * Each file is copied to a hub that two others join, once in WAL and once in rollback mode. On every node the sqlite3 shell
 * and Python write at once whatever the tables take. Then all must be equal in every value and storage class, and after
 * `uninstall` each schema what it was. Exits 1 when something is not.
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import Sqlite from 'better-sqlite3';
import { AnyClerk } from '../test/support/any-clerk.js';
import { readSchemaRows, untilEqual, withReader } from '../test/support/compare-files.js';
import { APPLICATION_KINDS, ForeignApplication, missingApplications } from '../test/support/foreign-application.js';
import { ProcessNode } from '../test/support/process-node.js';
import { seededRandom } from '../test/support/seeded-random.js';

const EQUAL_MS_MAX = 120_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    transactions: { type: 'string', default: '150' },
    seed: { type: 'string', default: '1' },
    exclude: { type: 'string', multiple: true, default: [] },
  },
});
const missing = missingApplications();
if (missing !== null) throw new Error(missing);

for (const file of positionals) {
  for (const journalMode of ['wal', 'delete'] as const) await prove(file, journalMode);
}

async function prove(file: string, journalMode: 'wal' | 'delete'): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sqlsync-files-'));
  const nodes: ProcessNode[] = [];
  const what = `${basename(file)}, ${journalMode}`;
  try {
    const hub = await ProcessNode.first(folder, 'hub', (path) => copyInMode(file, path, journalMode), {}, [
      ...values.exclude.flatMap((glob) => ['--exclude', glob]),
    ]);
    nodes.push(hub);
    await hub.start();
    for (const name of ['east', 'west']) {
      const node = await ProcessNode.joining(hub, name);
      nodes.push(node);
      await node.start();
    }
    const schemaBefore = withCopy(file, join(folder, 'original.db'), journalMode, readSchemaRows);
    const counts = await writeEverywhere(nodes);
    const contents = await untilEqual(nodes, EQUAL_MS_MAX);
    const conflicts = withReader(hub.path, (db) => db.prepare('SELECT count(*) FROM _sqlsync_conflict').pluck().get());
    for (const node of nodes) {
      const complaints = node.complaints.map((line) => JSON.stringify(line));
      if (complaints.length > 0) throw new Error(`${node.name} complains: ${complaints.slice(0, 3).join('\n')}`);
      const check = withReader(node.path, (db) => db.pragma('integrity_check', { simple: true }));
      if (check !== 'ok') throw new Error(`${node.name}: integrity_check says ${check}`);
    }
    for (const node of nodes) {
      await node.end('SIGTERM');
      await node.succeed(['uninstall', node.path, '--yes', '--force']);
      const after = readSchemaRows(node.path);
      if (JSON.stringify(after) !== JSON.stringify(schemaBefore)) throw new Error(`${node.name}: the schema differs`);
    }
    const rows = [...contents.values()].reduce((sum, table) => sum + table.length, 0);
    console.log(
      `${what}: equal, ${contents.size} tables, ${rows} rows; ${counts.committed} transactions committed, ` +
        `${counts.refused} refused by constraints, ${conflicts} conflicts recorded; schemas as before`,
    );
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    console.log(`${what}: ${(error as Error).message}\nthe files are in ${folder}`);
    process.exitCode = 1;
  } finally {
    for (const node of nodes) await node.dispose();
  }
}

function copyInMode(file: string, path: string, journalMode: string): void {
  copyFileSync(file, path);
  const db = new Sqlite(path);
  db.pragma(`journal_mode = ${journalMode}`);
  db.close();
}

function withCopy<Result>(file: string, path: string, journalMode: string, read: (path: string) => Result): Result {
  copyInMode(file, path, journalMode);
  return read(path);
}

/** Both applications on every node, all at once. */
async function writeEverywhere(nodes: readonly ProcessNode[]): Promise<{ committed: number; refused: number }> {
  const counts = { committed: 0, refused: 0 };
  await Promise.all(
    nodes.flatMap(({ path }, node) =>
      APPLICATION_KINDS.map(async (kind, i) => {
        const number = 1 + 2 * node + i;
        const clerk = new AnyClerk(number, path, seededRandom(Number(values.seed) * 100 + number));
        let application = new ForeignApplication(kind, path);
        for (let n = 0; n < Number(values.transactions); n += 1) {
          try {
            await application.commit(...clerk.next());
            counts.committed += 1;
          } catch (error) {
            if (!/constraint failed/i.test((error as Error).message)) throw error;
            counts.refused += 1;
            // The shell ends at its first error.
            await application.close();
            application = new ForeignApplication(kind, path);
          }
        }
        await application.close();
      }),
    ),
  );
  return counts;
}
