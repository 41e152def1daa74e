/** Two databases of one application, each with rows of its own, become one data set: nothing of either is lost. */
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import { readContents, untilEqual } from '../support/compare-files.js';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { type CliResult, runCli } from '../support/run-cli.js';

vi.setConfig({ testTimeout: 120_000 });

const SCHEMA = `CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, u TEXT UNIQUE, at INT);
  CREATE TABLE note(k TEXT COLLATE NOCASE PRIMARY KEY, v);
  CREATE TABLE audit(id TEXT PRIMARY KEY, what);
  CREATE TRIGGER audited AFTER INSERT ON item BEGIN INSERT INTO audit VALUES(hex(randomblob(8)), NEW.name); END;`;

const THERE = `INSERT INTO item VALUES(1, 'same', 'a', 1), (2, 'there', 'b', 5), (3, 'only there', 'c', 1), (9, 'holds d', 'd', 1);
  INSERT INTO note VALUES('K', 1.0), ('same', x'00ff'), ('text', '1'); DELETE FROM audit;`;
const HERE = `INSERT INTO item VALUES(1, 'same', 'a', 1), (2, 'here', 'b', 7), (4, 'only here', 'e', 1), (5, 'wants d', 'd', 1);
  INSERT INTO note VALUES('k', 1), ('same', x'00ff'), ('text', 1), ('odd', CAST(x'61ff' AS TEXT)); DELETE FROM audit;`;

function fill(path: string, rows: string): void {
  const db = new Sqlite(path);
  db.exec(SCHEMA);
  db.exec(rows);
  db.close();
}

function read<Result>(path: string, work: (db: Database) => Result): Result {
  const db = new Sqlite(path, { readonly: true });
  try {
    return work(db);
  } finally {
    db.close();
  }
}

const items = (path: string) => read(path, (db) => db.prepare('SELECT id, name FROM item ORDER BY id').raw().all());
const records = (path: string) =>
  read(path, (db) =>
    db
      .prepare<[], Record<string, string>>('SELECT * FROM _sqlsync_conflict ORDER BY tbl, key')
      .all()
      .map((row) => ({
        table: row.tbl,
        key: JSON.parse(row.key ?? ''),
        kind: row.kind,
        strategy: row.strategy,
        winner: JSON.parse(row.winner ?? '').node,
        loser: JSON.parse(row.loser ?? '').row,
      })),
  );

interface Places {
  readonly paris: ProcessNode;
  readonly cwd: string;
  readonly path: string;
  merge(...flags: string[]): Promise<CliResult>;
}

async function places(rows = HERE, schema = ''): Promise<Places> {
  const paris = await ProcessNode.first(makeFolder(), 'paris', (path) => fill(path, THERE));
  onTestFinished(() => paris.dispose());
  await paris.start();
  const cwd = makeFolder();
  copyFileSync(join(paris.folder, 'secret'), join(cwd, 'sqlsync.secret'));
  const path = join(cwd, 'shop.db');
  if (schema === '') fill(path, rows);
  else new Sqlite(path).exec(schema).close();
  const merge = (...flags: string[]) =>
    runCli(['join', paris.url, path, '--node', 'lyon', '--merge', '--json', '--no-input', ...flags], { cwd });
  return { paris, cwd, path, merge };
}

const errorOf = ({ stdout }: CliResult) => JSON.parse(stdout).error as { code: string; message: string; hint: string };

test('the forecast counts what is equal, here, there and in conflict, and nothing is changed', async () => {
  const { paris, path, merge } = await places();
  const before = readContents(path);
  const { exitCode, stdout } = await merge('--dry-run');
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout).merge).toEqual({
    forecast: [
      { name: 'item', equal: 1, onlyHere: 2, onlyThere: 2, conflicts: 1 },
      { name: 'note', equal: 1, onlyHere: 1, onlyThere: 0, conflicts: 2 },
    ],
    outcome: null,
  });
  const undecided = await merge();
  expect([undecided.exitCode, errorOf(undecided).code]).toEqual([2, 'usage']);
  expect(errorOf(undecided).message).toContain('item (1 row), note (2 rows)');
  expect(readContents(path)).toEqual(before);
  expect(read(paris.path, (db) => db.prepare('SELECT name FROM _sqlsync_member').pluck().all())).toEqual(['paris']);
});

test.each([
  ['--prefer here', ['--prefer', 'here'], 'here', 'paris', 'merge'],
  ['--prefer there', ['--prefer', 'there'], 'there', 'lyon', 'merge'],
  ['--prefer manual', ['--prefer', 'manual'], 'there', 'lyon', 'manual'],
])('%s: every row of both is there, or whole in a record, on all nodes', async (_, flags, stands, loses, strategy) => {
  const { paris, path, cwd, merge } = await places();
  const report = JSON.parse((await merge(...flags)).stdout);
  expect(existsSync(report.setAside)).toBe(true);
  const lyon = runCli(['start', '-c', join(cwd, 'sqlsync.yml')], { cwd });
  onTestFinished(async () => {
    const { pid } = JSON.parse((await runCli(['status', '--json'], { cwd })).stdout);
    process.kill(pid, 'SIGTERM');
    await lyon;
  });
  await untilEqual([paris, { name: 'lyon', path }], 30_000);
  expect(items(paris.path)).toEqual([
    [1, 'same'],
    [2, stands],
    [3, 'only there'],
    [4, 'only here'],
    [9, 'holds d'],
  ]);
  for (const file of [path, paris.path]) {
    await vi.waitFor(() => expect(records(file)).toHaveLength(4), { timeout: 20_000 });
    const found = records(file);
    expect(found).toContainEqual({
      table: 'item',
      key: { id: 2 },
      kind: 'key-collision',
      strategy,
      winner: stands === 'here' ? 'lyon' : 'paris',
      loser: expect.objectContaining({ name: stands === 'here' ? 'there' : 'here' }),
    });
    expect(found).toContainEqual({
      table: 'item',
      key: { id: 5 },
      kind: 'unique',
      strategy,
      winner: 'paris',
      loser: { id: 5, name: 'wants d', u: 'd', at: 1 },
    });
    expect(found.filter(({ table }) => table === 'note').map(({ kind }) => kind)).toEqual([
      'insert-insert',
      'insert-insert',
    ]);
    expect(loses).toBe(stands === 'here' ? 'paris' : 'lyon');
  }
  // What the application's triggers do was done when the rows were first written.
  expect(read(paris.path, (db) => db.prepare('SELECT count(*) FROM audit').pluck().get())).toBe(0);
});

test('--newest-by takes the greater value of a column, and asks for one that every table in conflict has', async () => {
  const { path, merge } = await places(HERE.replace(`('k', 1), `, '').replace(`('text', 1), `, ''));
  await merge('--newest-by', 'at');
  expect(items(path)).toContainEqual([2, 'here']);
  const other = await places();
  const refused = await other.merge('--newest-by', 'at');
  expect([refused.exitCode, errorOf(refused).message]).toEqual([
    2,
    expect.stringContaining('note has rows in conflict'),
  ]);
  expect(items(other.path)).toContainEqual([5, 'wants d']);
});

test.each([
  ['a table that the peer lacks', `CREATE TABLE extra(k TEXT PRIMARY KEY); INSERT INTO extra VALUES('x')`, 'extra'],
  [
    'other columns',
    `CREATE TABLE item(id INTEGER PRIMARY KEY, name); INSERT INTO item VALUES(1, 'x')`,
    'other columns',
  ],
  ['another key', `CREATE TABLE note(k TEXT PRIMARY KEY, v); INSERT INTO note VALUES('x', 1)`, 'another key'],
  ['no key', `CREATE TABLE loose(a, b); INSERT INTO loose VALUES(1, 2)`, 'no key'],
])('%s is refused by name, and nothing is changed', async (_, schema, words) => {
  const { path, merge } = await places('', schema);
  const before = readContents(path);
  const refused = await merge('--prefer', 'here');
  expect([refused.exitCode, errorOf(refused).code]).toEqual([65, 'schema-differs']);
  expect(errorOf(refused).message).toContain(words);
  expect(readContents(path)).toEqual(before);
});

test('a file of the same data set is not merged with itself', async () => {
  const { merge } = await places();
  expect((await merge('--prefer', 'here')).exitCode).toBe(0);
  const again = await merge('--prefer', 'here');
  expect([again.exitCode, errorOf(again).message]).toEqual([2, expect.stringContaining('this data set already')]);
});
