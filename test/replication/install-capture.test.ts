/** Planning, installing and removing capture. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { inspectCapture } from '../../src/replication/inspect-capture.js';
import { FORMAT_VERSION } from '../../src/replication/metadata-schema.js';
import { assertNoneRefused, planCapture } from '../../src/replication/plan-capture.js';
import { readRegistry } from '../../src/replication/registry.js';
import { uninstallCapture } from '../../src/replication/uninstall-capture.js';
import { writeTriggers } from '../../src/replication/write-triggers.js';
import { captured, install } from '../support/captured-database.js';
import { makeFolder } from '../support/make-folder.js';

const ALL = { include: [], exclude: [] };

function open(schema: string): Database.Database {
  const db = new Database(':memory:');
  db.exec(schema);
  return db;
}

const planned = (db: Database.Database, options = {}) =>
  Object.fromEntries(planCapture(db, { ...ALL, ...options }).tables.map((table) => [table.name, table]));

describe('planCapture', () => {
  test('names each table, its key, and what is risky about it', () => {
    const db = open(`CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE b(x TEXT, y TEXT, PRIMARY KEY(y, x));
      CREATE TABLE c(x); CREATE VIRTUAL TABLE f USING fts5(x)`);
    const plan = planned(db);
    expect(plan.a).toEqual({ name: 'a', key: ['id'], status: 'captured', reason: null, keyRisk: true, warnings: [] });
    expect(plan.b).toMatchObject({ key: ['y', 'x'], keyRisk: false, warnings: [expect.stringContaining('y, x')] });
    expect(plan.c).toMatchObject({ status: 'refused', reason: expect.stringContaining('no PRIMARY KEY') });
    expect(plan.f).toMatchObject({ status: 'excluded', reason: expect.stringContaining('virtual') });
  });

  test('refuses a table that holds a row without identity', () => {
    for (const row of ["(NULL, 'x')", "('x', NULL)"]) {
      const db = open(`CREATE TABLE t(a, b, PRIMARY KEY(a, b)); INSERT INTO t VALUES('p', 'q'), ${row}`);
      expect(planned(db).t).toMatchObject({ status: 'refused', reason: expect.stringContaining('NULL') });
    }
  });

  test('finds rows without identity through the index of the key', () => {
    const db = open('CREATE TABLE t(a, b, big, PRIMARY KEY(a, b))');
    for (const column of ['a', 'b']) {
      const plan = db.prepare<[], { detail: string }>(
        `EXPLAIN QUERY PLAN SELECT EXISTS(SELECT 1 FROM main."t" WHERE "${column}" IS NULL)`,
      );
      expect(
        plan
          .all()
          .map((step) => step.detail)
          .join(),
      ).toMatch(/COVERING INDEX sqlite_autoindex_t_1/);
    }
  });

  test('leaves out the tables of migration tools, unless they are named', () => {
    const db = open(
      'CREATE TABLE knex_migrations_lock(i INTEGER PRIMARY KEY); CREATE TABLE Alembic_Version(v TEXT PRIMARY KEY NOT NULL)',
    );
    expect(Object.values(planned(db)).map(({ status }) => status)).toEqual(['excluded', 'excluded']);
    expect(planned(open('CREATE TABLE migrations(id INTEGER PRIMARY KEY, herd TEXT)')).migrations?.status).toBe(
      'captured',
    );
    const typeorm = open('CREATE TABLE migrations(id INTEGER PRIMARY KEY, timestamp bigint, name varchar)');
    expect(planned(typeorm).migrations?.status).toBe('excluded');
    expect(planned(db, { include: ['*'] }).knex_migrations_lock).toMatchObject({ status: 'excluded' });
    expect(planned(db, { include: ['knex_migrations_lock'] }).knex_migrations_lock).toMatchObject({
      status: 'captured',
    });
  });

  test('takes globs in and out, and remembers what it was told', () => {
    const db = open(
      'CREATE TABLE log_a(i INTEGER PRIMARY KEY); CREATE TABLE log_b(x); CREATE TABLE u(i INTEGER PRIMARY KEY)',
    );
    install(db, { exclude: ['LOG_?'] });
    expect(planned(db).log_b).toMatchObject({ status: 'excluded', reason: 'left out on request' });
    expect(
      readRegistry(db)
        .filter((table) => !table.internal)
        .map(({ name }) => name),
    ).toEqual(['u']);
    install(db, { include: ['log_a'] });
    expect(planned(db).log_a).toMatchObject({ status: 'captured' });
    expect(inspectCapture(db).complete).toBe(true);
  });

  test('refuses whatever has our prefix in a file we have not touched', () => {
    const db = open(
      'CREATE TABLE t(i INTEGER PRIMARY KEY); CREATE INDEX _SqlSync_i ON t(i); CREATE VIEW _sqlsync_log AS SELECT 1',
    );
    expect(planned(db)).toMatchObject({ _SqlSync_i: { status: 'refused' }, _sqlsync_log: { status: 'refused' } });
    const hint = `rename _SqlSync_i, _sqlsync_log: such names are sqlsync's own`;
    expect(() => assertNoneRefused(planCapture(db, { include: [], exclude: ['_sqlsync_*'] }))).toThrow(
      expect.objectContaining({ code: 'table-refused', hint }),
    );
  });

  test('says how to leave refused tables out', () => {
    const plan = planCapture(open(`CREATE TABLE "it's"(x)`), ALL);
    expect(() => assertNoneRefused(plan)).toThrow(/it's: it has no PRIMARY KEY/);
    try {
      assertNoneRefused(plan);
    } catch (error) {
      expect(error).toMatchObject({ code: 'table-refused', hint: expect.stringContaining(`--exclude 'it'\\''s'`) });
    }
  });
});

describe('installCapture', () => {
  const SCHEMA = `CREATE TABLE b(id INTEGER PRIMARY KEY, v); CREATE TABLE a(id TEXT PRIMARY KEY NOT NULL, u UNIQUE);
    INSERT INTO b VALUES(1, 1)`;

  test('numbers tables from 10 in the order of their names, and writes the facts', () => {
    const db = captured(SCHEMA);
    expect(readRegistry(db).map(({ id, name, internal, rules }) => [id, name, internal, rules.strategy])).toEqual([
      [1, '_sqlsync_member', true, 'merge'],
      [2, '_sqlsync_rule', true, 'lww'],
      [3, '_sqlsync_conflict', true, 'lww'],
      [4, '_sqlsync_resolution', true, 'lww'],
      [5, '_sqlsync_operation', true, 'lww'],
      [6, '_sqlsync_credential', true, 'lww'],
      [7, '_sqlsync_absence', true, 'lww'],
      [10, 'a', false, 'merge'],
      [11, 'b', false, 'merge'],
    ]);
    const marker = db.prepare('SELECT hlc, op FROM _sqlsync_log').raw().all();
    expect(marker).toEqual([[1_700_000_000_000 * 2048, 5]]);
    const facts = Object.fromEntries(
      db.prepare<[], [string, unknown]>('SELECT name, value FROM _sqlsync_state').raw().all(),
    );
    expect(facts).toEqual({ format: FORMAT_VERSION, node: 'test', folded: 1_700_000_000_000 * 2048 });
  });

  test('a rule of the data set decides the strategy', () => {
    const db = captured(SCHEMA);
    db.exec("INSERT INTO _sqlsync_rule(tbl, strategy) VALUES('*', 'version'), ('a', 'lww')");
    expect(
      readRegistry(db)
        .filter(({ internal }) => !internal)
        .map(({ rules }) => rules.strategy),
    ).toEqual(['lww', 'version']);
  });

  test('a second time changes nothing', () => {
    const db = captured(SCHEMA);
    const version = db.pragma('schema_version', { simple: true });
    expect(install(db)).toEqual({
      changed: false,
      wasInstalled: true,
      added: [],
      repaired: [],
      logRecreated: false,
      rekeyed: [],
    });
    expect(db.pragma('schema_version', { simple: true })).toBe(version);
  });

  test('other connections see the triggers at once', () => {
    const path = join(makeFolder(), 'file.db');
    const application = new Database(path);
    application.exec(SCHEMA);
    const insert = application.prepare('INSERT INTO b(v) VALUES(?)');
    insert.run(1);
    const db = new Database(path);
    install(db);
    insert.run(2);
    expect(db.prepare('SELECT op, k1 FROM _sqlsync_log').raw().all()).toContainEqual([1, 3]);
    db.exec('DROP TRIGGER _sqlsync_11_insert');
    insert.run(3);
    install(db);
    insert.run(4);
    const keys = db.prepare('SELECT k1 FROM _sqlsync_log WHERE op = 1').pluck().all();
    expect(keys).toEqual([3, 5]);
    uninstallCapture(db);
    insert.run(5);
    application.close();
    db.close();
  });

  test('reads no table: a file of any size is installed as fast', () => {
    const db = open(`CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE k(id TEXT PRIMARY KEY, v);
      WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 300000) INSERT INTO t SELECT i, i FROM n;
      INSERT INTO k SELECT 'key ' || id, v FROM t`);
    const start = process.hrtime.bigint();
    install(db);
    expect(Number(process.hrtime.bigint() - start) / 1e6).toBeLessThan(1000);
  });

  test('a trigger that SQLite does not accept leaves the file as it was', () => {
    const db = open(SCHEMA);
    const before = db.prepare('SELECT * FROM sqlite_schema').all();
    const broken = { name: '_sqlsync_10_insert', table: 'a', sql: 'CREATE TRIGGER _sqlsync_10_insert nonsense' };
    expect(() => db.transaction(() => writeTriggers(db, [], [broken]))()).toThrow(/malformed/);
    expect(db.prepare('SELECT * FROM sqlite_schema').all()).toEqual(before);
    expect(db.prepare('SELECT count(*) FROM b').pluck().get()).toBe(1);
  });
});

describe('uninstallCapture', () => {
  const SCHEMAS = {
    plain: 'CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO t(v) VALUES(1); ANALYZE',
    odd: `CREATE TABLE "a b"(x TEXT PRIMARY KEY, u UNIQUE) ; CREATE /* here */ UNIQUE INDEX i ON "a b"(lower(u)) WHERE u > 1;
      CREATE TRIGGER touch AFTER INSERT ON "a b" BEGIN UPDATE "a b" SET u = 1; END; CREATE VIEW v AS SELECT * FROM "a b"`,
  };

  test.each(Object.entries(SCHEMAS))('leaves the schema byte for byte as it was: %s', (_, schema) => {
    const db = open(schema);
    const read = () => ({
      schema: db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid').all(),
      statistics: db.pragma('user_version'),
      sequence: schema.includes('AUTOINCREMENT') ? db.prepare('SELECT * FROM sqlite_sequence').all() : [],
      stat1: schema.includes('ANALYZE') ? db.prepare('SELECT * FROM sqlite_stat1').all() : [],
    });
    const before = read();
    install(db);
    if (schema.includes('ANALYZE')) db.exec('ANALYZE');
    uninstallCapture(db);
    expect(read()).toEqual(before);
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
  });
});
