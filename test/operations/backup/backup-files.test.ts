/** Backups as files: what is stored, what verification makes of damage, and what a run leaves that breaks off. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import Sqlite from 'better-sqlite3';
import { expect, test } from 'vitest';
import { localFiles } from '../../../src/daemon/local-files.js';
import { type BackupKey, readBackupKey } from '../../../src/operations/backup/backup-key.js';
import { parseBackupName } from '../../../src/operations/backup/backup-name.js';
import { FolderStore } from '../../../src/operations/backup/folder-store.js';
import { inspectCopy } from '../../../src/operations/backup/inspect-copy.js';
import { listBackups, pruneBackups } from '../../../src/operations/backup/list-backups.js';
import { packBackup } from '../../../src/operations/backup/pack-backup.js';
import { verifyBackup } from '../../../src/operations/backup/verify-backup.js';
import { initialiseNode } from '../../../src/replication/initialise.js';
import { planCapture } from '../../../src/replication/plan-capture.js';
import { makeFolder } from '../../support/make-folder.js';

const NEVER = new AbortController().signal;
const OWNER = { database: 'shop', node: 'paris' };

function makeDatabase(folder: string): string {
  const path = join(folder, 'made.db');
  const db = new Sqlite(path);
  db.exec(`CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, parent REFERENCES item);
    WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 500)
    INSERT INTO item SELECT i, 'item ' || i, NULL FROM n;`);
  initialiseNode(
    db,
    { dataset: 'd'.repeat(32), node: 'paris', nodeId: 'a'.repeat(32), nowMs: 1e12 },
    planCapture(db, { include: [], exclude: [] }),
  );
  db.close();
  return path;
}

async function pack(folder: string, at = new Date(), key: BackupKey | null = null) {
  const copyPath = makeDatabase(folder);
  const contents = await inspectCopy(copyPath, localFiles);
  const store = new FolderStore(join(folder, 'backups'));
  const rest = { database: 'shop', sqlsyncVersion: '1.0.0', onBytes: () => {}, signal: NEVER };
  const packed = await packBackup({ copyPath, contents, at, store, key, ...rest });
  rmSync(copyPath);
  return { store, ...packed };
}

const verify = (store: FolderStore, name: string, key: BackupKey | null = null) =>
  verifyBackup(
    { backup: { store, name }, key, copyPath: join(makeFolder(), 'copy.db'), onBytes: () => {}, signal: NEVER },
    { files: localFiles, now: () => new Date() },
  );

test('a backup is whole, says what is in it, and is found by its name', async () => {
  const at = new Date('2026-01-02T03:04:05.678Z');
  const { store, name, path, bytes } = await pack(makeFolder(), at);
  expect(name).toBe('shop.paris.20260102T030405678Z.db.gz');
  expect(parseBackupName(name)).toEqual({ ...OWNER, at, isEncrypted: false });
  expect(statSync(path).size).toBe(bytes);
  const [item] = await listBackups(store);
  expect(item).toMatchObject({ ...OWNER, path, bytes, at: at.toISOString(), complete: true, encrypted: false });
  expect(await verify(store, name)).toMatchObject({ ok: true, problems: [], rows: 500, foreignKeyViolations: 0 });
});

test('any byte that changes, comes or goes is found, in the backup and in its manifest', async () => {
  const { store, name, path } = await pack(makeFolder());
  for (const file of [path, `${path}.json`]) {
    const whole = readFileSync(file);
    // Beginning and end hold what checksums of a format may leave out: headers, times, padding, lengths.
    const edges = [...Array(24).keys()].flatMap((i) => [i, whole.length - 1 - i]);
    const spread = [...Array(12).keys()].map((i) => Math.floor((whole.length * (i + 1)) / 13));
    for (const place of [...edges, ...spread]) {
      const changed = Buffer.from(whole);
      changed[place] = (changed[place] ?? 0) ^ 0x01;
      writeFileSync(file, changed);
      expect(await verify(store, name), `byte ${place} of ${file}`).toMatchObject({ ok: false });
    }
    for (const other of [whole.subarray(0, -1), Buffer.concat([whole, Buffer.from('\n')]), Buffer.alloc(0)]) {
      writeFileSync(file, other);
      expect(await verify(store, name)).toMatchObject({ ok: false });
    }
    writeFileSync(file, whole);
  }
  expect(await verify(store, name)).toMatchObject({ ok: true });
});

test('without a manifest there is nothing to verify, and the list says so', async () => {
  const { store, name, path } = await pack(makeFolder());
  rmSync(`${path}.json`);
  await expect(verify(store, name)).rejects.toMatchObject({ code: 'backup-missing' });
  expect(await listBackups(store)).toMatchObject([{ complete: false }]);
});

test('another backup’s manifest is not taken for this one’s', async () => {
  const folder = makeFolder();
  const { path, store } = await pack(folder, new Date(1e12));
  const other = await pack(folder, new Date(2e12));
  copyFileSync(`${path}.json`, `${other.path}.json`);
  expect(await verify(store, other.name)).toMatchObject({ ok: false });
});

test('an encrypted backup is opened by its key alone, and damage in it is found', async () => {
  const folder = makeFolder();
  const identity = await generateIdentity();
  const [secret, open, other] = ['secret', 'public', 'other'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(secret, `# made for a test\n${identity}\n`, { mode: 0o600 });
  writeFileSync(open, `${await identityToRecipient(identity)}\n`, { mode: 0o600 });
  writeFileSync(other, `${await generateIdentity()}\n`, { mode: 0o600 });
  const { store, name, path } = await pack(folder, new Date(), readBackupKey(open));
  expect(name).toMatch(/\.db\.gz\.age$/);
  expect(readFileSync(path).subarray(0, 21).toString()).toBe('age-encryption.org/v1');
  expect(await verify(store, name, readBackupKey(secret))).toMatchObject({ ok: true, rows: 500 });
  for (const key of [null, readBackupKey(open), readBackupKey(other)]) {
    await expect(verify(store, name, key)).rejects.toMatchObject({ code: 'backup-key' });
  }
  const whole = readFileSync(path);
  for (const place of [5, 100, whole.length - 5, whole.length >> 1]) {
    const changed = Buffer.from(whole);
    changed[place] = (changed[place] ?? 0) ^ 0x80;
    writeFileSync(path, changed);
    const found = await verify(store, name, readBackupKey(secret)).catch(({ code }) => code);
    expect(found === 'backup-key' || found.ok === false, `byte ${place}: ${JSON.stringify(found)}`).toBe(true);
  }
  writeFileSync(open, 'no key at all\n');
  expect(() => readBackupKey(open)).toThrow(expect.objectContaining({ code: 'backup-key' }));
});

test('what breaks off leaves nothing, and what a dead run has left goes', async () => {
  const folder = makeFolder();
  const { store, name } = await pack(folder);
  const backups = join(folder, 'backups');
  const before = readdirSync(backups).sort();
  const broken = new Readable({
    read() {
      this.push(Buffer.alloc(1000));
      this.destroy(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
    },
  });
  const put = store.put({ name: name.replace('.db', '1.db'), data: broken, manifest: () => '{}' });
  await expect(put).rejects.toMatchObject({ code: 'disk-full', exitCode: 74 });
  expect(readdirSync(backups).sort()).toEqual(before);

  const whole = 'shop.paris.20200102T030405678Z.db.gz';
  const litter = [`.${whole}.partial-0123`, `.${whole}.json.partial-0123`, `${whole}.json`];
  const others = [`.shop.lyon.20200102T030405678Z.db.gz.partial-0123`, '.notes', 'shop.paris.txt'];
  for (const file of [...litter, ...others]) writeFileSync(join(backups, file), 'x');
  await store.removeLeftovers(OWNER);
  expect(readdirSync(backups).sort()).toEqual([...before, ...others].sort());
});

test('retention touches nobody else’s backups, and says beforehand what would go', async () => {
  const folder = makeFolder();
  const packed = [];
  for (let hour = 0; hour < 4; hour += 1) packed.push(await pack(folder, new Date(Date.UTC(2026, 0, 1, hour))));
  const [{ store }] = packed as [(typeof packed)[number]];
  const backups = join(folder, 'backups');
  const foreign = ['shop.lyon', 'shops.paris'].map((owner) => `${owner}.20200102T030405678Z.db.gz`);
  for (const name of foreign) for (const file of [name, `${name}.json`]) writeFileSync(join(backups, file), 'x');
  const keep = { last: 2, daily: 0, weekly: 0, monthly: 0 };
  const names = packed.map(({ path }) => path);
  const planned = await pruneBackups(store, OWNER, keep, true);
  expect(planned.map(({ path }) => path)).toEqual([names[1], names[0]]);
  expect(names.every((path) => existsSync(path))).toBe(true);
  expect(await pruneBackups(store, OWNER, keep, false)).toEqual(planned);
  expect(names.map((path) => existsSync(path) && existsSync(`${path}.json`))).toEqual([false, false, true, true]);
  expect(readdirSync(backups)).toHaveLength(8);
});

test('a place that cannot be used is told by name', async () => {
  const folder = makeFolder();
  writeFileSync(join(folder, 'file'), '');
  const store = new FolderStore(join(folder, 'file'));
  await expect(store.list()).rejects.toMatchObject({ code: 'backup-store' });
  const data = Readable.from([Buffer.alloc(1)]);
  await expect(store.put({ name: 'a', data, manifest: () => '' })).rejects.toMatchObject({ code: 'backup-store' });
  expect(await new FolderStore(join(folder, 'nowhere')).list()).toEqual([]);
  mkdirSync(join(folder, 'shop.paris.20200102T030405678Z.db.gz'));
  expect(await listBackups(new FolderStore(folder))).toEqual([]);
});
