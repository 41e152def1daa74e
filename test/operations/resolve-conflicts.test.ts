/** Many decisions in goes: what is told when they are cut short, and what is left. */
import { randomBytes } from 'node:crypto';
import SqliteDatabase from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { DatabaseConfig } from '../../src/config.js';
import { localFiles } from '../../src/daemon/local-files.js';
import { SqlsyncError } from '../../src/errors.js';
import type { DatabaseFiles } from '../../src/operations/database-files.js';
import { type ResolveDeps, type ResolveRequest, resolveConflicts } from '../../src/operations/resolve-conflicts.js';
import { Clash } from '../support/clash.js';

const COUNT = 30;

/** Those of this machine, but for a lock they wait no longer than a test likes to. */
const impatientFiles: DatabaseFiles = {
  ...localFiles,
  connect: (path) => {
    const connection = localFiles.connect(path);
    connection.use((db) => db.pragma('busy_timeout = 50'));
    return connection;
  },
};

const databaseAt = (path: string): DatabaseConfig => ({ name: 'shop', path, identity: 'ask' });

/** A clock that goes on with every look: a go is over after some conflicts. */
function setUp(): { clash: Clash; ids: string[]; path: string; deps: ResolveDeps; stop: AbortController } {
  const rows = Array.from({ length: COUNT }, (_, i) => `(${i}, 0)`).join(', ');
  const clash = new Clash({
    schema: 'CREATE TABLE t(k INTEGER PRIMARY KEY, v)',
    common: `INSERT INTO t VALUES${rows}`,
    first: 'UPDATE t SET v = 1',
    second: 'UPDATE t SET v = 2',
  });
  const stop = new AbortController();
  let ms = Date.now();
  const deps: ResolveDeps = {
    files: impatientFiles,
    now: () => {
      ms += 10;
      return new Date(ms);
    },
    random: { hex: (bytes) => randomBytes(bytes).toString('hex') },
    operator: 'ann',
    limits: { lockHoldMsMax: 100, lockGapMs: 0 },
    onProgress: () => {},
    signal: stop.signal,
  };
  const conflicts = clash.operator(0).conflicts();
  return { clash, ids: conflicts.map(({ id }) => id), path: clash.node(0).path, deps, stop };
}

const request: ResolveRequest = {
  decision: { use: 'loser' },
  force: false,
  leaveDecided: true,
  dryRun: false,
  command: 'conflicts resolve --all --use loser',
};

const operations = ({ clash }: { clash: Clash }) =>
  (clash.node(0).app.prepare('SELECT detail, result FROM _sqlsync_operation').raw().all() as [string, string][]).map(
    ([detail, result]) => ({ ...(JSON.parse(detail) as object), result }),
  );

test('progress is told, and the work is entered once', async () => {
  const made = setUp();
  const told: number[] = [];
  const deps = { ...made.deps, onProgress: (done: number) => told.push(done) };
  const report = await resolveConflicts(databaseAt(made.path), made.ids, request, deps);
  expect(report).toMatchObject({ total: COUNT, resolved: COUNT });
  expect(told.length).toBeGreaterThan(1);
  expect(told.at(-1)).toBe(COUNT);
  expect(operations(made)).toMatchObject([{ resolved: COUNT, result: 'done' }]);
});

test('cut short, what is decided stays, is entered, and is told with what is left', async () => {
  const made = setUp();
  let decided = 0;
  const deps = {
    ...made.deps,
    onProgress: (done: number) => {
      decided = done;
      made.stop.abort(new SqlsyncError('interrupted', 'interrupted'));
    },
  };
  const resolving = resolveConflicts(databaseAt(made.path), made.ids, request, deps);
  await expect(resolving).rejects.toThrow(expect.objectContaining({ code: 'interrupted' }));
  await expect(resolving).rejects.toThrow(`${decided} of ${COUNT} conflicts had their turn`);
  expect(decided).toBeLessThan(COUNT);
  expect(operations(made)).toMatchObject([{ resolved: decided }]);
  const states = made.clash
    .operator(0)
    .conflicts()
    .map(({ state }) => state);
  expect(states.filter((state) => state === 'resolved')).toHaveLength(decided);
});

test('locked out by the application, nothing is half done, and how far it came is told', async () => {
  const made = setUp();
  const application = new SqliteDatabase(made.path);
  const deps = {
    ...made.deps,
    onProgress: () => void (application.inTransaction || application.exec('BEGIN IMMEDIATE')),
  };
  try {
    const resolving = resolveConflicts(databaseAt(made.path), made.ids, request, deps);
    await expect(resolving).rejects.toThrow(/is locked by another program.* of 30 conflicts had their turn/);
  } finally {
    application.close();
  }
  const { resolved } = await resolveConflicts(databaseAt(made.path), made.ids, request, made.deps);
  expect(resolved).toBeLessThan(COUNT);
  expect(made.clash.rows().every((row) => (row as number[])[1] === 1)).toBe(true);
});
