/** What a rejoining node keeps aside, and what its seed does, when nobody else can bring it: no value goes unsaid. */
import { expect, onTestFinished, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA = `
  CREATE TABLE item(k TEXT PRIMARY KEY NOT NULL, a, b);
  CREATE TABLE span(k TEXT PRIMARY KEY NOT NULL, lo, hi, CHECK(lo <= hi));
  INSERT INTO item VALUES('i1', 1, 1), ('i2', 2, 2);
  INSERT INTO span VALUES('s', 0, 10);`;
const MIGRATION = 'ALTER TABLE item ADD COLUMN late';
const NEW_TABLE = 'CREATE TABLE note(k TEXT PRIMARY KEY NOT NULL, v)';

/** The seed, the author of what is held, and the one that rejoins. */
type Three = [seed: EngineNode, author: EngineNode, late: EngineNode];

function three(options: ConstructorParameters<typeof EngineCluster>[2] = {}): { made: EngineCluster; nodes: Three } {
  const made = new EngineCluster(SCHEMA, 3, options);
  onTestFinished(() => made.close());
  made.settleDown();
  return { made, nodes: made.nodes as Three };
}

const read = ({ app }: EngineNode, sql: string) => app.prepare(sql).raw().all();
const held = (node: EngineNode) => node.replica.status().held.rows;

function records({ app }: EngineNode): { table: string; kind: string; loser: unknown }[] {
  const rows = app.prepare<[], Record<'tbl' | 'kind' | 'loser', string>>(
    'SELECT tbl, kind, loser FROM _sqlsync_conflict ORDER BY tbl, loser',
  );
  return rows.all().map(({ tbl, kind, loser }) => ({ table: tbl, kind, loser: JSON.parse(loser).row }));
}

function makeNotes(node: EngineNode): void {
  node.app.exec(`${NEW_TABLE}; INSERT INTO note VALUES('n1', 'of the author'), ('n2', 'of the author')`);
  node.foldAll();
  // A table that is there for a moment only is not taken in.
  node.advance(2000);
  node.foldAll();
}

/** Both are counted out, and only one of them comes back. */
function loseAuthor([seed, author, late]: Three): void {
  seed.removeMember(author);
  seed.removeMember(late);
  seed.foldAll();
}

/** Exchanges between the two that are left. */
function settleTwo([seed, , late]: Three): void {
  for (let round = 0; round < 4; round += 1) {
    for (const [to, from] of [
      [seed, late],
      [late, seed],
    ] as const) {
      expect(to.pull(from)).toBeTypeOf('number');
      while (to.replica.settle().more);
    }
  }
  expect(late.data()).toEqual(seed.data());
  expect(records(late)).toEqual(records(seed));
}

test('a row that waits for a column goes in without it, and stands whole in a record', () => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  author.app.exec(`${MIGRATION}; UPDATE item SET a = 'of the author', late = 'late' WHERE k = 'i1';
    INSERT INTO item VALUES('new', 'of the author', 3, 'late too')`);
  late.pull(author);
  expect(held(late)).toBe(2);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: { item: 2 }, conflicts: 2, refused: 2 });
  settleTwo(nodes);
  expect(read(seed, 'SELECT * FROM item ORDER BY k')).toEqual([
    ['i1', 'of the author', 1],
    ['i2', 2, 2],
    ['new', 'of the author', 3],
  ]);
  expect(records(seed).map(({ loser }) => loser)).toEqual([
    { k: 'i1', a: 'of the author', b: 1, late: 'late' },
    { k: 'new', a: 'of the author', b: 3, late: 'late too' },
  ]);
});

test.each([
  ['was deleted there', 'item', `DELETE FROM item WHERE k = 'i1'`, `UPDATE item SET late = 'own' WHERE k = 'i1'`],
  ['a CHECK keeps out there', 'span', `UPDATE span SET lo = 9`, `UPDATE span SET hi = 5, late = 'own'`],
])('a row with a column that the seed lacks, and which %s, is kept with that column', (_, table, there, here) => {
  const { nodes } = three();
  const [seed, , late] = nodes;
  loseAuthor(nodes);
  seed.app.exec(there);
  seed.foldAll();
  late.app.exec(`ALTER TABLE ${table} ADD COLUMN late; ${here}`);
  late.rejoin(seed);
  settleTwo(nodes);
  expect(records(seed)).toContainEqual(expect.objectContaining({ loser: expect.objectContaining({ late: 'own' }) }));
});

test('one that fits the seed’s table, since that has been migrated, goes in whole', () => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  author.app.exec(`${MIGRATION}; UPDATE item SET late = 'late' WHERE k = 'i1'`);
  late.pull(author);
  seed.app.exec(MIGRATION);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: { item: 1 }, conflicts: 0 });
  settleTwo(nodes);
  expect(read(seed, `SELECT * FROM item WHERE k = 'i1'`)).toEqual([['i1', 1, 1, 'late']]);
});

test('it meets what the rejoining node has written to the same row, column by column', () => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  author.app.exec(`${MIGRATION}; UPDATE item SET a = 'of the author', late = 'late' WHERE k = 'i1'`);
  author.foldAll();
  late.app.exec(`UPDATE item SET a = 'of the late one', b = 'of the late one' WHERE k = 'i1'`);
  late.pull(author);
  seed.app.exec(MIGRATION);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: { item: 1 }, conflicts: 1 });
  settleTwo(nodes);
  expect(read(seed, `SELECT * FROM item WHERE k = 'i1'`)).toEqual([
    ['i1', 'of the late one', 'of the late one', 'late'],
  ]);
  expect(records(seed)).toMatchObject([{ kind: 'update-update', loser: { a: 'of the author' } }]);
});

test('a newer version that waits takes the place of the one that the rejoining node has in its table', () => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  author.app.exec(`INSERT INTO item VALUES('new', 'first', 1)`);
  late.pull(author);
  author.app.exec(`${MIGRATION}; UPDATE item SET a = 'second', late = 'late' WHERE k = 'new'`);
  late.pull(author);
  seed.app.exec(MIGRATION);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: { item: 1 }, conflicts: 0 });
  settleTwo(nodes);
  expect(read(seed, `SELECT * FROM item WHERE k = 'new'`)).toEqual([['new', 'second', 1, 'late']]);
});

test('rows of a table that the seed does not have yet wait in it, on all nodes, and come in with the migration', () => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  makeNotes(author);
  late.pull(author);
  expect(held(late)).toBe(2);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: { note: 2 }, conflicts: 0, refused: 0 });
  settleTwo(nodes);
  expect([held(late), held(seed)]).toEqual([2, 2]);
  for (const node of [seed, late]) {
    node.app.exec(NEW_TABLE);
    node.foldAll();
    node.advance(2000);
    node.foldAll();
  }
  settleTwo(nodes);
  expect([held(late), held(seed)]).toEqual([0, 0]);
  expect(read(seed, 'SELECT * FROM note ORDER BY k')).toEqual([
    ['n1', 'of the author'],
    ['n2', 'of the author'],
  ]);
});

test('rows of a table that the seed has dropped go into records', () => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  author.app.exec(`UPDATE span SET lo = 1; ${MIGRATION}`);
  author.foldAll();
  for (const { app } of [seed, late]) app.exec('DROP TABLE span');
  late.pull(author);
  expect(held(late)).toBe(1);
  seed.foldAll();
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: {}, conflicts: 1, refused: 1 });
  settleTwo(nodes);
  expect(records(seed)).toMatchObject([{ table: 'span', loser: { k: 's', lo: 1, hi: 10 } }]);
});

test('rows of a table that has another name by now come in under that', () => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  for (const node of [seed, late]) {
    node.app.exec('ALTER TABLE span RENAME TO stretch');
    node.foldAll();
  }
  author.app.exec(`INSERT INTO span VALUES('new', 1, 2)`);
  late.pull(author);
  expect(held(late)).toBe(1);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: { span: 1 }, conflicts: 0 });
  late.foldAll();
  settleTwo(nodes);
  expect(read(seed, `SELECT * FROM stretch WHERE k = 'new'`)).toEqual([['new', 1, 2]]);
  expect([held(seed), held(late)]).toEqual([0, 0]);
});

test('versions of one row that wait side by side have not seen each other when they come in either', () => {
  const made = new EngineCluster(SCHEMA, 4);
  onTestFinished(() => made.close());
  made.settleDown();
  const [seed, author, late, other] = made.nodes as [...Three, EngineNode];
  for (const node of [author, other]) {
    node.app.exec(`${NEW_TABLE}; INSERT INTO note VALUES('n1', 'of ${node.name}')`);
    node.foldAll();
    node.advance(2000);
    late.pull(node);
  }
  expect(held(late)).toBe(2);
  seed.removeMember(other);
  loseAuthor([seed, author, late]);
  expect(late.rejoin(seed)).toMatchObject({ conflicts: 0 });
  settleTwo([seed, author, late]);
  expect([held(seed), held(late)]).toEqual([2, 2]);
  for (const node of [seed, late]) {
    node.app.exec(NEW_TABLE);
    node.foldAll();
    node.advance(2000);
    node.foldAll();
  }
  settleTwo([seed, author, late]);
  const lost = records(seed).map(({ loser }) => (loser as { v: string }).v);
  expect([...lost, ...read(seed, 'SELECT v FROM note').flat()].sort()).toEqual(['of n1', 'of n3']);
});

test('what another has written and lost with an older copy since is written again, though it only waits here', () => {
  const { made, nodes } = three();
  const [seed, author, late] = nodes;
  author.backUp();
  author.app.exec(`${MIGRATION}; UPDATE item SET a = 'of the author', late = 'late' WHERE k = 'i1'`);
  late.pull(author);
  author.restore();
  seed.pull(author);
  seed.removeMember(late);
  expect(late.rejoin(seed)).toMatchObject({ rows: { item: 1 }, refused: 1 });
  made.settleDown();
  for (const node of nodes) expect(read(node, `SELECT a FROM item WHERE k = 'i1'`)).toEqual([['of the author']]);
  expect(records(author)).toMatchObject([{ loser: { late: 'late' } }]);
});

test('one whose author still belongs is for the author to bring', () => {
  const { made, nodes } = three();
  const [seed, author, late] = nodes;
  author.app.exec(`${MIGRATION}; UPDATE item SET a = 'of the author', late = 'late' WHERE k = 'i1'`);
  late.pull(author);
  seed.removeMember(late);
  expect(late.rejoin(seed)).toMatchObject({ rows: {}, conflicts: 0 });
  made.settleDown();
  expect([held(seed), held(late)]).toEqual([1, 1]);
});

test('a deletion that waits deletes the row, and one of which the seed has no table is not forgotten', () => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  makeNotes(author);
  seed.pull(author);
  late.pull(author);
  author.app.exec(`DELETE FROM note WHERE k = 'n1'; UPDATE note SET v = 'again' WHERE k = 'n2'`);
  late.pull(author);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: { note: 2 }, conflicts: 0 });
  settleTwo(nodes);
  for (const node of [seed, late]) {
    node.app.exec(NEW_TABLE);
    node.foldAll();
    node.advance(2000);
    node.foldAll();
  }
  settleTwo(nodes);
  expect(read(seed, 'SELECT * FROM note')).toEqual([['n2', 'again']]);
  expect(records(seed)).toEqual([]);
});

/** The author and the one that rejoins have been migrated; in the seed the author’s row waits. */
function seedHolds(nodes: Three): void {
  const [seed, author, late] = nodes;
  author.app.exec(`${MIGRATION}; INSERT INTO item VALUES('new', 'of the author', 1, 'late')`);
  late.app.exec(MIGRATION);
  seed.pull(author);
  late.pull(author);
  expect([held(seed), held(late)]).toEqual([1, 0]);
}

const all = (node: EngineNode) => read(node, `SELECT * FROM item WHERE k = 'new'`);

test('a row that waits in the seed is not lost with the file that had it in its table: the next migration brings it', () => {
  const { nodes } = three();
  const [seed, , late] = nodes;
  seedHolds(nodes);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: {}, conflicts: 0 });
  settleTwo(nodes);
  expect([all(late), held(late)]).toEqual([[], 1]);
  late.app.exec(MIGRATION);
  late.foldAll();
  expect(all(late)).toEqual([['new', 'of the author', 1, 'late']]);
  seed.app.exec(MIGRATION);
  settleTwo(nodes);
});

test.each([
  ['a write', `UPDATE item SET a = 'of the late one' WHERE k = 'new'`, [['new', 'of the late one', 1, 'late']]],
  ['a deletion', `DELETE FROM item WHERE k = 'new'`, []],
])('%s to a row that waits in the seed waits there with it', (_, sql, outcome) => {
  const { nodes } = three();
  const [seed, , late] = nodes;
  seedHolds(nodes);
  late.app.exec(sql);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: { item: 1 }, conflicts: 0, refused: 0 });
  settleTwo(nodes);
  for (const { app } of [seed, late]) app.exec(MIGRATION);
  settleTwo(nodes);
  expect([held(seed), held(late), all(seed)]).toEqual([0, 0, outcome]);
  expect(records(seed)).toEqual([]);
});

test.each([
  ['a write', `UPDATE span SET hi = 20 WHERE k = 'bad'`, [['bad', 9, 20]]],
  ['a deletion', `DELETE FROM span WHERE k = 'bad'`, []],
])('%s to a row that a CHECK keeps out of the seed’s table is not forgotten', (_, sql, outcome) => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  for (const node of [author, late]) {
    node.app.exec(`CREATE TABLE anew(k TEXT PRIMARY KEY NOT NULL, lo, hi); INSERT INTO anew SELECT * FROM span;
      DROP TABLE span; ALTER TABLE anew RENAME TO span`);
    node.foldAll();
  }
  author.app.exec(`INSERT INTO span VALUES('bad', 9, 1)`);
  seed.pull(author);
  late.pull(author);
  expect(seed.replica.status().quarantined).toBe(1);
  late.app.exec(sql);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: { span: 1 }, refused: 0 });
  settleTwo(nodes);
  expect([seed, late].map((node) => node.replica.status().quarantined)).toEqual([0, 0]);
  expect(read(seed, `SELECT * FROM span WHERE k = 'bad'`)).toEqual(outcome);
});

/** The node's own write and the author's are no row together. */
function keepOut(node: EngineNode, author: EngineNode): void {
  node.app.exec('UPDATE span SET lo = 8');
  node.foldAll();
  author.app.exec('UPDATE span SET hi = 5');
  node.pull(author);
}

test('a version that a CHECK keeps out goes into a record whole', () => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  keepOut(late, author);
  expect(late.replica.status().quarantined).toBe(1);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ conflicts: 1, refused: 1 });
  settleTwo(nodes);
  expect(records(seed)).toMatchObject([{ table: 'span', loser: { k: 's', lo: 8, hi: 5 } }]);
});

test('so does one that a CHECK has kept out of a table that is gone', () => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  keepOut(late, author);
  for (const node of [seed, late]) node.app.exec('DROP TABLE span');
  for (const node of [seed, late]) node.foldAll();
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ conflicts: 1, refused: 1 });
  settleTwo(nodes);
  expect(records(seed)).toMatchObject([{ table: 'span', loser: { k: 's', lo: 8, hi: 5 } }]);
});

test('what a CHECK keeps out of the seed’s table is in the snapshot too, and meets what the rejoining node wrote', () => {
  const { nodes } = three();
  const [seed, author, late] = nodes;
  keepOut(seed, author);
  late.pull(author);
  late.app.exec('UPDATE span SET lo = 3');
  late.foldAll();
  expect([seed, late].map((node) => node.replica.status().quarantined)).toEqual([1, 0]);
  loseAuthor(nodes);
  expect(late.rejoin(seed)).toMatchObject({ rows: { span: 1 } });
  settleTwo(nodes);
  expect(read(seed, 'SELECT * FROM span')).toEqual([['s', 3, 5]]);
  expect(records(seed)).toMatchObject([{ loser: { lo: 8 } }]);
});
