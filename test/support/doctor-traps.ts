/** Every trap that the doctor knows, laid on a real file: code → what sets it. The compiler sees to it that none is left out. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SideDirectory, writeJsonFile } from '../../src/daemon/file/side-directory.js';
import { checkStamps } from '../../src/operations/doctor/clock-checks.js';
import type { DoctorReport } from '../../src/operations/doctor/diagnose.js';
import type { CheckCode, DatabaseFinding } from '../../src/operations/doctor/finding.js';
import type { FileEntry } from '../../src/operations/doctor/host.js';
import { type BenchOptions, DoctorBench, SOUND } from './doctor-bench.js';
import { MigrationSteps } from './migrating-node.js';

type Trap = () => Promise<DoctorReport | { readonly items: readonly DatabaseFinding[] }>;

const diagnosed = (schema: string, options?: BenchOptions) => DoctorBench.of(schema, options).diagnose();
const sound = (options?: BenchOptions) => DoctorBench.of(SOUND, options);
const mount = (type: string) => ({ folder: '/srv', options: ['rw'], type, source: 'server:/export' });
const OTHER_UID = 4711;

const PARENT_AND_CHILD = `CREATE TABLE parent(id TEXT PRIMARY KEY NOT NULL);
  CREATE TABLE child(id TEXT PRIMARY KEY NOT NULL, p TEXT REFERENCES parent ON DELETE CASCADE); CREATE INDEX cp ON child(p)`;

/** Files of this host whose owner or mode is another. */
function withEntries(bench: DoctorBench, change: (path: string, entry: FileEntry) => Partial<FileEntry>): DoctorBench {
  const { entryOf } = bench.host;
  return bench.on({
    entryOf: (path) => {
      const entry = entryOf(path);
      return entry === null ? null : { ...entry, ...change(path, entry) };
    },
  });
}

/** Another process that holds the file's lock, as a daemon or a command does. */
async function locked(controlSocket: string | null): Promise<DoctorBench> {
  const bench = sound();
  const side = SideDirectory.open(bench.path);
  const { pid } = await bench.holding(`db.exec('BEGIN EXCLUSIVE')`, side.lockPath);
  writeJsonFile(side.holderPath, { pid, since: new Date().toISOString(), controlSocket });
  return bench;
}

/** As a migration does, and then dies. */
function liftTriggers(path: string): void {
  const steps = new MigrationSteps(path);
  steps.lift();
  steps.close();
}

function skewedBy(seconds: number): ReturnType<Trap> {
  return Promise.resolve({
    items: checkStamps({ latestHlc: null, nowMs: 0, skews: [{ peer: 'lyon', seconds }], aheadSecondsMax: 300 }),
  });
}

const tables = {
  'table-refused': () => diagnosed('CREATE TABLE log(x)', { exclude: null }),
  'key-null': () => {
    const bench = DoctorBench.of('CREATE TABLE t(id TEXT PRIMARY KEY, x)');
    bench.application((db) => db.exec('INSERT INTO t VALUES(NULL, 1)'));
    return bench.diagnose();
  },
  'key-nullable': () => diagnosed('CREATE TABLE t(id TEXT PRIMARY KEY, x)'),
  'integer-keys': () => diagnosed('CREATE TABLE t(id INTEGER PRIMARY KEY, x)'),
  'unique-values': () => diagnosed('CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, mail UNIQUE)'),
  'virtual-table-alone': () => diagnosed(`${SOUND}; CREATE VIRTUAL TABLE fts USING fts5(name)`),
  'other-replicator': () => diagnosed(`${SOUND}; CREATE TABLE _litestream_seq(id INTEGER PRIMARY KEY, seq INTEGER)`),
  'foreign-key-unindexed': () => diagnosed(`${PARENT_AND_CHILD}; DROP INDEX cp`),
  'foreign-key-broken': () => diagnosed('CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, p REFERENCES gone)'),
  'foreign-key-to-excluded': () => diagnosed(PARENT_AND_CHILD, { exclude: ['parent'] }),
  'foreign-key-from-excluded': () => diagnosed(PARENT_AND_CHILD, { exclude: ['child'] }),
  'trigger-unproven': () =>
    diagnosed(
      `${SOUND}; CREATE TABLE log(x); CREATE TRIGGER tr AFTER INSERT ON item BEGIN INSERT INTO log VALUES(my_function()); END`,
      {
        exclude: ['log'],
      },
    ),
  'trigger-writes-excluded': () =>
    diagnosed(
      `${SOUND}; CREATE TABLE log(x); CREATE TRIGGER tr AFTER INSERT ON item BEGIN INSERT INTO log VALUES(1); UPDATE item SET name = 'x'; END`,
      { exclude: ['log'] },
    ),
  'trigger-fires': () =>
    diagnosed(
      `${SOUND}; CREATE TABLE log(x); CREATE TRIGGER tr AFTER INSERT ON item BEGIN INSERT INTO log VALUES(1); END`,
      {
        exclude: ['log'],
      },
    ),
  'migration-tool': () => diagnosed(`${SOUND}; CREATE TABLE alembic_version(version_num TEXT PRIMARY KEY NOT NULL)`),
  'migration-table-replicated': () =>
    diagnosed(`${SOUND}; CREATE TABLE seaql_migrations(version TEXT PRIMARY KEY NOT NULL)`),
  'drop-column-indexed': () => diagnosed(`${SOUND}; CREATE UNIQUE INDEX by_name ON item(name)`),
  'not-installed': () => diagnosed(SOUND, { exclude: null }),
  'coverage-partial': () => {
    const bench = sound();
    bench.application((db) => db.exec('DROP TRIGGER _sqlsync_10_delete'));
    return bench.diagnose();
  },
  'coverage-unknown': () => {
    const bench = sound();
    const gap = JSON.stringify({ since: Date.now(), tables: ['item'] });
    bench.application((db) => db.prepare(`UPDATE _sqlsync_state SET value = ? WHERE name = 'gap'`).run(gap));
    return bench.diagnose();
  },
  'migration-under-way': async () => {
    const bench = await locked(null);
    liftTriggers(bench.path);
    return bench.diagnose();
  },
  'migration-cut-short': () => {
    const bench = sound();
    liftTriggers(bench.path);
    return bench.diagnose();
  },
  'table-lost': () => {
    const bench = sound();
    bench.application((db) => db.exec('DROP TABLE item'));
    return bench.diagnose();
  },
} satisfies Partial<Record<CheckCode, Trap>>;

const MANY_ROWS = `INSERT INTO item SELECT hex(randomblob(8)), zeroblob(3000) FROM
  (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i FROM n)`;

const files = {
  'journal-rollback': () => sound({ journalMode: 'delete' }).diagnose(),
  'wal-not-checkpointed': async () => {
    const bench = sound();
    await bench.holding(`db.exec('BEGIN; SELECT 1 FROM item')`);
    bench.application((db) => db.exec(MANY_ROWS));
    return bench.diagnose();
  },
  'wal-large': async () => {
    const bench = sound();
    await bench.holding(`db.exec("INSERT INTO item VALUES('x', 'x')")`);
    return withEntries(bench, (path) => (path.endsWith('-wal') ? { bytes: 2 ** 30 } : {})).diagnose();
  },
  'reader-long': async () => {
    const bench = sound({ journalMode: 'delete' });
    bench.application((db) => db.exec(`INSERT INTO item VALUES('a', 'x'), ('b', 'x')`));
    await bench.holding(`db.exec('BEGIN'); db.prepare('SELECT * FROM item').get()`);
    return bench.diagnose();
  },
  'writer-long': async () => {
    const bench = sound();
    await bench.holding(`db.exec("BEGIN IMMEDIATE; INSERT INTO item VALUES('x', 'x')")`);
    return bench.diagnose();
  },
  'page-size-small': () => sound({ before: 'PRAGMA page_size = 1024' }).diagnose(),
  'auto-vacuum-full': () => sound({ before: 'PRAGMA auto_vacuum = FULL' }).diagnose(),
  'free-pages-many': () => {
    const bench = sound();
    bench.application((db) => db.exec(`INSERT INTO item VALUES('x', zeroblob(80000000)); DELETE FROM item`));
    return bench.diagnose();
  },
  'integrity-unchecked': () => sound().diagnose(),
  'integrity-failed': () => {
    const bench = DoctorBench.of(
      'CREATE TABLE t(id INTEGER PRIMARY KEY, x); CREATE INDEX tx ON t(x); INSERT INTO t VALUES(1, 2)',
    );
    bench.application((db) => {
      db.unsafeMode(true);
      db.exec(
        `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE t(id INTEGER PRIMARY KEY, x CHECK(x > 5) NOT NULL)' WHERE name = 't'`,
      );
    });
    return bench.diagnose({ deep: true });
  },
  'foreign-key-violated': () => {
    const bench = DoctorBench.of(PARENT_AND_CHILD);
    bench.application((db) => db.exec(`PRAGMA foreign_keys = OFF; INSERT INTO child VALUES('c', 'nobody')`));
    return bench.diagnose({ deep: true });
  },
  'not-writable': () => {
    const bench = sound();
    chmodSync(bench.path, 0o444);
    return withEntries(bench, () => ({ uid: OTHER_UID, gid: OTHER_UID })).diagnose();
  },
  'owners-differ': async () => {
    const bench = sound();
    await bench.holding(`db.exec("INSERT INTO item VALUES('x', 'x')")`);
    return withEntries(bench, (path) => (path.endsWith('-shm') ? { uid: OTHER_UID } : {})).diagnose();
  },
  'writable-by-all': () => {
    const bench = sound();
    chmodSync(bench.path, 0o666);
    return bench.diagnose();
  },
  'side-folder-foreign': () => {
    const bench = sound();
    mkdirSync(`${bench.path}.sqlsync`);
    return withEntries(bench, (path) =>
      path.endsWith('.sqlsync') ? { uid: OTHER_UID } : { uid: OTHER_UID + 1 },
    ).diagnose();
  },
  'permissions-unknown': () => sound().on({ user: null }).diagnose(),
  'file-system-network': () =>
    sound()
      .on({ mountOf: () => mount('nfs4') })
      .diagnose(),
  'file-system-userspace': () =>
    sound()
      .on({ mountOf: () => mount('fuse.sshfs') })
      .diagnose(),
  'file-system-memory': () =>
    sound()
      .on({ mountOf: () => mount('tmpfs') })
      .diagnose(),
  'file-system-overlay': () =>
    sound()
      .on({ mountOf: () => mount('overlay') })
      .diagnose(),
  'file-system-unknown': () =>
    sound()
      .on({ mountOf: () => null })
      .diagnose(),
  'disk-low': () =>
    sound()
      .configure({ health: { diskFreeBytesMin: '1GiB' } })
      .on({ freeBytes: () => 1000 })
      .diagnose(),
  'disk-tight': () =>
    sound()
      .on({ freeBytes: () => 1000 })
      .diagnose(),
  'disk-unknown': () =>
    sound()
      .on({ freeBytes: () => null })
      .diagnose(),
} satisfies Partial<Record<CheckCode, Trap>>;

const host = {
  'sqlite-wal-reset': async () => {
    const bench = sound();
    await bench.holding('');
    return bench.on({ sqliteBuilds: () => [{ file: '/usr/lib/libsqlite3.so.0', version: '3.40.1' }] }).diagnose();
  },
  'sqlite-shell-wal-reset': () =>
    sound()
      .on({ shellVersion: async () => '3.50.6' })
      .diagnose(),
  'sqlite-build-unknown': async () => {
    const bench = sound();
    await bench.holding('');
    return bench.on({ sqliteBuilds: () => [{ file: '/opt/app', version: null }] }).diagnose();
  },
  'applications-unknown': () => sound().diagnose(),
  'daemon-down': () => sound().diagnose(),
  'daemon-silent': async () => (await locked('/nowhere/control.sock')).diagnose(),
  'lock-held': async () => (await locked(null)).diagnose(),
  'clock-unsynchronised': () =>
    sound()
      .on({ isClockSynchronised: async () => false })
      .diagnose(),
  'clock-unknown': () =>
    sound()
      .on({ isClockSynchronised: async () => null })
      .diagnose(),
  'clock-behind-stamps': () => {
    const bench = sound();
    bench.application((db) =>
      db.exec('INSERT INTO _sqlsync_log(hlc, op) SELECT max(hlc) + 2048 * 60000, 5 FROM _sqlsync_log'),
    );
    return bench.diagnose();
  },
  'clock-skewed': () => skewedBy(-12),
  'clock-refused': () => skewedBy(301),
  'clock-skew-unknown': () =>
    sound()
      .configure({ peers: [{ name: 'lyon', url: 'http://127.0.0.1:1' }] })
      .diagnose(),
  'not-configured': () => {
    const bench = sound().configure({ databases: [] });
    return bench.diagnoseNamed([bench.path]);
  },
  'config-writable': () => {
    const bench = sound().configure();
    chmodSync(bench.configFile ?? '', 0o666);
    return bench.diagnose();
  },
  'secret-unknown': () => sound().configure({ secretFile: null }).diagnose(),
  'key-file-exposed': () => {
    const bench = sound();
    const key = join(bench.folder, 'key.pem');
    writeFileSync(key, '', { mode: 0o644 });
    return bench.configure({ tls: { cert: key, key } }).diagnose();
  },
  'admin-open': () =>
    sound()
      .configure({ admin: { listen: '0.0.0.0:7430' } })
      .diagnose(),
  versions: () => sound().diagnose(),
} satisfies Partial<Record<CheckCode, Trap>>;

export const TRAPS: Readonly<Record<CheckCode, Trap>> = { ...tables, ...files, ...host };
