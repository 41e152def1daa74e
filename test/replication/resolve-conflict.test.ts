/** Every kind of conflict under every decision: what becomes of the rows, on all nodes alike, and how it is undone. */
import { describe, expect, test } from 'vitest';
import type { Decision } from '../../src/replication/resolve-conflict.js';
import { Clash, type Writes } from '../support/clash.js';

const UPDATES: Writes = {
  schema: 'CREATE TABLE t(k TEXT PRIMARY KEY, price REAL, stock INTEGER, note TEXT)',
  common: `INSERT INTO t VALUES('tea', 4.2, 40, 'fine')`,
  first: `UPDATE t SET price = 4.5, stock = 39`,
  second: `UPDATE t SET price = 4.9, note = 'good'`,
};
const UNIQUE: Writes = {
  schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, mail TEXT UNIQUE, name TEXT)',
  first: `INSERT INTO t VALUES(1, 'x@y', 'one')`,
  second: `INSERT INTO t VALUES(2, 'x@y', 'two')`,
};

const KEYS = { first: `INSERT INTO t VALUES(1, 'x@y', 'one')`, second: `INSERT INTO t VALUES(1, 'p@q', 'two')` };

describe('each decision about each kind', () => {
  const cases: [name: string, writes: Writes, left: unknown[], decisions: [Decision, unknown[]][]][] = [
    [
      'update-update, merged',
      UPDATES,
      [['tea', 4.9, 39, 'good']],
      [
        [{ use: 'winner' }, [['tea', 4.9, 39, 'good']]],
        [{ use: 'n1' }, [['tea', 4.9, 39, 'good']]],
        [{ use: 'loser' }, [['tea', 4.5, 39, 'good']]],
        [{ use: 'n0' }, [['tea', 4.5, 39, 'good']]],
        [{ set: { price: 5, note: null } }, [['tea', 5, 39, null]]],
        ['undo', [['tea', 4.5, 39, 'good']]],
      ],
    ],
    [
      'update-update, the whole row',
      { ...UPDATES, strategy: 'lww' },
      [['tea', 4.9, 40, 'good']],
      [
        [{ use: 'winner' }, [['tea', 4.9, 40, 'good']]],
        [{ use: 'loser' }, [['tea', 4.5, 39, 'fine']]],
        [{ set: { stock: 7 } }, [['tea', 4.9, 7, 'good']]],
      ],
    ],
    [
      'update-delete, deleted',
      { ...UPDATES, second: 'DELETE FROM t' },
      [],
      [
        [{ use: 'winner' }, []],
        [{ use: 'loser' }, [['tea', 4.5, 39, 'fine']]],
        [{ set: { stock: 7 } }, [['tea', 4.5, 7, 'fine']]],
      ],
    ],
    [
      'update-delete, updated',
      { ...UPDATES, first: 'DELETE FROM t', strategy: 'lww' },
      [['tea', 4.9, 40, 'good']],
      [
        [{ use: 'winner' }, [['tea', 4.9, 40, 'good']]],
        [{ use: 'loser' }, []],
        ['undo', []],
      ],
    ],
    [
      'insert-insert',
      {
        ...UPDATES,
        common: '',
        first: `INSERT INTO t VALUES('a', 1.5, 1, 'x')`,
        second: `INSERT INTO t VALUES('a', 2.5, 1, 'y')`,
      },
      [['a', 2.5, 1, 'y']],
      [
        [{ use: 'winner' }, [['a', 2.5, 1, 'y']]],
        [{ use: 'loser' }, [['a', 1.5, 1, 'x']]],
        [{ set: { note: 'z' } }, [['a', 2.5, 1, 'z']]],
      ],
    ],
    [
      'key-collision',
      { ...UNIQUE, first: `INSERT INTO t VALUES(1, 'x@y', 'one')`, second: `INSERT INTO t VALUES(1, 'p@q', 'two')` },
      [[1, 'p@q', 'two']],
      [
        [{ use: 'winner' }, [[1, 'p@q', 'two']]],
        [{ use: 'loser' }, [[1, 'x@y', 'one']]],
        [{ set: { name: 'three' } }, [[1, 'p@q', 'three']]],
      ],
    ],
    [
      'unique',
      UNIQUE,
      [[1, 'x@y', 'one']],
      [
        [{ use: 'winner' }, [[1, 'x@y', 'one']]],
        [{ use: 'loser' }, [[2, 'x@y', 'two']]],
        [{ use: 'n1' }, [[2, 'x@y', 'two']]],
        [
          { set: { mail: 'z@y' } },
          [
            [1, 'x@y', 'one'],
            [2, 'z@y', 'two'],
          ],
        ],
        ['undo', [[2, 'x@y', 'two']]],
      ],
    ],
  ];
  const all = cases.flatMap(([name, writes, left, decisions]) =>
    decisions.map(([decision, rows]) => [name, JSON.stringify(decision), writes, left, decision, rows] as const),
  );
  test.each(all)('%s: %s', (name, _, writes, left, decision, rows) => {
    const clash = new Clash(writes);
    const found = clash.only();
    expect(found.rows).toEqual(left);
    expect(found.conflict).toMatchObject({ kind: name.split(',')[0], state: 'auto', latest: null });

    expect(clash.operator(2).resolve(decision)).toMatchObject({ status: 'resolved' });
    const resolved = clash.only();
    expect(resolved.rows).toEqual(rows);
    expect(resolved.conflict).toMatchObject({ state: 'resolved', latest: { node: 'n2', operator: 'ann' } });

    expect(clash.operator(0).resolve('undo')).toMatchObject({ status: 'resolved', choice: 'undo' });
    const undone = clash.only();
    expect(undone.rows).toEqual(left);
    expect(undone.conflict).toMatchObject({ state: 'auto', latest: { node: 'n0', choice: 'undo' } });
  });
});

test('a manual conflict is open until somebody decides, and again once that is undone', () => {
  const clash = new Clash({ ...UPDATES, strategy: 'manual' });
  const open = () => clash.node(0).replica.status().conflicts.open;
  expect([clash.only().conflict.state, open()]).toEqual(['open', 1]);
  expect(clash.operator(0).resolve('undo')).toMatchObject({ status: 'failed', error: { code: 'resolution-refused' } });
  clash.operator(0).resolve({ use: 'loser' });
  expect([clash.only().conflict.state, open()]).toEqual(['resolved', 0]);
  clash.operator(1).resolve('undo');
  expect([clash.only().conflict.state, open()]).toEqual(['open', 1]);
});

test('columns of which each side wrote one last are settled one by one, and each side can still be had whole', () => {
  const clash = new Clash({
    schema: 'CREATE TABLE t(k TEXT PRIMARY KEY, a, b)',
    common: `INSERT INTO t VALUES('k', 0, 0)`,
    first: 'UPDATE t SET a = 1',
    second: 'UPDATE t SET a = 2, b = 2',
    third: 'UPDATE t SET b = 1',
  });
  const { conflict, rows } = clash.only();
  expect(rows).toEqual([['k', 2, 1]]);
  expect(conflict).toMatchObject({ columns: ['a', 'b'], winner: { node: 'n0' }, loser: { node: 'n1', stands: ['a'] } });
  const decide = (decision: Decision) => {
    expect(clash.operator(1).resolve(decision)).toMatchObject({ status: 'resolved' });
    return clash.only().rows;
  };
  expect(decide({ use: 'winner' })).toEqual([['k', 2, 1]]);
  expect(decide({ use: 'n0' })).toEqual([['k', 1, 1]]);
  expect(decide({ use: 'loser' })).toEqual([['k', 2, 2]]);
  expect(decide('undo')).toEqual([['k', 1, 1]]);
});

test('decisions about one conflict follow each other, also where a clock is behind', () => {
  const clash = new Clash(UPDATES);
  clash.operator(0).resolve({ use: 'loser' }, { clock: { nowMs: () => Date.now() + 60_000 } });
  clash.only();
  clash.operator(1).resolve({ set: { price: 7 } });
  expect(clash.only()).toMatchObject({ conflict: { latest: { choice: 'set' } }, rows: [['tea', 7, 39, 'good']] });
  clash.operator(2).resolve({ use: 'winner' });
  expect(clash.only().rows).toEqual([['tea', 4.9, 39, 'good']]);
  clash.operator(2).resolve('undo');
  expect(clash.only()).toMatchObject({ conflict: { latest: { choice: 'undo' } }, rows: [['tea', 7, 39, 'good']] });
});

describe('rows come back exactly', () => {
  const values = [
    ['NULL', '1'],
    ['9223372036854775807', '9007199254740993'],
    ['5.0', '5'],
    ['-0.0', '1'],
    ['9e999', '-9e999'],
    [`''`, `x''`],
    [`CAST(x'61ff' AS TEXT)`, `'a' || char(0) || 'b'`],
    [`CAST(x'efbfbd' AS TEXT)`, `'5'`],
  ] as const;
  test.each(['merge', 'lww'])('values of every storage class, under %s', (strategy) => {
    const columns = values.map((_, i) => `"c ${i}"`);
    const set = (side: 0 | 1) =>
      `UPDATE t SET ${columns.map((name, i) => `${name} = ${values[i]?.[side]}`).join(', ')}`;
    const clash = new Clash({
      schema: `CREATE TABLE t("the key" TEXT PRIMARY KEY, ${columns.join(', ')}) WITHOUT ROWID`,
      strategy,
      common: `INSERT INTO t VALUES('k'${', 0'.repeat(values.length)})`,
      first: set(0),
      second: set(1),
    });
    const as = (side: 0 | 1) => {
      clash.node(2).app.exec(set(side));
      return clash.node(2).data().t;
    };
    const [lost, won] = [as(0), as(1)];
    expect(clash.agreed().data.t).toEqual(won);
    expect(clash.operator(0).resolve({ use: 'loser' })).toMatchObject({ status: 'resolved' });
    expect(clash.agreed().data.t).toEqual(lost);
    clash.operator(1).resolve('undo');
    expect(clash.agreed().data.t).toEqual(won);
  });

  test('under keys of several columns, in whatever spelling', () => {
    const clash = new Clash({
      schema: 'CREATE TABLE t(a TEXT COLLATE NOCASE, b INT, v ANY, PRIMARY KEY(a, b)) STRICT',
      strategy: 'lww',
      common: `INSERT INTO t VALUES('Key', 1, 0)`,
      first: `UPDATE t SET a = 'KEY', v = 1`,
      second: `UPDATE t SET a = 'key', v = 2`,
    });
    expect(clash.only().rows).toEqual([['key', 1, 2]]);
    clash.operator(0).resolve({ use: 'loser' });
    expect(clash.only().rows).toEqual([['KEY', 1, 1]]);
    expect(clash.operator(1).resolve({ use: 'winner' })).toMatchObject({ status: 'resolved' });
    expect(clash.only().rows).toEqual([['key', 1, 2]]);
    clash.operator(2).resolve('undo');
    expect(clash.only().rows).toEqual([['KEY', 1, 1]]);
  });
});

test('a row that lives on under a new key is not put back a second time', () => {
  const clash = new Clash({ ...UNIQUE, ...KEYS, rules: { t: { key_collision: 'rekey' } } });
  const { conflict, rows } = clash.only();
  expect(rows).toHaveLength(2);
  expect(conflict).toMatchObject({ kind: 'key-collision', detail: { rekeyedTo: expect.any(Number) } });
  for (const decision of [{ use: 'loser' }, { use: 'n0' }, 'undo'] as const) {
    expect(clash.operator(0).resolve(decision)).toMatchObject({
      status: 'failed',
      error: { code: 'resolution-refused', message: expect.stringContaining('both rows are there') },
    });
  }
  expect(clash.operator(0).resolve({ use: 'winner' })).toMatchObject({ status: 'resolved', changes: [] });
  expect(clash.only().rows).toEqual(rows);
});

test('a UNIQUE value for which a row could not become what it should is settled as one row', () => {
  const schema = 'CREATE TABLE t(id PRIMARY KEY, u UNIQUE)';
  const clash = new Clash({ schema, first: `INSERT INTO t VALUES(1, 'a'), (2, 'b')`, second: '' });
  const side = (node: string, row: unknown) => JSON.stringify({ node, session: null, hlc: 1, row });
  const sides = [side('n1', { id: 1, u: 'a' }), side('n0', { id: 1, u: 'b' })];
  const record = ['f00d', 't', '{"id":1}', 'unique', 'merge', '["u"]', ...sides, 0];
  clash
    .node(0)
    .app.prepare(
      'INSERT INTO _sqlsync_conflict(id, tbl, key, kind, strategy, columns, winner, loser, detected_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)',
    )
    .run(record);
  const operator = clash.operator(0);
  expect(operator.resolve({ use: 'winner' }, { dryRun: true })).toMatchObject({ status: 'resolved', changes: [] });
  expect(operator.resolve({ use: 'loser' })).toMatchObject({
    status: 'failed',
    error: { hint: 'In the way: t {"id":2}' },
  });
  clash.node(0).app.exec('DELETE FROM t WHERE id = 2');
  expect(operator.resolve({ use: 'loser' })).toMatchObject({ changes: [{ before: { u: 'a' }, after: { u: 'b' } }] });
});

describe('a row whose parent was deleted on another node', () => {
  const orphan = (rule: string) =>
    new Clash({
      schema: 'CREATE TABLE p(k PRIMARY KEY, name); CREATE TABLE t(id PRIMARY KEY, p REFERENCES p, note)',
      rules: { t: { orphan: rule } },
      common: `INSERT INTO p VALUES('a', 'A')`,
      first: 'DELETE FROM p',
      second: `INSERT INTO t VALUES(1, 'a', 'x')`,
    });

  test.each([
    ['keep', [[1, 'a', 'x']]],
    ['delete', []],
    ['restore-parent', [[1, 'a', 'x']]],
  ])('stays as the rule %s left it, or comes back with its parent', (rule, left) => {
    const clash = orphan(rule);
    expect(clash.only()).toMatchObject({ rows: left, conflict: { kind: 'orphan', detail: { rule } } });
    expect(clash.operator(0).resolve({ use: 'winner' })).toMatchObject({ status: 'resolved', changes: [] });
    clash.node(0).app.exec(`INSERT OR IGNORE INTO p VALUES('a', 'A')`);
    expect(clash.operator(0).resolve({ use: 'loser' })).toMatchObject({ status: 'resolved' });
    expect(clash.only()).toMatchObject({ rows: [[1, 'a', 'x']], conflict: { state: 'resolved' } });
    clash.operator(2).resolve('undo');
    expect(clash.only()).toMatchObject({ rows: left, conflict: { state: 'auto' } });
  });
});

describe('a row without a parent', () => {
  const side = (row: unknown) => JSON.stringify({ node: 'n1', session: 's', hlc: 1, row });

  /** A record as it is written when a parent was deleted on another node; the child is what `rule` made of it. */
  function orphan(rule: 'kept' | 'deleted'): Clash {
    const clash = new Clash({
      schema: 'CREATE TABLE p(k PRIMARY KEY); CREATE TABLE t(id PRIMARY KEY, p REFERENCES p, note)',
      first: rule === 'kept' ? `PRAGMA foreign_keys = OFF; INSERT INTO t VALUES(1, 'gone', 'x')` : '',
      second: '',
    });
    const record = [
      'f00d',
      't',
      '{"id":1}',
      'orphan',
      'merge',
      '["p"]',
      side(null),
      side({ id: 1, p: 'gone', note: 'x' }),
      0,
    ];
    clash
      .node(0)
      .app.prepare(
        'INSERT INTO _sqlsync_conflict(id, tbl, key, kind, strategy, columns, winner, loser, detected_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)',
      )
      .run(record);
    return clash;
  }

  test('stays as the rule left it, or comes back once it has a parent', () => {
    const clash = orphan('deleted');
    const operator = clash.operator(0);
    expect(operator.resolve({ use: 'winner' }, { dryRun: true })).toMatchObject({ status: 'resolved', changes: [] });
    expect(operator.resolve({ use: 'loser' })).toMatchObject({
      status: 'failed',
      error: { message: 'FOREIGN KEY constraint failed' },
    });
    clash.node(0).app.exec(`INSERT INTO p VALUES('gone')`);
    expect(operator.resolve({ use: 'loser' })).toMatchObject({ status: 'resolved', changes: [{ before: null }] });
    expect(clash.rows()).toEqual([[1, 'gone', 'x']]);
    operator.resolve('undo');
    expect(clash.rows()).toEqual([]);
  });

  test('that is there already needs no write, and is left alone once it was changed', () => {
    const clash = orphan('kept');
    const operator = clash.operator(0);
    expect(operator.resolve({ use: 'loser' }, { dryRun: true })).toMatchObject({ status: 'resolved', changes: [] });
    clash.node(0).app.exec(`UPDATE t SET note = 'y'`);
    expect(operator.resolve({ use: 'loser' })).toMatchObject({ status: 'skipped' });
    expect(operator.resolve({ set: { note: 'z' } }, { force: true })).toMatchObject({ status: 'resolved' });
    expect(clash.rows()).toEqual([[1, 'gone', 'z']]);
  });
});
