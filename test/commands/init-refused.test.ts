/** Schemas that cannot replicate: `init` names every table and says why, and the file stays what it was to the last byte. */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { describe, expect, test, vi } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { REFUSED_TABLES, type RefusedTable, refusedSchema } from '../support/refused-tables.js';
import { runCli } from '../support/run-cli.js';
import { makeSpecimen } from '../support/schema-zoo.js';
import { filesIn } from '../support/shop-database.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000 });

const SOUND = 'CREATE TABLE sound(id INTEGER PRIMARY KEY, v); INSERT INTO sound VALUES(1, 1)';

function makeFile(path: string, pragmas: readonly string[], specimens: readonly RefusedTable[]): void {
  const db = new Sqlite(path);
  for (const pragma of pragmas) db.pragma(pragma);
  db.exec(SOUND);
  for (const [i, specimen] of specimens.entries()) {
    const schema = refusedSchema(specimen, nameOf(i)).replaceAll(/\bINDEX (i|j)\b/g, `INDEX $1${i}`);
    makeSpecimen(db, { ...specimen, schema });
  }
  db.close();
}

const nameOf = (i: number): string => `it's "refused" ${i}`;

describe.each([
  ['wal', ['journal_mode = wal']],
  ['persist', ['journal_mode = persist']],
  ['text in UTF-16', [`encoding = 'UTF-16le'`, 'page_size = 512', 'auto_vacuum = FULL', 'journal_mode = truncate']],
])('%s', (_, pragmas) => {
  test('each table by its name, with the reason and the line that leaves it out', async () => {
    const cwd = makeFolder();
    const specimens = Object.values(REFUSED_TABLES);
    makeFile(join(cwd, 'app.db'), pragmas, specimens);
    const before = filesIn(cwd);
    const { exitCode, stdout } = await runCli(['init', 'app.db', '--node', 'paris', '--json'], { cwd });
    expect(exitCode).toBe(65);
    const { error } = JSON.parse(stdout);
    expect(error.code).toBe('table-refused');
    const lines = error.message.split('\n');
    for (const [i, { reason }] of specimens.entries()) {
      expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^${nameOf(i)}: `)));
      expect(lines.find((line: string) => line.startsWith(`${nameOf(i)}:`))).toContain(reason);
      expect(error.hint).toContain(`--exclude 'it'\\''s "refused" ${i}'`);
    }
    expect(filesIn(cwd)).toEqual(before);
    const flags = specimens.flatMap((_, i) => ['--exclude', nameOf(i)]);
    const done = await runCli(['init', 'app.db', '--node', 'paris', '--json', ...flags], { cwd });
    expect(done.exitCode, done.stdout).toBe(0);
    expect(JSON.parse(done.stdout).added).toEqual(['sound']);
  });
});

test.each([
  ['a name of ours', 'CREATE TABLE _SQLSYNC_mine(id INTEGER PRIMARY KEY)', '_SQLSYNC_mine'],
  ['an index of ours', 'CREATE INDEX _sqlsync_i ON sound(v)', '_sqlsync_i'],
  [
    'a name that hides a function of SQLite',
    'CREATE TABLE pragma_table_xinfo(id INTEGER PRIMARY KEY)',
    'pragma_table_xinfo',
  ],
])('%s', async (_, sql, name) => {
  const cwd = makeFolder();
  const db = new Sqlite(join(cwd, 'app.db'));
  db.exec(`${SOUND}; ${sql}`);
  db.close();
  const before = filesIn(cwd);
  const { exitCode, stdout } = await runCli(['init', 'app.db', '--node', 'paris', '--json'], { cwd });
  expect(exitCode).toBe(65);
  expect(JSON.parse(stdout).error).toMatchObject({ code: 'table-refused', message: expect.stringContaining(name) });
  expect(filesIn(cwd)).toEqual(before);
});
