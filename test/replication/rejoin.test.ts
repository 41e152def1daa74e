/** A node that seeds itself afresh keeps what only it has, and everybody ends with the same. */
import { expect, onTestFinished, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA = `
  CREATE TABLE item(id TEXT PRIMARY KEY NOT NULL, a, b, u UNIQUE);
  CREATE TABLE sale(id INTEGER PRIMARY KEY, what, item TEXT);
  CREATE TABLE line(sale INTEGER REFERENCES sale(id), n INT, what, PRIMARY KEY(sale, n)) WITHOUT ROWID;
  CREATE TABLE tip(id INTEGER PRIMARY KEY, sale INTEGER REFERENCES sale(id), amount);
  CREATE TABLE own(n);
  INSERT INTO item VALUES('i1', 1, 1, 'u1'), ('i2', 2, 2, 'u2'), ('i3', 3, 3, 'u3'), ('i4', 4, 4, 'u4');
  INSERT INTO sale VALUES(1, 'first', 'i1');`;

type Three = [EngineNode, EngineNode, EngineNode];

function three(options: ConstructorParameters<typeof EngineCluster>[2] = {}): { made: EngineCluster; nodes: Three } {
  const made = new EngineCluster(SCHEMA, 3, { exclude: ['own'], ...options });
  onTestFinished(() => made.close());
  made.settleDown();
  return { made, nodes: made.nodes as Three };
}

test('a row that was deleted past the triggers is deleted again, by a process that has written nothing before', () => {
  const { made, nodes } = three();
  const [a, , c] = nodes;
  c.app.exec("INSERT INTO item VALUES('late', 1, 1, 'late')");
  made.settleDown();
  goOn(nodes);
  c.kill();
  c.open();
  const id = c.app.prepare("SELECT id FROM _sqlsync_table WHERE name = 'item'").pluck().get();
  c.app.exec(`DROP TRIGGER _sqlsync_${id}_delete; DELETE FROM item WHERE id = 'late'`);
  c.rejoin(a);
  expectSame(made);
  expect(read(a, "SELECT id FROM item WHERE id = 'late'")).toEqual([]);
});

/** The third is gone: the others count it out, and let go of what all that remain have. */
function goOn([a, b, c]: Three): void {
  a.removeMember(c);
  a.foldAll();
  for (let round = 0; round < 4; round += 1) {
    expect(a.pull(b)).toBeTypeOf('number');
    expect(b.pull(a)).toBeTypeOf('number');
    for (const node of [a, b]) while (node.replica.settle().more);
  }
}

const read = ({ app }: EngineNode, sql: string) => app.prepare(sql).raw().all();
function records({ app }: EngineNode) {
  const rowIn = (side: string) => (JSON.parse(side) as { row: unknown }).row;
  return app
    .prepare<[], Record<'tbl' | 'kind' | 'winner' | 'loser', string>>(
      'SELECT tbl, kind, winner, loser FROM _sqlsync_conflict ORDER BY tbl, loser',
    )
    .all()
    .map(({ tbl, kind, winner, loser }) => ({ table: tbl, kind, winner: rowIn(winner), loser: rowIn(loser) }));
}

function expectSame(made: EngineCluster): void {
  made.settleDown();
  const [first, ...others] = made.nodes.map((node) => node.data());
  for (const data of others) {
    expect({ ...data, own: null }).toEqual({ ...first, own: null });
  }
  const [a, ...rest] = made.nodes.map(records);
  for (const other of rest) expect(other).toEqual(a);
}

test('its writes are done again column by column, and what others have written meanwhile stays', () => {
  const { made, nodes } = three();
  const [a, , c] = nodes;
  c.app.exec(`UPDATE item SET a = 'mine' WHERE id = 'i1'; DELETE FROM item WHERE id = 'i3';
    INSERT INTO item VALUES('new', 'mine', NULL, 'u-new'); INSERT INTO own VALUES('of c')`);
  a.app.exec(`UPDATE item SET b = 'theirs' WHERE id = 'i1'; INSERT INTO item VALUES('other', 1, 1, 'u-other')`);
  a.removeMember(c);
  expect(c.pull(a)).toBe('member-removed');
  expect(c.rejoin(a)).toEqual({
    ...{ rows: { item: 3 }, conflicts: 0, refused: 0, rekeyed: 0 },
    ...{ localTables: ['own'], tablesLeftBehind: [], compared: false },
  });
  expectSame(made);
  expect(read(a, 'SELECT id, a, b FROM item ORDER BY id')).toEqual([
    ...[
      ['i1', 'mine', 'theirs'],
      ['i2', 2, 2],
      ['i4', 4, 4],
    ],
    ...[
      ['new', 'mine', null],
      ['other', 1, 1],
    ],
  ]);
  expect(records(a)).toEqual([]);
  expect(read(c, 'SELECT n FROM own')).toEqual([['of c']]);
  expect(read(a, 'SELECT n FROM own')).toEqual([]);
});

test('where others have written the same, both are kept: one in the row, the other in a record', () => {
  const { made, nodes } = three();
  const [a, , c] = nodes;
  a.app.exec(`UPDATE item SET a = 'theirs' WHERE id = 'i1'; DELETE FROM item WHERE id = 'i2'`);
  goOn(nodes);
  c.app.exec(`UPDATE item SET a = 'mine' WHERE id = 'i1'; UPDATE item SET a = 'mine' WHERE id = 'i2'`);
  expect(c.rejoin(a)).toMatchObject({ rows: { item: 1 }, conflicts: 2 });
  expectSame(made);
  expect(read(a, `SELECT id, a FROM item WHERE id < 'i3'`)).toEqual([['i1', 'mine']]);
  expect(records(a)).toEqual([
    { ...{ table: 'item', kind: 'update-delete' }, winner: null, loser: { id: 'i2', a: 'mine', b: 2, u: 'u2' } },
    expect.objectContaining({ table: 'item', kind: 'update-update', loser: { id: 'i1', a: 'theirs', b: 1, u: 'u1' } }),
  ]);
});

test('values of a UNIQUE index that changed hands find room together, and one that is taken goes into a record', () => {
  const { made, nodes } = three();
  const [a, , c] = nodes;
  a.app.exec(`INSERT INTO item VALUES('theirs', 0, 0, 'wanted')`);
  a.removeMember(c);
  c.app.exec(`UPDATE item SET u = 'free' WHERE id = 'i1'; UPDATE item SET u = 'u1' WHERE id = 'i2';
    UPDATE item SET u = 'u2' WHERE id = 'i1'; INSERT INTO item VALUES('mine', 0, 0, 'wanted')`);
  expect(c.rejoin(a)).toMatchObject({ rows: { item: 2 }, conflicts: 1, refused: 1 });
  expectSame(made);
  expect(read(a, 'SELECT id, u FROM item ORDER BY id')).toEqual([
    ...[
      ['i1', 'u2'],
      ['i2', 'u1'],
      ['i3', 'u3'],
      ['i4', 'u4'],
    ],
    ['theirs', 'wanted'],
  ]);
  expect(records(a)).toMatchObject([{ kind: 'unique', loser: { id: 'mine', u: 'wanted' } }]);
});

test('of a row that a constraint keeps out the record holds what others have written over as well', () => {
  const { made, nodes } = three();
  const [a, , c] = nodes;
  c.app.exec(`UPDATE item SET a = 'mine', u = 'wanted' WHERE id = 'i1'`);
  c.foldAll();
  a.app.exec(`INSERT INTO item VALUES('theirs', 0, 0, 'wanted'); UPDATE item SET a = 'later' WHERE id = 'i1'`);
  a.foldAll();
  a.removeMember(c);
  expect(c.rejoin(a)).toMatchObject({ rows: {}, conflicts: 1, refused: 1 });
  expectSame(made);
  expect(records(a)).toMatchObject([{ kind: 'unique', loser: { id: 'i1', a: 'mine', u: 'wanted' } }]);
});

test('tables and columns that the others have no more, and constraints they have added, lose nothing', () => {
  const { made, nodes } = three();
  const [a, b, c] = nodes;
  c.app.exec(`UPDATE item SET b = 'mine' WHERE id = 'i1'; INSERT INTO tip VALUES(1, 1, 'mine');
    UPDATE sale SET what = 'mine', item = 'i9' WHERE id = 1;
    CREATE TABLE draft(x); INSERT INTO draft VALUES('of c')`);
  for (const { app } of [a, b]) {
    app.exec(`DROP TABLE tip; ALTER TABLE item DROP COLUMN b; CREATE TABLE sale2(id INTEGER PRIMARY KEY, what, item TEXT
        CHECK(item < 'i5'), more DEFAULT 'd');
      INSERT INTO sale2(id, what, item) SELECT * FROM sale; DROP TABLE sale; ALTER TABLE sale2 RENAME TO sale`);
  }
  for (const node of [a, b]) node.foldAll();
  goOn(nodes);
  expect(c.rejoin(a)).toMatchObject({ rows: {}, conflicts: 3, refused: 3, tablesLeftBehind: ['draft'] });
  expectSame(made);
  expect(records(a)).toEqual([
    expect.objectContaining({ table: 'item', loser: { id: 'i1', a: 1, b: 'mine', u: 'u1' } }),
    expect.objectContaining({ table: 'sale', loser: { id: 1, what: 'mine', item: 'i9', more: 'd' } }),
    expect.objectContaining({ table: 'tip', loser: { id: 1, sale: 1, amount: 'mine' } }),
  ]);
});

test('under the rule rekey, rows that share an allocated key with others live on, and take along what refers to them', () => {
  const rules = { '*': { key_collision: 'rekey' } };
  const { made, nodes } = three({ rules });
  const [a, , c] = nodes;
  a.app.exec(`INSERT INTO sale VALUES(2, 'theirs', NULL); INSERT INTO line VALUES(2, 1, 'theirs')`);
  goOn(nodes);
  c.app.pragma('foreign_keys = OFF');
  c.app.exec(`INSERT INTO tip VALUES(1, 2, 'before there was a 2');
    INSERT INTO sale VALUES(2, 'mine', NULL), (3, 'mine alone', NULL);
    INSERT INTO line VALUES(2, 1, 'mine'), (3, 1, 'mine alone'); INSERT INTO tip VALUES(2, 2, 'mine')`);
  expect(c.rejoin(a)).toMatchObject({ rows: { sale: 2, line: 2, tip: 2 }, rekeyed: 1, conflicts: 1, refused: 0 });
  expectSame(made);
  const [[key]] = read(a, `SELECT id FROM sale WHERE what = 'mine'`) as [[number]];
  expect(key).toBeLessThan(0);
  expect(read(a, 'SELECT sale, what FROM line ORDER BY what')).toEqual([
    ...[
      [key, 'mine'],
      [3, 'mine alone'],
      [2, 'theirs'],
    ],
  ]);
  expect(read(a, 'SELECT sale, amount FROM tip ORDER BY id')).toEqual([
    ...[
      [2, 'before there was a 2'],
      [key, 'mine'],
    ],
  ]);
  expect(read(a, 'SELECT kind, detail FROM _sqlsync_conflict')).toEqual([
    ['key-collision', JSON.stringify({ rekeyedTo: key, moved: 2 })],
  ]);
});

test('an older copy: what nobody can tell whether it had arrived changes no row, and stands in a record', () => {
  const { made, nodes } = three();
  const [a, b, c] = nodes;
  c.app.exec(`UPDATE item SET a = 'first' WHERE id = 'i1'`);
  c.foldAll();
  c.backUp();
  made.settleDown();
  b.app.exec(`UPDATE item SET a = 'second' WHERE id = 'i1'`);
  made.settleDown();
  // The session of the first write ends, and all let go of it.
  c.kill();
  c.open();
  c.app.exec(`UPDATE item SET b = 'later' WHERE id = 'i2'`);
  for (let round = 0; round < 4; round += 1) {
    made.settleDown();
    for (const node of nodes) while (node.replica.settle().more);
  }
  expect(a.hello().dropped).toBeGreaterThan(0);
  c.restore();
  c.app.exec(`UPDATE item SET a = 'since' WHERE id = 'i4'`);
  expect(c.pull(a)).toBe('stale');
  expect(c.rejoin(a)).toMatchObject({ rows: { item: 1 }, conflicts: 2, compared: false });
  expectSame(made);
  expect(read(a, 'SELECT id, a, b FROM item ORDER BY id')).toEqual([
    ...[
      ['i1', 'second', 1],
      ['i2', 2, 'later'],
      ['i3', 3, 3],
      ['i4', 'since', 4],
    ],
  ]);
  expect(records(a)).toMatchObject([
    { winner: { id: 'i1', a: 'second' }, loser: { id: 'i1', a: 'first' } },
    // The others have let go of who had written there last: that it was nobody since, nothing tells.
    { winner: { id: 'i4', a: 'since' }, loser: { id: 'i4', a: 4 } },
  ]);
});

test('two sides that have counted each other out compare rows one by one, and lose none', () => {
  const { made, nodes } = three();
  const [a, b, c] = nodes;
  c.removeMember(a);
  c.removeMember(b);
  c.app.exec(`INSERT INTO item VALUES('mine', 1, 1, 'm'); UPDATE item SET a = 'mine' WHERE id = 'i1';
    DELETE FROM item WHERE id = 'i4'`);
  c.foldAll();
  while (c.replica.settle().more);
  expect(
    read(
      c,
      `SELECT count(*) FROM _sqlsync_meta_${(read(c, `SELECT id FROM _sqlsync_table WHERE name = 'item'`)[0] as number[])[0]}`,
    ),
  ).toEqual([[0]]);
  a.app.exec(`UPDATE item SET b = 'theirs' WHERE id = 'i1'; DELETE FROM item WHERE id = 'i3'`);
  goOn(nodes);
  expect(c.rejoin(a)).toMatchObject({ compared: true });
  expectSame(made);
  // What one side has deleted is there, since nothing tells that the other had seen it.
  expect(read(a, 'SELECT id FROM item ORDER BY id')).toEqual([['i1'], ['i2'], ['i3'], ['i4'], ['mine']]);
  const sides = [
    { id: 'i1', a: 'mine', b: 1, u: 'u1' },
    { id: 'i1', a: 1, b: 'theirs', u: 'u1' },
  ];
  const [record] = records(a);
  expect(sides).toContainEqual(record?.winner);
  expect(sides).toContainEqual(record?.loser);
  expect(record?.winner).not.toEqual(record?.loser);
});

test('two sides that have counted each other out: what one has settled the other has not seen, however high its own horizon', () => {
  const { made, nodes } = three();
  const [a, b, c] = nodes;
  c.removeMember(a);
  c.removeMember(b);
  a.app.exec(`UPDATE item SET a = 'theirs' WHERE id = 'i1'`);
  goOn(nodes);
  c.app.exec(`INSERT INTO item VALUES('since', 1, 1, 's')`);
  c.foldAll();
  while (c.replica.settle().more);
  expect(c.hello().horizon).toBeGreaterThan(a.hello().horizon);
  c.app.exec(`UPDATE item SET a = 'mine' WHERE id = 'i1'`);
  expect(c.rejoin(a)).toMatchObject({ compared: true, conflicts: 1 });
  expectSame(made);
  expect(records(a)).toMatchObject([{ winner: { id: 'i1', a: 'mine' }, loser: { id: 'i1', a: 'theirs' } }]);
});

test('what one side keeps in a record alone comes along, though it has been settled there', () => {
  const { made, nodes } = three();
  const [a, b, c] = nodes;
  b.app.exec(`INSERT INTO item VALUES('b', 1, 1, 'same')`);
  c.app.exec(`INSERT INTO item VALUES('c', 'only in a record', 1, 'same')`);
  c.pull(b);
  c.foldAll();
  c.removeMember(a);
  c.removeMember(b);
  c.foldAll();
  while (c.replica.settle().more);
  goOn(nodes);
  expect(c.rejoin(a)).toMatchObject({ compared: true });
  expectSame(made);
  expect(records(a)).toMatchObject([{ kind: 'unique', loser: { id: 'c', a: 'only in a record' } }]);
});

test('what another has written, and lost with an older copy since, is written again', () => {
  const { made, nodes } = three();
  const [a, b, c] = nodes;
  b.backUp();
  b.app.exec(`UPDATE item SET a = 'of b' WHERE id = 'i1'`);
  b.foldAll();
  c.pull(b);
  b.restore();
  // Until b is heard again, it would be for b to bring what it has written.
  a.pull(b);
  a.removeMember(c);
  expect(c.rejoin(a)).toMatchObject({ rows: { item: 1 }, conflicts: 0 });
  expectSame(made);
  expect(read(b, `SELECT a FROM item WHERE id = 'i1'`)).toEqual([['of b']]);
});

test('from one that is behind itself nobody is seeded', () => {
  const { nodes } = three();
  const [a, b, c] = nodes;
  a.backUp();
  for (const node of nodes) node.app.exec(`UPDATE item SET a = '${node.name}' WHERE id = 'i1'`);
  for (let round = 0; round < 5; round += 1) {
    for (const to of nodes) for (const from of nodes) if (to !== from) expect(to.pull(from)).toBeTypeOf('number');
    for (const node of nodes) {
      node.kill();
      node.open();
      node.app.exec(`UPDATE item SET b = '${round}' WHERE id = 'i2'`);
      while (node.replica.settle().more);
    }
  }
  a.restore();
  const before = a.data();
  expect(c.pull(a)).toBe('stale');
  expect(() => c.rejoin(a)).toThrow(expect.objectContaining({ code: 'stale', hint: 'on n0: sqlsync rejoin' }));
  expect(a.data()).toEqual(before);
  expect(a.rejoin(b)).toMatchObject({ compared: false });
});
