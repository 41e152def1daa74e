/** Files that cannot be served: each command says what is wrong and what to type, with its exit code, and changes nothing. */
import { chmodSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { describe, expect, test, vi } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { runCli } from '../support/run-cli.js';
import { filesIn, makeShop } from '../support/shop-database.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const isRoot = process.getuid?.() === 0;

interface BadFile {
  readonly code: string;
  readonly exitCode: number;
  /** Makes it at the path; returns how to put it back in order, if that takes something. */
  make(path: string): (() => void) | undefined;
}

const MISSING: BadFile = { code: 'database-missing', exitCode: 74, make: () => undefined };
const NOT_SQLITE: BadFile = {
  code: 'database-not-sqlite',
  exitCode: 65,
  make: (path) => void writeFileSync(path, 'Dear diary, '.repeat(500)),
};
const FOLDER: BadFile = { code: 'database-not-sqlite', exitCode: 65, make: (path) => void mkdirSync(path) };
const DAMAGED: BadFile = {
  code: 'database-damaged',
  exitCode: 65,
  make: (path) => {
    makeShop(path);
    truncateSync(path, 5000);
    return undefined;
  },
};
const LOCKED: BadFile = {
  code: 'database-locked',
  exitCode: 75,
  make: (path) => {
    makeShop(path);
    const db = new Sqlite(path);
    db.exec('BEGIN EXCLUSIVE');
    return () => db.close();
  },
};
const READ_ONLY: BadFile = {
  code: 'database-read-only',
  exitCode: 77,
  make: (path) => {
    makeShop(path);
    chmodSync(path, 0o444);
    return undefined;
  },
};
const FORBIDDEN: BadFile = {
  code: 'database-permission',
  exitCode: 77,
  make: (path) => {
    makeShop(path);
    chmodSync(path, 0o000);
    return () => chmodSync(path, 0o600);
  },
};
const FOLDER_READ_ONLY: BadFile = {
  code: 'database-read-only',
  exitCode: 77,
  make: (path) => {
    makeShop(path);
    const folder = join(path, '..');
    chmodSync(folder, 0o555);
    return () => chmodSync(folder, 0o755);
  },
};

const EVERYWHERE: readonly (readonly [string, BadFile])[] = [
  ['no file', MISSING],
  ['no database', NOT_SQLITE],
  ['a folder', FOLDER],
  ['a damaged database', DAMAGED],
  ['a locked database', LOCKED],
];
const UNLESS_ROOT: readonly (readonly [string, BadFile])[] = [
  ['a read-only file', READ_ONLY],
  ['a file without permission', FORBIDDEN],
  ['a read-only folder', FOLDER_READ_ONLY],
];

/** A folder with the bad file in a folder of its own, and a configuration that names it. */
async function withBadFile(bad: BadFile, work: (cwd: string) => Promise<void>): Promise<void> {
  const cwd = makeFolder();
  mkdirSync(join(cwd, 'data'));
  writeFileSync(join(cwd, 'secret'), 'a secret of some length\n', { mode: 0o600 });
  const config = 'node: paris\nsecretFile: ./secret\ndatabases: [{ name: shop, path: ./data/shop.db }]\n';
  writeFileSync(join(cwd, 'sqlsync.yml'), config);
  const mend = bad.make(join(cwd, 'data', 'shop.db'));
  try {
    await work(cwd);
  } finally {
    mend?.();
  }
}

async function expectRefusals({ code, exitCode, make }: BadFile, commands: readonly string[][]): Promise<void> {
  await withBadFile({ code, exitCode, make }, async (cwd) => {
    const before = filesIn(cwd, [join(cwd, 'data', 'shop.db')]);
    for (const args of commands) {
      const run = await runCli([...args, '--json'], { cwd });
      const { error } = JSON.parse(run.stdout);
      expect({ args, exitCode: run.exitCode, code: error.code }).toEqual({ args, exitCode, code });
      expect(error.message).toContain('shop.db');
      expect(error.hint).toMatch(/\S/);
    }
    expect(filesIn(cwd, [join(cwd, 'data', 'shop.db')])).toEqual(before);
  });
}

const INIT = ['init', 'data/shop.db'];
const UNINSTALL = ['uninstall', 'data/shop.db', '--yes'];
const START = ['start'];

describe('init, uninstall and start refuse', () => {
  test.each(EVERYWHERE)('%s', async (name, bad) => {
    // A daemon waits its turn for a locked file instead of giving up on it.
    await expectRefusals(bad, name === 'a locked database' ? [INIT] : [INIT, UNINSTALL, START]);
  });

  // Root may read and write everything, so there is nothing to refuse.
  test.skipIf(isRoot).each(UNLESS_ROOT)('%s', async (_, bad) => expectRefusals(bad, [INIT, UNINSTALL, START]));
});

test.each(EVERYWHERE)('a status tells of %s among its problems, and --check says no', async (_, bad) => {
  await withBadFile(bad, async (cwd) => {
    const run = await runCli(['status', '--check', '--json'], { cwd });
    expect(run.exitCode).toBe(1);
    const status = JSON.parse(run.stdout);
    expect(status).toMatchObject({ running: false, healthy: false });
    const codes = status.problems.map(({ code }: { code: string }) => code);
    expect(codes).toEqual(['daemon-down', bad.code]);
    expect(status.databases[0]).toMatchObject({
      name: 'shop',
      coverage: 'unknown',
      pendingChanges: null,
      tables: null,
    });
  });
});

test('a database that has never been initialised is told by that name', async () => {
  const cwd = makeFolder();
  makeShop(join(cwd, 'shop.db'));
  writeFileSync(join(cwd, 'secret'), 'a secret of some length\n', { mode: 0o600 });
  writeFileSync(
    join(cwd, 'sqlsync.yml'),
    'node: paris\nsecretFile: ./secret\ndatabases: [{ name: shop, path: shop.db }]\n',
  );
  const start = await runCli(['start', '--json'], { cwd });
  expect(start.exitCode).toBe(65);
  expect(JSON.parse(start.stdout).error).toMatchObject({ code: 'database-not-initialised' });
  const status = JSON.parse((await runCli(['status', '--json'], { cwd })).stdout);
  expect(status.problems[1]).toMatchObject({
    code: 'database-not-initialised',
    database: 'shop',
    command: `sqlsync init ${join(cwd, 'shop.db')}`,
  });
});
