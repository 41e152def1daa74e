/** Checks by their facts: what is told apart, and what is said of it. */
import { expect, test } from 'vitest';
import { mountPointOf } from '../../../src/mount-points.js';
import { migrationToolOf } from '../../../src/operations/doctor/migration-tools.js';
import { checkPermissions, type PermissionFacts } from '../../../src/operations/doctor/permission-checks.js';
import { hasWalResetBug } from '../../../src/operations/doctor/program-checks.js';
import { checkStorage } from '../../../src/operations/doctor/storage-checks.js';

test.each([
  ['3.6.23', false],
  ['3.40.1', true],
  ['3.44.5', true],
  ['3.44.6', false],
  ['3.45.0', true],
  ['3.50.6', true],
  ['3.50.7', false],
  ['3.51.2', true],
  ['3.51.3', false],
  ['3.53.2', false],
  ['4.0.0', false],
])('SQLite %s has the WAL-reset bug: %s', (version, has) => expect(hasWalResetBug(version)).toBe(has));

test.each([
  ['migrations', ['id', 'timestamp', 'name'], 'TypeORM'],
  ['migrations', ['id', 'migration', 'batch'], 'Laravel'],
  ['migrations', ['id', 'what'], undefined],
  ['schema_migrations', ['version', 'dirty'], 'golang-migrate'],
  ['schema_migrations', ['version'], 'Rails, dbmate or the like'],
  ['sequelizemeta', ['name'], 'Sequelize'],
  ['item', ['id'], undefined],
])('a table %s(%j) is that of %s', (table, columns, tool) => expect(migrationToolOf(table, columns)?.name).toBe(tool));

test('a mount is told with its type and source', () => {
  const mounts = [
    '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
    '40 22 0:50 / /srv/data rw,relatime shared:9 - nfs4 nas:/export\\040x rw,vers=4.2,nolock',
  ].join('\n');
  expect(mountPointOf('/srv/data/shop.db', mounts)).toEqual({
    folder: '/srv/data',
    options: ['rw', 'relatime', 'vers=4.2', 'nolock'],
    type: 'nfs4',
    source: 'nas:/export x',
  });
  expect(mountPointOf('/srv/database', mounts)).toMatchObject({ type: 'ext4' });
  expect(mountPointOf('/srv', '')).toBeNull();
});

const entry = (path: string, uid: number, mode: number, gid = uid) => ({ path, uid, gid, mode, bytes: 0 });
const SOUND: PermissionFacts = {
  database: entry('/srv/shop.db', 33, 0o640),
  beside: [entry('/srv/shop.db-wal', 33, 0o640), entry('/srv/shop.db-shm', 33, 0o640)],
  folder: entry('/srv', 33, 0o755),
  sideFolder: entry('/srv/shop.db.sqlsync', 33, 0o700),
  writers: [{ who: 'process 7 (app)', uid: 33, gids: [33] }],
  daemon: { who: 'process 8 (node)', uid: 33, gids: [33] },
  doctor: { uid: 33, gids: [33] },
  userName: (uid) => `uid ${uid}`,
};
const found = (change: Partial<PermissionFacts>) => checkPermissions({ ...SOUND, ...change });

test('one user for all is well; so is a common group that may write', () => {
  expect(found({})).toEqual([]);
  const shared = (path: string) => entry(path, 33, 0o660, 50);
  expect(
    found({
      database: shared('/srv/shop.db'),
      beside: [shared('/srv/shop.db-wal')],
      folder: entry('/srv', 0, 0o775, 50),
      writers: [{ who: 'process 7 (app)', uid: 1000, gids: [1000, 50] }],
      daemon: { who: 'process 8 (node)', uid: 33, gids: [33, 50] },
    }),
  ).toEqual([]);
});

test('a log that root has left behind is told to whom it bars, with what to type', () => {
  const findings = found({ beside: [entry('/srv/shop.db-wal', 0, 0o644)] });
  expect(findings.map(({ code }) => code)).toEqual(['not-writable', 'not-writable', 'not-writable', 'owners-differ']);
  expect(findings[1]?.message).toMatch(/^process 7 \(app\), uid 33, cannot write \/srv\/shop.db-wal/);
  expect(findings[0]?.what).toMatch(/^chown --reference=\/srv\/shop.db \/srv\/shop.db-wal && chmod --reference/);
});

test('a group counts only for who is in it, and root is barred from nothing', () => {
  const daemon = { who: 'process 8 (node)', uid: 1000, gids: [1000] };
  expect(found({ daemon }).map(({ code, message }) => [code, message.includes('process 8')])).toContainEqual([
    'not-writable',
    true,
  ]);
  expect(found({ daemon: { ...daemon, uid: 0 } })).toEqual([]);
});

test('a folder that others may write is well with the sticky bit', () => {
  expect(found({ folder: entry('/tmp', 0, 0o1777) })).toEqual([]);
  expect(found({ folder: entry('/tmp', 0, 0o777) }).map(({ what }) => what)).toEqual(['chmod o-w /tmp']);
});

test('a folder of another user’s bars the daemon; without one it is measured by the file’s owner', () => {
  const sideFolder = entry('/srv/shop.db.sqlsync', 0, 0o700);
  expect(found({ sideFolder })).toMatchObject([
    { code: 'side-folder-foreign', what: 'chown -R 33 /srv/shop.db.sqlsync' },
  ]);
  expect(found({ sideFolder, daemon: null })).toMatchObject([{ code: 'side-folder-foreign' }]);
});

const STORAGE = {
  journalMode: 'wal',
  pageBytes: 4096,
  pages: 1000,
  freePages: 0,
  autoVacuum: 'none',
  wal: { frames: 100, checkpointed: 100 },
  deep: { damage: [], orphans: [] },
} as const;
const CONTEXT = { path: '/srv/shop.db', walBytes: 4096, isInUse: true, transactions: [] };
const READER = { pid: 7, program: 'app', kind: 'reader', atLeastMs: 800 } as const;

test('a reader in WAL mode matters only once the log waits for it; a log left by a killed program does not', () => {
  const transactions = [READER];
  const codes = (frames: number, isInUse = true) =>
    checkStorage({ ...STORAGE, wal: { frames, checkpointed: 0 } }, { ...CONTEXT, transactions, isInUse }).map(
      ({ code }) => code,
    );
  expect(codes(100)).toEqual([]);
  expect(codes(2000)).toEqual(['reader-long']);
  expect(codes(5000)).toEqual(['wal-not-checkpointed', 'reader-long']);
  expect(codes(5000, false)).toEqual(['reader-long']);
});
