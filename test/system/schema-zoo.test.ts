/** A sample of the zoo between real processes: applications write on both sides while two daemons replicate. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { untilEqual } from '../support/compare-files.js';
import { makeFolder } from '../support/make-folder.js';
import { DATABASE, type ProcessNode } from '../support/process-node.js';
import { writeAtRandom, writeTargets } from '../support/random-writes.js';
import { runCli } from '../support/run-cli.js';
import { makeSpecimen, SPECIMENS, type Specimen } from '../support/schema-zoo.js';
import { seededRandom } from '../support/seeded-random.js';
import { filesIn } from '../support/shop-database.js';
import { joinHub, startHub } from './start-nodes.js';

const EQUAL_MS_MAX = 30_000;
const ROUNDS = 3;
const STATEMENTS = 30;

function makeFile(path: string, specimen: Specimen): void {
  const db = new Sqlite(path);
  for (const pragma of specimen.pragmas ?? []) db.pragma(pragma);
  db.pragma(`journal_mode = ${specimen.journalMode ?? 'wal'}`);
  makeSpecimen(db, specimen);
  db.close();
}

function connect(node: ProcessNode): Sqlite.Database {
  const db = new Sqlite(node.path, { timeout: 30_000 });
  onTestFinished(() => void db.close());
  return db;
}

const FULL_TEXT = SPECIMENS['a full-text index with external content'] as Specimen;
const ODD_NAMES: Specimen = {
  ...(SPECIMENS['tables of every name'] as Specimen),
  pragmas: [`encoding = 'UTF-16le'`, 'page_size = 1024'],
  journalMode: 'delete',
};

it.each([
  ['a full-text index, in WAL mode', FULL_TEXT],
  ['tables of every name, their text in UTF-16, in rollback mode', ODD_NAMES],
])('%s', async (_, specimen) => {
  const hub = await startHub({}, (path) => makeFile(path, specimen));
  const east = await (await joinHub(hub, 'east')).start();
  const random = seededRandom(1);
  const applications = [connect(hub), connect(east)];
  const targets = writeTargets(applications[0] as Sqlite.Database, specimen);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const db of applications) {
      db.pragma(`recursive_triggers = ${specimen.recursiveTriggers === true}`);
      writeAtRandom(db, targets, STATEMENTS, random);
    }
    await untilEqual([hub, east], EQUAL_MS_MAX);
  }
  for (const db of applications) for (const sql of specimen.checks ?? []) db.exec(sql);
  for (const node of [hub, east]) {
    const { databases, problems } = await node.status();
    expect([databases[0]?.coverage, databases[0]?.quarantined, problems]).toEqual(['complete', 0, []]);
  }
});

it('a file of another text encoding is refused by name, and stays what it was', async () => {
  const specimen = SPECIMENS['a text key'] as Specimen;
  const hub = await startHub({}, (path) => makeFile(path, specimen));
  const cwd = makeFolder();
  makeFile(join(cwd, 'other.db'), { ...specimen, pragmas: [`encoding = 'UTF-16be'`] });
  copyFileSync(join(hub.folder, 'secret'), join(cwd, 'sqlsync.secret'));
  const before = filesIn(cwd);
  const args = ['join', hub.url, 'other.db', '--merge', '--prefer', 'here', '--node', 'other', '--name', DATABASE];
  const { exitCode, stdout } = await runCli([...args, '--json'], { cwd });
  expect([exitCode, JSON.parse(stdout).error]).toMatchObject([65, { code: 'encoding-differs' }]);
  expect(filesIn(cwd)).toEqual(before);
});
