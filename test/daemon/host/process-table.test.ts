/** What Linux tells of the processes that have a file open. Elsewhere there is no /proc, and nothing is told. */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { findHolders, parseLocks } from '../../../src/daemon/host/process-table.js';
import { sqliteBuilds } from '../../../src/daemon/host/sqlite-builds.js';
import { thisHost } from '../../../src/daemon/host/this-host.js';
import { findLongTransactions } from '../../../src/operations/doctor/long-transactions.js';
import { DoctorBench, SOUND } from '../../support/doctor-bench.js';

test('locks are read from fdinfo, and nothing else', () => {
  const text = `pos:\t0
flags:\t02500002
lock:\t1: POSIX  ADVISORY  READ 16832 fe:00:2147970 124 124
lock:\t2: POSIX  ADVISORY  WRITE 16832 fe:00:2147970 120 EOF
lock:\t3: FLOCK  ADVISORY  WRITE 16832 fe:00:2147970 0 EOF
`;
  expect(parseLocks(text)).toEqual([
    { exclusive: false, start: 124, end: 124 },
    { exclusive: true, start: 120, end: Number.MAX_SAFE_INTEGER },
  ]);
});

test('without /proc nothing is known', () => {
  expect(findHolders([import.meta.filename], '/nowhere')).toEqual({ holders: [], hidden: null });
  expect(sqliteBuilds(1, '/nowhere')).toBeNull();
});

// Only Linux has /proc.
describe.skipIf(!existsSync('/proc/self/fdinfo'))('on Linux', () => {
  test('a process that has the file open, its user, and the SQLite it brings', async () => {
    const bench = DoctorBench.of(SOUND);
    const { pid = 0 } = await bench.holding('');
    const { holders } = findHolders([bench.path, `${bench.path}-wal`]);
    expect(holders).toMatchObject([{ pid, program: expect.stringMatching(/./), uid: thisHost.user?.uid }]);
    expect(holders[0]?.files.map(({ path }) => path)).toContain(bench.path);
    expect(sqliteBuilds(pid)).toEqual([
      { file: expect.stringMatching(/better_sqlite3\.node$/), version: thisHost.sqliteVersion },
    ]);
  });

  test.each([
    ['wal', `db.exec('BEGIN'); db.prepare('SELECT * FROM item').get()`, ['reader']],
    ['wal', `db.exec("BEGIN IMMEDIATE; INSERT INTO item VALUES('x', 'x')")`, ['reader', 'writer']],
    ['wal', `db.prepare('SELECT * FROM item').all()`, []],
    ['delete', `db.exec('BEGIN'); db.prepare('SELECT * FROM item').get()`, ['reader']],
    ['delete', `db.exec('BEGIN IMMEDIATE')`, ['reader', 'writer']],
    ['delete', `db.prepare('SELECT * FROM item').all()`, []],
  ])('in mode %s, after %s: %j', async (journalMode, script, kinds) => {
    const bench = DoctorBench.of(SOUND, { journalMode });
    const { pid } = await bench.holding(script);
    const paths = [bench.path, `${bench.path}-shm`];
    const found = await findLongTransactions(findHolders(paths), paths, journalMode === 'wal', thisHost);
    expect(found.map((transaction) => [transaction.pid, transaction.kind])).toEqual(kinds.map((kind) => [pid, kind]));
  });
});
