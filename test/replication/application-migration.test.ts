/** Whatever a migration does to captured tables, what it wrote is in the log afterwards, and nothing else. */
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { readMigrationStart } from '../../src/replication/application-migration.js';
import { initialiseNode } from '../../src/replication/initialise.js';
import { inspectCapture } from '../../src/replication/inspect-capture.js';
import { isWatching } from '../../src/replication/migration-watch.js';
import { planCapture } from '../../src/replication/plan-capture.js';
import { readRegistryEntries } from '../../src/replication/registry.js';
import { Replica } from '../../src/replication/replica.js';
import { changesOf, clearLog, install, readChanges } from '../support/captured-database.js';
import { TEST_LIMITS } from '../support/engine-node.js';
import { MigratingFile } from '../support/migrating-node.js';

const SCHEMA = `CREATE TABLE t(id INTEGER PRIMARY KEY, a, b TEXT COLLATE NOCASE, c); CREATE UNIQUE INDEX tb ON t(b);
  INSERT INTO t VALUES(1, 1, 'x', 1), (2, 2, 'y', 2), (3, 3, 'z', 3);
  CREATE TABLE other(k TEXT PRIMARY KEY NOT NULL, v); INSERT INTO other VALUES('one', 1)`;

const logged = (db: Database) =>
  readChanges(db)
    .filter(({ table }) => !table.startsWith('_sqlsync_'))
    .map(({ op, table, key, columns }) => {
      const where = `${op} ${table}(${key.map((part) => JSON.stringify(part)).join(', ')})`;
      return op === 'update' ? `${where}: ${columns.join(', ')}` : where;
    });

function make(journalMode: string, schema = SCHEMA): MigratingFile {
  const file = new MigratingFile(schema, (db) => install(db), journalMode);
  clearLog(file.app);
  return file;
}

const initialise = (db: Database) =>
  initialiseNode(
    db,
    { dataset: 'd'.repeat(32), node: 'n', nodeId: 'e'.repeat(32), nowMs: Date.now() },
    planCapture(db, { include: [], exclude: [] }),
  );

const columnsOf = (db: Database, table: string) => readRegistryEntries(db).find(({ name }) => name === table)?.columns;

describe.each(['wal', 'delete'])('in journal mode %s', (journalMode) => {
  const migrated = (sql: string, schema?: string) => {
    const file = make(journalMode, schema);
    const end = file.migrate((app) => app.exec(sql));
    expect(inspectCapture(file.app)).toMatchObject({ complete: true });
    return {
      file,
      end,
      log: logged(file.app),
      fates: Object.fromEntries(end.tables.map(({ name, fate }) => [name, fate])),
    };
  };

  test('nothing written, nothing logged', () => {
    const { log, fates, file } = migrated('SELECT 1');
    expect([log, fates]).toEqual([[], { t: 'untouched', other: 'untouched' }]);
    expect(changesOf(file.app, 'UPDATE t SET a = 5 WHERE id = 1')).toEqual(['update t(1): a']);
  });

  test('rows that are inserted, changed, deleted, replaced, rekeyed', () => {
    const { log, fates } = migrated(`INSERT INTO t VALUES(4, 4, 'w', 4); UPDATE t SET a = 7, c = c WHERE id = 1;
      DELETE FROM t WHERE id = 2; UPDATE t SET id = 9 WHERE id = 3`);
    expect(log).toEqual(['delete t(2)', 'delete t(3)', 'update t(1): a', 'insert t(4)', 'insert t(9)']);
    expect(fates).toEqual({ t: 'written', other: 'untouched' });
    // A REPLACE that evicts another row by the UNIQUE index fires no trigger for it.
    expect(migrated("INSERT OR REPLACE INTO t VALUES(5, 5, 'x', 5)").log).toEqual(['delete t(1)', 'insert t(5)']);
  });

  test('DROP INDEX, DROP COLUMN, RENAME and DROP of what was renamed', () => {
    const { log, file } = migrated(`DROP INDEX tb; ALTER TABLE t DROP COLUMN b; ALTER TABLE t RENAME COLUMN c TO d;
      UPDATE t SET d = 9 WHERE id = 2; ALTER TABLE t RENAME COLUMN a TO e; ALTER TABLE t DROP COLUMN e`);
    expect(log).toEqual(['update t(2): d']);
    expect(columnsOf(file.app, 't')).toEqual(['id', null, null, 'd']);
  });

  test('ADD COLUMN: only rows that have another value than the default', () => {
    const { log, file } = migrated(`ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 7; ALTER TABLE t ADD COLUMN e;
      UPDATE t SET d = 8 WHERE id = 1; UPDATE t SET e = 'x' WHERE id = 2; UPDATE t SET d = 7 WHERE id = 3`);
    expect(log).toEqual(['update t(1): d', 'update t(2): e']);
    expect(columnsOf(file.app, 't')).toEqual(['id', 'a', 'b', 'c', 'd', 'e']);
  });

  const rebuild = (body: string, select: string, columns = '*') => `BEGIN; CREATE TABLE t_new(${body});
    INSERT INTO t_new SELECT ${select} FROM t; DROP TABLE t; ALTER TABLE t_new RENAME TO t; COMMIT;
    SELECT ${columns} FROM t`;

  test('a table made anew whose rows are equal is no write at all', () => {
    const { log, fates } = migrated(rebuild('c, a, id INTEGER PRIMARY KEY, b TEXT, d DEFAULT 5', 'c, a, id, b, 5'));
    expect([log, fates.t]).toEqual([[], 'made-anew']);
  });

  test('a table made anew with changes: exactly these', () => {
    const { log } = migrated(
      `${rebuild('id INTEGER PRIMARY KEY, a, b TEXT, d DEFAULT 5', "id, CASE id WHEN 1 THEN '1' ELSE a END, b, id + 3")};
       INSERT INTO t VALUES(8, 8, 'q', 8); DELETE FROM t WHERE id = 3`,
    );
    expect(log).toEqual(['delete t(3)', 'update t(1): a, d', 'insert t(8)']);
  });

  test('a column renamed by making the table anew keeps its number', () => {
    const { log, file } = migrated(rebuild('id INTEGER PRIMARY KEY, amount, b TEXT, c, d', 'id, a, b, c, NULL'));
    expect([log, columnsOf(file.app, 't')]).toEqual([[], ['id', 'amount', 'b', 'c', 'd']]);
  });

  test('the old table put aside, a new one filled, as some tools do', () => {
    const { log, fates } = migrated(`ALTER TABLE t RENAME TO t_old; CREATE TABLE t(id INTEGER PRIMARY KEY, a, b, c);
      INSERT INTO t SELECT id, a, b, c FROM t_old WHERE id < 3; DROP TABLE t_old`);
    expect([log, fates.t]).toEqual([['delete t(3)'], 'made-anew']);
  });

  test('a table that is renamed keeps its number', () => {
    const { log, fates } = migrated('ALTER TABLE t RENAME TO u; UPDATE u SET a = 9 WHERE id = 1');
    expect([log, fates]).toEqual([['update u(1): a'], { u: 'written', other: 'untouched' }]);
  });

  test('a table that has come, one that has gone, and one that cannot replicate', () => {
    const file = make(journalMode);
    const end = file.migrate((app) =>
      app.exec(
        `CREATE TABLE n(k TEXT PRIMARY KEY NOT NULL); INSERT INTO n VALUES('a'), ('b'); DROP TABLE t; CREATE TABLE l(x)`,
      ),
    );
    expect(end.tables.map(({ name, fate }) => [name, fate])).toEqual([
      ['other', 'untouched'],
      ['t', 'dropped'],
      ['n', 'new'],
    ]);
    expect(end.refused.map(({ name }) => name)).toEqual(['l']);
    expect(logged(file.app)).toEqual(['insert n("a")', 'insert n("b")']);
  });

  test('another key: every row is a new one', () => {
    const sql = `CREATE TABLE o(id INTEGER PRIMARY KEY, k TEXT, v); INSERT INTO o SELECT rowid, k, v FROM other;
      DROP TABLE other; ALTER TABLE o RENAME TO other`;
    const { log, fates } = migrated(sql);
    expect([log, fates.other]).toEqual([['insert other(1)'], 'rekeyed']);
  });

  test('keys of several columns, with collations, text that is no UTF-8, more rows than a page', () => {
    const schema = `CREATE TABLE t(k TEXT COLLATE NOCASE NOT NULL, n BLOB NOT NULL, v, PRIMARY KEY(k, n)) WITHOUT ROWID;
      INSERT INTO t SELECT CAST(x'61ff' AS TEXT) || char(65 + value), value, value FROM generate_series(1, 10)`;
    const { log } = migrated(
      `UPDATE t SET v = 99 WHERE n IN (4, 7); UPDATE t SET k = lower(k) WHERE n = 2; DELETE FROM t WHERE n = 10;
       INSERT INTO t SELECT CAST(x'fe' AS TEXT), 77, 1`,
      schema.replace(
        'generate_series(1, 10)',
        `(WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM s WHERE value < 10) SELECT value FROM s)`,
      ),
    );
    expect(log.map((line) => line.replace(/"[^"]*", /, ''))).toEqual([
      'delete t(10)',
      'update t(2): k',
      'update t(4): v',
      'update t(7): v',
      'insert t(77)',
    ]);
  });

  test('what is written after the triggers are back is logged later than what was found', () => {
    const file = make(journalMode);
    const steps = file.lift();
    file.app.exec("INSERT INTO t VALUES(4, 4, 'w', 4); UPDATE t SET a = 0 WHERE id = 2");
    const end = steps.putBack();
    if (end === null) throw new Error('no end');
    file.app.exec("UPDATE t SET a = 9 WHERE id = 4; DELETE FROM t WHERE id = 1; INSERT INTO t VALUES(6, 6, 'v', 6)");
    steps.enter(end);
    steps.end();
    const log = logged(file.app);
    expect(log.indexOf('insert t(4)')).toBeLessThan(log.indexOf('update t(4): a'));
    expect(log).toContain('update t(2): a');
    expect(log.filter((line) => line.startsWith('delete'))).toContain('delete t(1)');
    expect(log.at(-1)).toBe('insert t(6)');
  });

  test('writes that no trigger has seen are found on request', () => {
    const file = make(journalMode);
    const steps = file.lift();
    file.app.exec('UPDATE t SET a = 9 WHERE id = 2; UPDATE _sqlsync_watch SET touched = 0');
    const end = steps.putBack(true);
    if (end === null) throw new Error('no end');
    expect(end.tables.map(({ fate }) => fate)).toEqual(['untouched', 'untouched']);
    steps.enter(end);
    steps.end();
    expect(logged(file.app)).toEqual(['update t(2): a']);
  });
});

describe('a migration that is cut short', () => {
  const opened = (path: string) => {
    const db = new SqliteDatabase(path);
    const clock = { nowMs: () => Date.now() };
    const replica = Replica.open({
      writer: db,
      reader: db,
      install: db,
      clock,
      random: { hex: () => '0' },
      limits: TEST_LIMITS,
    });
    replica.fold();
    return { db, gap: replica.status().gap?.tables ?? [] };
  };
  const node = () => new MigratingFile(SCHEMA, initialise, 'wal');

  test('before the triggers are back: they are put back, and only what was written to is in question', () => {
    const file = node();
    const steps = file.lift();
    expect(() => readMigrationStart(file.app)).toThrow(expect.objectContaining({ code: 'migrating' }));
    file.app.exec('UPDATE t SET a = 9; ALTER TABLE t RENAME COLUMN c TO d; ALTER TABLE other RENAME TO another');
    steps.close();
    const { db, gap } = opened(file.path);
    expect(gap).toEqual(['t']);
    expect(columnsOf(db, 't')).toEqual(['id', 'a', 'b', 'd']);
    expect(isWatching(db)).toBe(false);
    expect(inspectCapture(db)).toMatchObject({ complete: true });
    db.close();
    expect(changesOf(file.app, 'UPDATE t SET d = 7 WHERE id = 1')).toEqual(['update t(1): d']);
  });

  test('after they are back, before all is entered: the same', () => {
    const file = node();
    const steps = file.lift();
    file.app.exec('DELETE FROM t WHERE id = 1; CREATE TABLE n(k TEXT PRIMARY KEY NOT NULL)');
    expect(steps.putBack()).not.toBeNull();
    steps.close();
    expect(opened(file.path).gap).toEqual(['n', 't']);
  });

  test('whoever initialises the file anew says so as well; the migration then finds that it is over', () => {
    const file = node();
    const steps = file.lift();
    file.app.exec("INSERT INTO other VALUES('two', 2)");
    expect(initialise(file.app)).toMatchObject({ changed: true, repaired: ['other'] });
    expect(steps.putBack()).toBeNull();
    expect(opened(file.path).gap).toEqual(['other']);
  });

  test('a file without capture, or with holes in it, is not migrated', () => {
    const file = node();
    file.app.exec('DROP TRIGGER _sqlsync_11_update');
    expect(() => file.lift()).toThrow(expect.objectContaining({ code: 'coverage-partial' }));
  });
});
