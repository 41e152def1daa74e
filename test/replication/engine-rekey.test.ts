/** Two nodes that gave one allocated key to two rows: the rule `rekey`, and where it falls back to `keep`. */
import { describe, expect, test } from 'vitest';
import { derivedKey, isDerivedKey } from '../../src/replication/derived-key.js';
import { type EngineNode, stageOf } from '../support/engine-node.js';
import { expectAlike, makeNodes, recordsOf, rowsOf, settleAll } from '../support/orphans.js';

const SHOP = `CREATE TABLE purchase(id INTEGER PRIMARY KEY AUTOINCREMENT, who, code UNIQUE, replaces INTEGER REFERENCES purchase);
  CREATE TABLE line(id INTEGER PRIMARY KEY, purchase_id INTEGER REFERENCES purchase, what);
  CREATE TABLE item(purchase_id INTEGER REFERENCES purchase, n INT, what, PRIMARY KEY(purchase_id, n)) WITHOUT ROWID;
  CREATE TABLE note(purchase_id INT, n INT, what, PRIMARY KEY(purchase_id, n, what), FOREIGN KEY(purchase_id, n) REFERENCES item);
  CREATE INDEX line_of_purchase ON line(purchase_id);`;

type Options = NonNullable<Parameters<typeof makeNodes>[1]>;

function makeShop(options: Options = {}) {
  return makeNodes(SHOP, { rules: { '*': { key_collision: 'rekey' } }, ...options });
}

/** One after the other by the clocks too, which tell milliseconds: a row loses to one that is inserted later. */
function writeInTurn(...writes: readonly (readonly [EngineNode, string])[]): void {
  for (const [node, sql] of writes) {
    node.app.exec(sql);
    node.foldAll();
    for (const now = Date.now(); Date.now() === now; );
  }
}

function newKeyOf(node: EngineNode, table = 'purchase'): number {
  return rowsOf(node, `SELECT id FROM ${table} WHERE id < 0`).flat()[0] as number;
}

describe('the losing row', () => {
  test.each([2, 3])('gets a key derived from what it is, the same on %i nodes', (count) => {
    const { cluster, nodes } = makeShop({ count });
    const [a, b] = nodes;
    writeInTurn([b, `INSERT INTO purchase(who) VALUES('Ben')`], [a, `INSERT INTO purchase(who) VALUES('Ann')`]);
    cluster.settleDown();
    expectAlike(cluster);
    const key = newKeyOf(a);
    expect(isDerivedKey(BigInt(key))).toBe(true);
    expect(rowsOf(b, 'SELECT id, who FROM purchase ORDER BY id')).toEqual([
      [key, 'Ben'],
      [1, 'Ann'],
    ]);
    expect(recordsOf(a, 'key-collision')).toMatchObject([
      {
        tbl: 'purchase',
        key: { id: 1 },
        winner: { node: 'n0', row: { id: 1, who: 'Ann' } },
        loser: { node: 'n1', row: { id: 1, who: 'Ben' } },
        detail: { rekeyedTo: key, moved: 0 },
      },
    ]);
    expect(recordsOf(a, 'insert-insert')).toEqual([]);
  });

  test.each(['lww', 'version', 'manual'])('strategy %s', (strategy) => {
    const { cluster, nodes } = makeShop({ strategies: { '*': strategy }, count: 3 });
    const [a, b] = nodes;
    writeInTurn([b, `INSERT INTO purchase(who) VALUES('Ben')`], [a, `INSERT INTO purchase(who) VALUES('Ann')`]);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(b, 'SELECT who FROM purchase ORDER BY id').flat()).toEqual(['Ben', 'Ann']);
  });

  test('three rows under one key: two live on', () => {
    const { cluster, nodes } = makeShop({ count: 3 });
    for (const [i, node] of nodes.entries()) writeInTurn([node, `INSERT INTO purchase(who) VALUES(${i})`]);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(nodes[0], 'SELECT who FROM purchase').flat().sort()).toEqual([0, 1, 2]);
    expect(rowsOf(nodes[0], 'SELECT count(*) FROM purchase WHERE id < 0')).toEqual([[2]]);
  });

  test('SQLite’s own allocation goes on where it was', () => {
    const { cluster, nodes } = makeShop();
    const [a, b] = nodes;
    writeInTurn([b, `INSERT INTO purchase(who) VALUES('Ben')`], [a, `INSERT INTO purchase(who) VALUES('Ann')`]);
    cluster.settleDown();
    b.app.exec(`INSERT INTO purchase(who) VALUES('Cid'); INSERT INTO line(what) VALUES('x')`);
    expect(rowsOf(b, `SELECT id FROM purchase WHERE who = 'Cid'`)).toEqual([[2]]);
  });
});

describe('what meant the losing row follows', () => {
  test('a line with a key of its own, one that collides, a line’s key that holds the reference, and what refers to that', () => {
    const { cluster, nodes } = makeShop();
    const [a, b] = nodes;
    const of = (who: string) => `BEGIN; INSERT INTO purchase(who) VALUES('${who}');
      INSERT INTO line(purchase_id, what) VALUES(1, 'line of ${who}'); COMMIT;`;
    writeInTurn(
      [
        b,
        `${of('Ben')} INSERT INTO line VALUES(7, 1, 'second of Ben'); INSERT INTO item VALUES(1, 1, 'item of Ben');
           INSERT INTO note VALUES(1, 1, 'note of Ben')`,
      ],
      [a, `${of('Ann')} INSERT INTO item VALUES(1, 2, 'item of Ann')`],
    );
    cluster.settleDown();
    expectAlike(cluster);
    const lines = `SELECT who, what FROM purchase p JOIN line ON line.purchase_id = p.id
      UNION ALL SELECT who, what FROM purchase p JOIN item ON item.purchase_id = p.id
      UNION ALL SELECT who, what FROM purchase p JOIN note ON note.purchase_id = p.id ORDER BY 1, 2`;
    expect(rowsOf(b, lines)).toEqual([
      ['Ann', 'item of Ann'],
      ['Ann', 'line of Ann'],
      ['Ben', 'item of Ben'],
      ['Ben', 'line of Ben'],
      ['Ben', 'note of Ben'],
      ['Ben', 'second of Ben'],
    ]);
    expect(b.app.pragma('foreign_key_check')).toEqual([]);
    expect(recordsOf(b, 'orphan')).toEqual([]);
    expect(recordsOf(b, 'key-collision').map(({ detail }) => detail)).toContainEqual({
      rekeyedTo: newKeyOf(b),
      moved: 4,
    });
  });

  test('on the losing row’s own node also when others have joined the two first', () => {
    const { cluster, nodes } = makeShop({ count: 3 });
    const [a, b, c] = nodes;
    writeInTurn([b, `INSERT INTO purchase(who) VALUES('Ben')`], [a, `INSERT INTO purchase(who) VALUES('Ann')`]);
    c.pull(b);
    c.pull(a);
    writeInTurn([b, `INSERT INTO line(purchase_id, what) VALUES(1, 'not known to whoever joined them')`]);
    b.pull(c);
    expect(rowsOf(b, 'SELECT purchase_id FROM line')).toEqual([[newKeyOf(b)]]);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(c, 'SELECT purchase_id FROM line')).toEqual([[newKeyOf(c)]]);
  });

  test('a reference of the row to itself, and of one rekeyed row to another', () => {
    const { cluster, nodes } = makeShop();
    const [a, b] = nodes;
    const two = (who: string) => `INSERT INTO purchase(id, who, replaces) VALUES(1, '${who} 1', 1), (2, '${who} 2', 1)`;
    writeInTurn([b, two('Ben')], [a, two('Ann')]);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(b, 'SELECT p.who, r.who FROM purchase p JOIN purchase r ON r.id = p.replaces ORDER BY 1')).toEqual([
      ['Ann 1', 'Ann 1'],
      ['Ann 2', 'Ann 1'],
      ['Ben 1', 'Ben 1'],
      ['Ben 2', 'Ben 1'],
    ]);
  });

  test('and nothing else: what a third node meant is not known, what was written afterwards means the other row', () => {
    const { cluster, nodes } = makeShop({ count: 3 });
    const [a, b, c] = nodes;
    writeInTurn([b, `INSERT INTO purchase(who) VALUES('Ben')`]);
    c.pull(b);
    writeInTurn(
      [c, `INSERT INTO line(id, purchase_id) VALUES(3, 1)`],
      [a, `INSERT INTO purchase(who) VALUES('Ann'); INSERT INTO line(id, purchase_id) VALUES(1, 1)`],
    );
    b.pull(a);
    writeInTurn([b, `INSERT INTO line(id, purchase_id) VALUES(2, 1)`]);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(c, 'SELECT id, purchase_id FROM line ORDER BY id')).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
  });

  test.each([
    ['lww', true],
    ['version', false],
  ])('one that has won over an earlier row, where it can be told (%s)', (strategy, isTold) => {
    const { cluster, nodes } = makeShop({ count: 3, strategies: { '*': strategy } });
    const [a, b, c] = nodes;
    writeInTurn([c, `INSERT INTO purchase(who) VALUES('Cid')`], [b, `INSERT INTO purchase(who) VALUES('Ben')`]);
    c.pull(b);
    b.pull(c);
    writeInTurn(
      [a, `INSERT INTO purchase(who) VALUES('Ann')`],
      [b, `INSERT INTO line(purchase_id, what) VALUES(1, 'of Ben')`],
    );
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(a, 'SELECT who FROM purchase ORDER BY who').flat()).toEqual(['Ann', 'Ben', 'Cid']);
    expect(rowsOf(a, 'SELECT who FROM line JOIN purchase p ON p.id = purchase_id')).toEqual([[isTold ? 'Ben' : 'Ann']]);
    const [record] = recordsOf(a, 'key-collision').filter(({ loser }) => loser.node === 'n1');
    if (isTold) expect(record?.detail).toEqual({ rekeyedTo: expect.anything(), moved: 1 });
    else expect(record?.detail).toMatchObject({ moved: 0, kept: expect.stringContaining('cannot be told') });
  });

  test('only the column with the reference counts as written', () => {
    const { cluster, nodes } = makeShop({ count: 3 });
    const [a, b, c] = nodes;
    writeInTurn([b, `INSERT INTO purchase(who) VALUES('Ben'); INSERT INTO line(purchase_id, what) VALUES(1, 'tea')`]);
    c.pull(b);
    writeInTurn([a, `INSERT INTO purchase(who) VALUES('Ann')`], [c, `UPDATE line SET what = 'coffee'`]);
    b.pull(a);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(a, 'SELECT purchase_id, what FROM line')).toEqual([[newKeyOf(a), 'coffee']]);
    expect(recordsOf(a, 'update-update')).toEqual([]);
  });
});

describe('a write that comes too late to the losing row', () => {
  test.each(['merge', 'lww', 'version'])('goes to where the row lives now (%s)', (strategy) => {
    const { cluster, nodes } = makeShop({ count: 3, strategies: { '*': strategy } });
    const [a, b, c] = nodes;
    writeInTurn(
      [b, `INSERT INTO purchase(who, code) VALUES('Ben', 1)`],
      [a, `INSERT INTO purchase(who) VALUES('Ann')`],
    );
    c.pull(b);
    c.pull(a);
    writeInTurn([b, `UPDATE purchase SET who = 'Benjamin' WHERE id = 1`]);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(a, 'SELECT id, who, code FROM purchase ORDER BY id')).toEqual([
      [newKeyOf(a), 'Benjamin', 1],
      [1, 'Ann', null],
    ]);
  });

  test('stays in its record where somebody has written to the row since', () => {
    const { cluster, nodes } = makeShop({ count: 3 });
    const [a, b, c] = nodes;
    writeInTurn([b, `INSERT INTO purchase(who) VALUES('Ben')`], [a, `INSERT INTO purchase(who) VALUES('Ann')`]);
    c.pull(b);
    c.pull(a);
    writeInTurn([b, `UPDATE purchase SET who = 'Benjamin'`], [c, `UPDATE purchase SET who = 'Benny' WHERE id < 0`]);
    a.pull(c);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(a, 'SELECT who FROM purchase ORDER BY id').flat()).toEqual(['Benny', 'Ann']);
    expect(recordsOf(a, 'update-delete')).toMatchObject([{ loser: { row: { who: 'Benjamin' } } }]);
  });
});

describe('what cannot be done falls back to keep, and the record says why', () => {
  const keptOf = (node: EngineNode) =>
    recordsOf(node, 'key-collision').map(({ detail }) => (detail as { kept?: string }).kept);

  test('in a catch-up of several parts', () => {
    const { cluster, nodes } = makeShop({ limits: { applyTransactionRowsMax: 1, lockHoldMsMax: 0 } });
    const [a, b] = nodes;
    writeInTurn(
      [b, `INSERT INTO purchase(who) VALUES('Ben'); INSERT INTO line(id, purchase_id) VALUES(5, 1)`],
      [a, `INSERT INTO purchase(who) VALUES('Ann'), ('Abe'); INSERT INTO line(id, purchase_id) VALUES(6, 1)`],
    );
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(a, 'SELECT who FROM purchase').flat()).toEqual(['Ann', 'Abe']);
    expect(keptOf(a)).toEqual([expect.stringContaining('catch-up')]);
  });

  test('where the derived key is taken', () => {
    const { cluster, nodes } = makeShop();
    const [a, b] = nodes;
    writeInTurn([b, `INSERT INTO purchase(who) VALUES('Ben')`]);
    const life = {
      hlc: rowsOf(b, 'SELECT hlc FROM _sqlsync_log WHERE op = 1').flat()[0] as number,
      session: b.hello().session ?? '',
    };
    const taken = derivedKey('purchase', 1n, life);
    writeInTurn([a, `INSERT INTO purchase(id, who) VALUES(${taken}, 'squatter')`]);
    a.app.exec(`DELETE FROM _sqlsync_meta_${rowsOf(a, `SELECT id FROM _sqlsync_table WHERE name = 'purchase'`)}`);
    writeInTurn([a, `INSERT INTO purchase(id, who) VALUES(1, 'Ann')`]);
    a.pull(b);
    expect(keptOf(a)).toEqual([`another row has the key ${taken}`]);
    expect(rowsOf(a, 'SELECT who FROM purchase ORDER BY id').flat()).toEqual(['squatter', 'Ann']);
    cluster.settleDown();
  });

  test.each([
    ['a CHECK', 'id INTEGER PRIMARY KEY CHECK(id > 0), who', 'CHECK constraint failed'],
    [
      'a UNIQUE value that the other row has too',
      'id INTEGER PRIMARY KEY, who, code DEFAULT 1 UNIQUE',
      'UNIQUE constraint failed: t.code',
    ],
  ])('%s refuses it', (_, columns, words) => {
    const { cluster, nodes } = makeNodes(`CREATE TABLE t(${columns})`, { rules: { '*': { key_collision: 'rekey' } } });
    const [a, b] = nodes;
    writeInTurn([b, `INSERT INTO t(id, who) VALUES(1, 'Ben')`], [a, `INSERT INTO t(id, who) VALUES(1, 'Ann')`]);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(b, 'SELECT who FROM t')).toEqual([['Ann']]);
    expect(keptOf(b)).toEqual([expect.stringContaining(words)]);
  });

  test('the key was in use before: both may be one row', () => {
    const { cluster, nodes } = makeShop();
    const [a, b] = nodes;
    writeInTurn([a, `INSERT INTO purchase(id, who) VALUES(9, 'Zoe'); DELETE FROM purchase`]);
    cluster.settleDown();
    writeInTurn(
      [b, `INSERT INTO purchase(id, who) VALUES(9, 'Ben')`],
      [a, `INSERT INTO purchase(id, who) VALUES(9, 'Ann')`],
    );
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(b, 'SELECT who FROM purchase')).toEqual([['Ann']]);
    expect(keptOf(b)).toEqual([expect.stringContaining('in use before')]);
  });

  test('keys that SQLite does not allocate collide as any insert does', () => {
    const { cluster, nodes } = makeNodes('CREATE TABLE t(k TEXT PRIMARY KEY, who)', {
      rules: { '*': { key_collision: 'rekey' } },
    });
    const [a, b] = nodes;
    writeInTurn([b, `INSERT INTO t VALUES('k', 'Ben')`], [a, `INSERT INTO t VALUES('k', 'Ann')`]);
    cluster.settleDown();
    expectAlike(cluster);
    expect(recordsOf(a, 'insert-insert')).toMatchObject([{ loser: { row: { who: 'Ben' } } }]);
    expect(rowsOf(a, 'SELECT detail FROM _sqlsync_conflict')).toEqual([[null]]);
  });

  test('the rule keep: the loser is in its record alone', () => {
    const { cluster, nodes } = makeShop({ rules: {} });
    const [a, b] = nodes;
    writeInTurn([b, `INSERT INTO purchase(who) VALUES('Ben')`], [a, `INSERT INTO purchase(who) VALUES('Ann')`]);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(a, 'SELECT id, who FROM purchase')).toEqual([[1, 'Ann']]);
    expect(rowsOf(a, 'SELECT kind, detail FROM _sqlsync_conflict')).toEqual([['key-collision', null]]);
  });
});

test('a rekeyed row whose UNIQUE value another row has taken meanwhile is settled like any: the lower key stays', () => {
  const { cluster, nodes } = makeShop({ count: 3 });
  const [a, b, c] = nodes;
  writeInTurn(
    [b, `INSERT INTO purchase(who, code) VALUES('Ben', 'x')`],
    [a, `INSERT INTO purchase(who) VALUES('Ann')`],
  );
  b.pull(a);
  writeInTurn([c, `INSERT INTO purchase(id, who, code) VALUES(5, 'Cid', 'x')`]);
  settleAll(cluster);
  expectAlike(cluster);
  expect(rowsOf(c, 'SELECT who FROM purchase ORDER BY id').flat()).toEqual(['Ben', 'Ann']);
  expect(recordsOf(c, 'unique')).toMatchObject([{ key: { id: 5 }, loser: { row: { who: 'Cid' } } }]);
});

test('an exchange that is cut off before it is applied has given nobody a key', () => {
  const { nodes } = makeShop();
  const [a, b] = nodes;
  writeInTurn([b, `INSERT INTO purchase(who) VALUES('Ben')`], [a, `INSERT INTO purchase(who) VALUES('Ann')`]);
  const exec = a.writer.exec.bind(a.writer);
  a.writer.exec = ((sql: string) => {
    if (sql === 'COMMIT') throw new Error('refused');
    return exec(sql);
  }) as typeof exec;
  const application = a.replica.beginApply(stageOf(b, a.hello()));
  expect(() => application.step()).toThrow('refused');
  a.writer.exec = exec;
  expect(rowsOf(a, 'SELECT who FROM purchase')).toEqual([['Ann']]);
  while (!application.step().done);
  expect(rowsOf(a, 'SELECT who FROM purchase ORDER BY id').flat()).toEqual(['Ben', 'Ann']);
  expect(recordsOf(a, 'key-collision')).toHaveLength(1);
});
