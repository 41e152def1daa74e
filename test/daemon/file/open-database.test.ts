import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { checkDatabaseFile, openDatabase } from '../../../src/daemon/file/open-database.js';
import type { ErrorCode } from '../../../src/errors.js';
import { scratchDirectory } from '../scratch-directory.js';

const scratch = scratchDirectory();

function makeDatabase(name: string): string {
  const path = join(scratch, name);
  const db = new Sqlite(path);
  db.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES(1, 2)');
  db.close();
  return path;
}

function codeOf(work: () => unknown): ErrorCode | 'none' {
  try {
    work();
    return 'none';
  } catch (error) {
    return (error as { code: ErrorCode }).code;
  }
}

describe('openDatabase', () => {
  it('opens a file by a symlink under its real path, and leaves its journal mode', () => {
    const path = makeDatabase('plain.db');
    const link = join(scratch, 'link.db');
    symlinkSync(path, link);
    const handles = openDatabase(link);
    expect(handles.path).toBe(path);
    expect(handles.reader.prepare('SELECT x FROM t').pluck().get()).toBe(2);
    expect(handles.writer.pragma('journal_mode', { simple: true })).toBe('delete');
    expect(handles.writer.pragma('foreign_keys', { simple: true })).toBe(0);
    handles.close();
  });

  it('lets nothing write through the reader', () => {
    const handles = openDatabase(makeDatabase('reader.db'));
    expect(() => handles.reader.exec('DELETE FROM t')).toThrow(/readonly/);
    handles.close();
  });

  it('says that there is no file, and makes none', () => {
    expect(codeOf(() => openDatabase(join(scratch, 'absent.db')))).toBe('database-missing');
    expect(() => openDatabase(join(scratch, 'absent.db'))).toThrow(/absent\.db does not exist$/);
    expect(codeOf(() => readFileSync(join(scratch, 'absent.db')))).toBe('ENOENT');
  });

  it('says that a directory, a text or an encrypted file is no database', () => {
    const text = join(scratch, 'text.db');
    writeFileSync(text, 'this is not a database, though it is long enough to be looked at'.repeat(100));
    mkdirSync(join(scratch, 'directory.db'));
    expect(codeOf(() => openDatabase(text))).toBe('database-not-sqlite');
    expect(codeOf(() => openDatabase(join(scratch, 'directory.db')))).toBe('database-not-sqlite');
  });

  it('says that a file is damaged', () => {
    const path = makeDatabase('damaged.db');
    const bytes = readFileSync(path);
    bytes.fill(0xff, 100, 1000);
    writeFileSync(path, bytes);
    expect(codeOf(() => openDatabase(path))).toBe('database-damaged');
  });

  it('opens a file that another connection has locked: a lock passes', () => {
    const path = makeDatabase('locked.db');
    const other = new Sqlite(path);
    other.exec('BEGIN EXCLUSIVE');
    openDatabase(path).close();
    other.close();
  });
});

describe('checkDatabaseFile, as a user without rights', () => {
  /** Root may do everything, so the check runs as nobody. */
  function codeAsNobody(path: string): string {
    const script = `
      const { checkDatabaseFile } = await import(${JSON.stringify(join(import.meta.dirname, '../../../src/daemon/file/open-database.ts'))});
      process.setgroups([]); process.setgid(65534); process.setuid(65534);
      try { checkDatabaseFile(${JSON.stringify(path)}); console.log('none'); } catch (error) { console.log(error.code); }`;
    const result = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    return result.stdout.trim() || result.stderr;
  }

  // Only root can become nobody.
  it.runIf(process.getuid?.() === 0)('tells permission from a read-only file', () => {
    chmodSync(scratch, 0o755);
    const path = makeDatabase('rights.db');
    chmodSync(path, 0o600);
    expect(codeAsNobody(path)).toBe('database-permission');
    chmodSync(path, 0o644);
    expect(codeAsNobody(path)).toBe('database-read-only');
    chmodSync(path, 0o666);
    // The directory still belongs to root: no journal can be made in it.
    expect(codeAsNobody(path)).toBe('database-read-only');
    const own = join(scratch, 'own');
    mkdirSync(own);
    chownSync(own, 65534, 65534);
    const inside = makeDatabase('own/rights.db');
    chmodSync(inside, 0o666);
    expect(codeAsNobody(inside)).toBe('none');
  });

  it('passes a good file', () => {
    const path = makeDatabase('good.db');
    expect(checkDatabaseFile(path)).toBe(path);
  });
});
