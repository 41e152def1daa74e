/** What a decision must not do: write over what was written since, pass over constraints, or lose rows that follow it. */
import { describe, expect, test } from 'vitest';
import { ConflictInbox } from '../../src/replication/conflict-inbox.js';
import type { OperatorWrites } from '../../src/replication/operator-writes.js';
import { Clash, type Writes } from '../support/clash.js';

const PRICES: Writes = {
  schema: 'CREATE TABLE t(k TEXT PRIMARY KEY, v, other, g AS (v) STORED)',
  common: `INSERT INTO t VALUES('k', 0, 0)`,
  first: 'UPDATE t SET v = 1',
  second: 'UPDATE t SET v = 2',
};
const skipped = (message: string | RegExp) => ({
  status: 'skipped',
  error: { code: 'row-changed', message: expect.stringMatching(message) },
});
const failed = (message: string, hint: unknown = expect.anything()) => ({
  status: 'failed',
  changes: [],
  error: { code: 'resolution-refused', message: expect.stringContaining(message), hint },
});

describe('a row that was written since', () => {
  test.each([
    ['another value', 'UPDATE t SET v = 3', 'v is 3, and was left at 2'],
    ['another storage class', `UPDATE t SET v = '2'`, 'v is "2", and was left at 2'],
    ['a real', 'UPDATE t SET v = 2.0', 'v is 2.0, and was left at 2'],
    ['NULL', 'UPDATE t SET v = NULL', 'v is null'],
    ['no row', 'DELETE FROM t', 'the row is gone'],
  ])('is left alone unless forced: %s', (_, sql, message) => {
    const clash = new Clash(PRICES);
    clash.node(2).app.exec(sql);
    const before = clash.node(2).data();
    for (const use of ['winner', 'loser']) {
      expect(clash.operator(2).resolve({ use })).toMatchObject(skipped(message));
    }
    expect(clash.node(2).data()).toEqual(before);
    expect(clash.operator(2).resolve({ use: 'loser' }, { force: true })).toMatchObject({ status: 'resolved' });
    expect(clash.only().rows).toMatchObject([['k', 1, 0, 1]]);
  });

  test('is left alone too when the decision is undone', () => {
    const clash = new Clash(PRICES);
    clash.operator(0).resolve({ use: 'loser' });
    clash.node(0).app.exec('UPDATE t SET v = 9');
    expect(clash.operator(0).resolve('undo')).toMatchObject(skipped('v is 9, and was left at 1'));
    clash.operator(0).resolve('undo', { force: true });
    expect(clash.only().rows).toEqual([['k', 2, 0, 2]]);
  });

  test('does not count where other columns were written, or where it is as decided already', () => {
    const clash = new Clash(PRICES);
    clash.node(0).app.exec('UPDATE t SET other = 5');
    expect(clash.operator(0).resolve({ use: 'loser' })).toMatchObject({
      changes: [{ table: 't', key: { k: 'k' }, before: { v: 2 }, after: { v: 1 } }],
    });
    clash.node(0).app.exec('UPDATE t SET v = 2');
    expect(clash.operator(0).resolve({ use: 'winner' })).toMatchObject({ status: 'resolved', changes: [] });
    expect(clash.only().rows).toEqual([['k', 2, 5, 2]]);
  });

  test('counts in any column where the whole row lost', () => {
    const clash = new Clash({ ...PRICES, strategy: 'lww' });
    clash.node(0).app.exec('UPDATE t SET other = 5');
    expect(clash.operator(0).resolve({ use: 'loser' })).toMatchObject(skipped('other is 5, and was left at 0'));
  });
});

test('what somebody has decided meanwhile is left alone where only the undecided are meant', () => {
  const clash = new Clash(PRICES);
  clash.operator(1).resolve({ use: 'loser' });
  clash.agreed();
  const options = { leaveDecided: true };
  expect(clash.operator(0).resolve({ use: 'winner' }, options)).toMatchObject(skipped('ann on n1 has decided it'));
  clash.operator(0).resolve('undo');
  expect(clash.operator(0).resolve({ use: 'winner' }, options)).toMatchObject({ status: 'resolved' });
});

test('a row whose settled version the table cannot hold is not taken for one that was written since', () => {
  const clash = new Clash({ ...PRICES, schema: 'CREATE TABLE t(k TEXT PRIMARY KEY, v, other)' });
  const { app } = clash.node(2);
  const aside = `INSERT INTO _sqlsync_quarantine(tbl, key, id, arrival, reason, error, hlc, since, version)
    SELECT id, CAST('sk' AS BLOB), 'f00d', 1, 'check', '', 1, 1, x'' FROM _sqlsync_table WHERE name = 't'`;
  app.exec(`UPDATE t SET v = 0; ${aside}`);
  expect(clash.operator(2).resolve({ use: 'loser' })).toMatchObject(failed('waits in quarantine'));
});

describe('a decision that cannot be', () => {
  test.each([
    [{ use: 'n7' }, 'n7 wrote neither side', 'Say --use winner or --use loser.'],
    [{ set: { w: 1 } }, 't has no column w', 'It has: k, v, other'],
    [{ set: { k: 'x' } }, 't.k is part of the key', null],
    [{ set: { g: 1 } }, 't.g is generated', null],
  ])('is refused by name: %j', (decision, message, hint) => {
    const clash = new Clash(PRICES);
    expect(clash.operator(0).resolve(decision)).toMatchObject(failed(message, hint));
  });

  test('names a conflict that there is not', () => {
    const clash = new Clash(PRICES);
    const [outcome] = clash.operator(0).resolveAll(['ff'], { use: 'winner' });
    expect(outcome).toMatchObject({ status: 'failed', conflict: null, error: { code: 'conflict-unknown' } });
  });

  test('is told when the table or the column is gone', () => {
    const clash = new Clash(PRICES);
    const { app } = clash.node(0);
    app.exec(`ALTER TABLE t RENAME COLUMN v TO w; INSERT INTO t(k) VALUES('new')`);
    clash.node(0).foldAll();
    expect(clash.operator(0).resolve({ use: 'loser' })).toMatchObject(failed('t has no column v any more', null));
    app.exec('DROP TABLE t');
    expect(clash.operator(0).resolve({ use: 'loser' })).toMatchObject(failed('table t does not replicate here', null));
  });

  test('waits for the end of a catch-up', () => {
    const clash = new Clash(PRICES);
    clash.node(0).app.exec(`UPDATE _sqlsync_state SET value = '{}' WHERE name = 'catch_up'`);
    expect(() => clash.operator(0).resolve({ use: 'loser' })).toThrow(expect.objectContaining({ code: 'catching-up' }));
  });
});

describe('constraints', () => {
  test('refuse one conflict and let others pass, naming who stands in the way', () => {
    const clash = new Clash({
      schema: 'CREATE TABLE t(k PRIMARY KEY, u UNIQUE, c CHECK(c < 10))',
      common: `INSERT INTO t VALUES(1, 'a', 1), (2, 'b', 2)`,
      first: `UPDATE t SET u = 'x' WHERE k = 1; UPDATE t SET c = 3 WHERE k = 2`,
      second: `UPDATE t SET u = 'y' WHERE k = 1; UPDATE t SET c = 4 WHERE k = 2`,
    });
    clash.node(0).app.exec(`INSERT INTO t VALUES(3, 'x', 0)`);
    const ids = clash
      .operator(0)
      .conflicts()
      .map(({ id }) => id);
    const outcomes = clash.operator(0).resolveAll(ids, { use: 'loser' });
    expect(outcomes.find(({ conflict }) => conflict?.key.k === 1)).toMatchObject(
      failed('UNIQUE constraint failed: t.u', 'In the way: t {"k":3}'),
    );
    expect(outcomes.find(({ conflict }) => conflict?.key.k === 2)).toMatchObject({ status: 'resolved' });
    const [checked] = clash.operator(0).resolveAll(ids, { set: { c: 11 } });
    expect(checked).toMatchObject(failed('CHECK constraint failed', null));
  });

  test('a row is put back in place of the recorded winner only', () => {
    const clash = new Clash({
      schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, mail TEXT UNIQUE, phone TEXT UNIQUE)',
      first: `INSERT INTO t VALUES(1, 'x@y', '1')`,
      second: `INSERT INTO t VALUES(2, 'x@y', '2')`,
    });
    clash.node(0).app.exec(`INSERT INTO t VALUES(3, 'z@y', '2')`);
    expect(clash.operator(0).resolve({ use: 'loser' })).toMatchObject(
      failed('UNIQUE constraint failed: t.phone', 'In the way: t {"id":3}'),
    );
    expect(clash.rows()).toHaveLength(2);
    clash.node(0).app.exec(`DELETE FROM t WHERE id = 3; UPDATE t SET phone = '7' WHERE id = 1`);
    expect(clash.operator(0).resolve({ use: 'loser' })).toMatchObject(skipped('phone is "7", and was left at "1"'));
  });
});

describe('foreign keys', () => {
  const children = (action: string): Writes => ({
    schema: `CREATE TABLE t(k PRIMARY KEY, v); CREATE TABLE child(id PRIMARY KEY, k REFERENCES t ${action}, note)`,
    strategy: 'lww',
    common: `INSERT INTO t VALUES(1, 0)`,
    first: 'DELETE FROM t',
    second: 'UPDATE t SET v = 2',
  });
  const addChildren = (clash: Clash) =>
    clash.node(0).app.exec(`INSERT INTO child VALUES('a', 1, 'x'), ('b', 1, NULL), ('c', NULL, 'y')`);

  test('that cascade take children along, tell of them, and give them back', () => {
    const clash = new Clash(children('ON DELETE CASCADE'));
    addChildren(clash);
    const before = clash.agreed().data;
    const outcome = clash.operator(1).resolve({ use: 'loser' });
    expect(outcome.changes.map(({ table, key, after }) => [table, key, after])).toEqual([
      ['child', { id: 'a' }, null],
      ['child', { id: 'b' }, null],
      ['t', { k: 1 }, null],
    ]);
    clash.agreed();
    expect([clash.rows(), clash.rows('child')]).toEqual([[], [['c', null, 'y']]]);
    expect(clash.operator(2).resolve('undo')).toMatchObject({ status: 'resolved' });
    expect(clash.agreed().data).toEqual(before);
  });

  test('that set NULL are undone too', () => {
    const clash = new Clash(children('ON DELETE SET NULL'));
    addChildren(clash);
    const before = clash.agreed().data;
    expect(clash.operator(1).resolve({ use: 'loser' }).changes[0]).toMatchObject({
      before: { k: 1 },
      after: { k: null },
    });
    clash.operator(1).resolve('undo');
    expect(clash.agreed().data).toEqual(before);
  });

  test.each(['', 'ON DELETE RESTRICT'])('that refuse the deletion keep the row: %s', (action) => {
    const clash = new Clash(children(action));
    addChildren(clash);
    expect(clash.operator(0).resolve({ use: 'loser' })).toMatchObject(failed('FOREIGN KEY constraint failed', null));
    expect(clash.rows()).toHaveLength(1);
  });

  test('that SQLite takes for a mistake refuse one conflict, too', () => {
    const clash = new Clash({
      ...children(''),
      schema: 'CREATE TABLE t(k PRIMARY KEY, v); CREATE TABLE child(id PRIMARY KEY, v REFERENCES t(v))',
      common: 'PRAGMA foreign_keys = OFF; INSERT INTO t VALUES(1, 0)',
      second: 'PRAGMA foreign_keys = OFF; UPDATE t SET v = 2',
    });
    expect(clash.operator(0).resolve({ use: 'loser' })).toMatchObject(failed('foreign key mismatch', null));
  });

  test('that are deferred refuse one conflict, not those beside it', () => {
    const clash = new Clash({
      ...children('DEFERRABLE INITIALLY DEFERRED'),
      common: `INSERT INTO t VALUES(1, 0), (2, 0), (3, 0)`,
    });
    clash.node(0).app.exec(`INSERT INTO child VALUES('a', 2, 'x')`);
    const ids = clash
      .operator(0)
      .conflicts()
      .map(({ id }) => id);
    const record = {
      id: 'f0',
      node: 'n0',
      operator: 'ann',
      command: 'conflicts resolve',
      detail: null,
      result: 'done',
    };
    const atEnd = (writes: OperatorWrites) => writes.recordOperation(record);
    const outcomes = clash.operator(0).resolveAll(ids, { use: 'loser' }, { atEnd });
    const byKey = outcomes.map(({ conflict, status, error }) => [conflict?.key.k, status, error?.message]);
    expect(byKey.sort()).toEqual([
      [1, 'resolved', undefined],
      [2, 'failed', 'FOREIGN KEY constraint failed'],
      [3, 'resolved', undefined],
    ]);
    const { app } = clash.node(0);
    expect(app.prepare('SELECT count(*) FROM _sqlsync_operation').pluck().get()).toBe(1);
    expect(clash.rows()).toEqual([[2, 2]]);
  });

  test('that would change more rows than can be kept stop it', () => {
    const clash = new Clash(children('ON DELETE CASCADE'));
    clash
      .node(0)
      .app.exec(
        `WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100) INSERT INTO child SELECT i, 1, '' FROM n`,
      );
    expect(clash.operator(0).resolve({ use: 'loser' })).toMatchObject(failed('more than 1000 other rows'));
    expect(clash.rows('child')).toHaveLength(1100);
  });
});

test('a dry run tells the same, and changes nothing', () => {
  const clash = new Clash(PRICES);
  const before = clash.agreed();
  const version = () => clash.node(0).app.pragma('data_version', { simple: true });
  const versionBefore = version();
  const rehearsed = clash.operator(0).resolve({ use: 'loser' }, { dryRun: true });
  expect(version()).toBe(versionBefore);
  expect(clash.agreed()).toEqual(before);
  expect(clash.operator(0).resolve({ use: 'loser' }).changes).toEqual(rehearsed.changes);
});

test('many are gone through in transactions of bounded time', () => {
  const rows = Array.from({ length: 40 }, (_, i) => `(${i}, 0, 0)`).join(', ');
  const clash = new Clash({ ...PRICES, common: `INSERT INTO t(k, v, other) VALUES${rows}` });
  let now = Date.now();
  const clock = { nowMs: () => (now += 10) };
  const ids = clash
    .operator(0)
    .conflicts()
    .map(({ id }) => id);
  const { app } = clash.node(0);
  const outcomes = clash.operator(0).resolveAll(ids, { use: 'loser' }, { clock, lockHoldMsMax: 100 });
  expect(outcomes.filter(({ status }) => status === 'resolved')).toHaveLength(40);
  // The resolutions of one transaction bear one time.
  expect(new Set(app.prepare('SELECT at FROM _sqlsync_resolution').pluck().all()).size).toBe(4);
  expect(new ConflictInbox(app).count({ states: ['resolved'] })).toBe(40);
});
