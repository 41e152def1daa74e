/** What a command writes beside a daemon: recorded like an application's, without the application's triggers. */
import type { Database } from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { OperatorWrites } from '../../src/replication/operator-writes.js';
import { captured, changesOf, clearLog, readChanges } from '../support/captured-database.js';

const NOW_MS = 1_700_000_000_000;
const SCHEMA = `CREATE TABLE t(id TEXT PRIMARY KEY, v); CREATE TABLE audit(id TEXT PRIMARY KEY, v);
  CREATE VIRTUAL TABLE words USING fts5(v);
  CREATE TRIGGER audited AFTER UPDATE ON t BEGIN INSERT INTO audit VALUES(hex(randomblob(8)), NEW.v); END;
  CREATE TRIGGER indexed AFTER UPDATE ON t BEGIN INSERT INTO words VALUES(NEW.v); END;
  CREATE TRIGGER foreign_function AFTER UPDATE ON t BEGIN SELECT only_the_application_has_it(NEW.v); END;
  INSERT INTO t VALUES('a', 1);`;

function writeAll(db: Database, sql: string): void {
  OperatorWrites.transaction(db, NOW_MS, (writes) => writes.db.exec(sql));
}

const count = (db: Database, table: string) => db.prepare(`SELECT count(*) FROM ${table}`).pluck().get();

describe('an operator’s write', () => {
  test('is recorded, fires only what is local, and leaves the connection as it was', () => {
    const db = captured(SCHEMA);
    clearLog(db);
    writeAll(db, `UPDATE t SET v = 2`);
    expect(readChanges(db)).toEqual([{ op: 'update', table: 't', key: ['a'], columns: ['v'] }]);
    expect([count(db, 'audit'), count(db, 'words')]).toEqual([0, 1]);
    db.exec('DROP TRIGGER foreign_function');
    expect(changesOf(db, 'UPDATE t SET v = 3')).toEqual(['update t("a"): v', expect.stringMatching(/^insert audit/)]);
  });

  test('of one of sqlsync’s own tables is entered into the log', () => {
    const db = captured(SCHEMA);
    clearLog(db);
    const record = { id: 'f00d', node: 'test', operator: 'ann', command: 'prune', detail: { a: 1 }, result: 'done' };
    OperatorWrites.transaction(db, NOW_MS, (writes) => writes.recordOperation(record));
    expect(db.prepare('SELECT id, at, operator, detail FROM _sqlsync_operation').raw().all()).toEqual([
      ['f00d', NOW_MS, 'ann', '{"a":1}'],
    ]);
    expect(readChanges(db)).toEqual([{ op: 'insert', table: '_sqlsync_operation', key: ['f00d'], columns: [] }]);
  });

  test('is undone whole when something goes wrong', () => {
    const db = captured(SCHEMA);
    const before = db.serialize();
    expect(() => writeAll(db, `UPDATE t SET v = 2; INSERT INTO nowhere VALUES(1)`)).toThrow('no such table');
    expect(db.inTransaction).toBe(false);
    expect(db.serialize().equals(before)).toBe(true);
  });

  test('is refused where it would go unrecorded', () => {
    const db = captured(SCHEMA);
    const [name] = db.prepare("SELECT name FROM sqlite_schema WHERE name LIKE '%update'").pluck().all() as string[];
    db.exec(`DROP TRIGGER ${name}`);
    expect(() => writeAll(db, 'UPDATE t SET v = 2')).toThrow(expect.objectContaining({ code: 'coverage-partial' }));
    expect(db.prepare('SELECT v FROM t').pluck().get()).toBe(1);
  });
});
