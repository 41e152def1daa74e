/** Tables that an application makes beside the process that serves its file: taken in by themselves, by the rules. */
import { afterEach, expect, test } from 'vitest';
import { inspectCapture } from '../../src/replication/inspect-capture.js';
import { isPassing, NewTables } from '../../src/replication/new-tables.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const WAIT_MS = 2_000;

let cluster: EngineCluster;
afterEach(() => cluster?.close());

/** Two nodes whose clock the test moves. */
function pair(): [EngineNode, EngineNode] {
  cluster = new EngineCluster('CREATE TABLE item(k TEXT PRIMARY KEY, v)', 2);
  return cluster.nodes as [EngineNode, EngineNode];
}

/** Time passes for those tables that wait. */
function letRipen(node: EngineNode): void {
  node.foldAll();
  node.advance(WAIT_MS);
  node.foldAll();
}

const capturedIn = ({ app }: EngineNode) =>
  inspectCapture(app)
    .tables.map(({ name }) => name)
    .sort();

test('its rows, those written before it was taken in too, are changes of this node; a peer holds them until it has the table', () => {
  const [a, b] = pair();
  a.app.exec(`CREATE TABLE fresh(id INTEGER PRIMARY KEY, v); INSERT INTO fresh VALUES(1, 'early'), (2, 'early')`);
  a.foldAll();
  expect(capturedIn(a)).toEqual(['item']);
  expect(a.replica.foldDueInMs).toBeGreaterThan(0);
  letRipen(a);
  expect([capturedIn(a), inspectCapture(a.app).complete, a.replica.foldDueInMs]).toEqual([
    ['fresh', 'item'],
    true,
    null,
  ]);
  a.app.exec(`INSERT INTO fresh VALUES(3, 'late'); DELETE FROM fresh WHERE id = 2`);
  a.foldAll();
  b.pull(a);
  expect(b.replica.status().held).toMatchObject({ rows: 3, tables: [{ name: 'fresh' }] });
  b.app.exec('CREATE TABLE fresh(id INTEGER PRIMARY KEY, v)');
  letRipen(b);
  cluster.settleDown();
  expect(b.app.prepare('SELECT * FROM fresh').raw().all()).toEqual([
    [1, 'early'],
    [3, 'late'],
  ]);
  expect([a, b].map((node) => [node.replica.status().held.rows, node.replica.status().gap])).toEqual([
    [0, null],
    [0, null],
  ]);
});

test('a table that is there for a moment only, and one that a migration tool makes to rebuild another, are not', () => {
  const [a] = pair();
  a.app.exec('CREATE TABLE moment(id INTEGER PRIMARY KEY); CREATE TABLE __new_item(k TEXT PRIMARY KEY, v)');
  a.foldAll();
  a.app.exec('DROP TABLE moment');
  letRipen(a);
  expect(inspectCapture(a.app).undecided).toEqual(['__new_item']);
  a.app.exec('DROP TABLE item; ALTER TABLE __new_item RENAME TO item');
  letRipen(a);
  expect([capturedIn(a), inspectCapture(a.app).complete]).toEqual([['item'], true]);
});

test('rules leave tables out, by name or by glob; those of migration tools stay out by themselves', () => {
  const [a] = pair();
  a.app.exec(
    `INSERT INTO _sqlsync_rule(tbl, included) VALUES('cache_*', 0), ('cache_kept', 1), ('knex_migrations', 1)`,
  );
  a.app.exec(`CREATE TABLE cache_a(id INTEGER PRIMARY KEY); CREATE TABLE cache_kept(id INTEGER PRIMARY KEY);
    CREATE TABLE django_migrations(id INTEGER PRIMARY KEY); CREATE TABLE knex_migrations(id INTEGER PRIMARY KEY)`);
  letRipen(a);
  expect(capturedIn(a)).toEqual(['cache_kept', 'item', 'knex_migrations']);
  expect(a.replica.status().excludedTables).toEqual(['cache_a', 'django_migrations']);
  expect(inspectCapture(a.app).complete).toBe(true);
});

test('one that cannot be captured stays undecided, with the reason, and is taken in once it can', () => {
  const [a] = pair();
  a.app.exec(`CREATE TABLE keyless(a); CREATE TABLE nulls(k TEXT PRIMARY KEY); INSERT INTO nulls VALUES(NULL)`);
  letRipen(a);
  expect(a.replica.hasUnfolded()).toBe(false);
  expect(inspectCapture(a.app).refused).toEqual([
    { name: 'keyless', reason: expect.stringContaining('no PRIMARY KEY') },
    { name: 'nulls', reason: expect.stringContaining('NULL') },
  ]);
  a.app.exec(
    `UPDATE nulls SET k = 'k'; ALTER TABLE keyless ADD COLUMN b NOT NULL DEFAULT 1; CREATE UNIQUE INDEX i ON keyless(b)`,
  );
  letRipen(a);
  expect(inspectCapture(a.app).complete).toBe(true);
});

test('what is seen is remembered until it is gone; a clock that goes back keeps nothing waiting', () => {
  const tables = new NewTables();
  tables.see(['a'], [], 10_000);
  expect([tables.isDue(10_000), tables.dueInMs(10_500), tables.isDue(12_000), tables.isDue(9_000)]).toEqual([
    false,
    1_500,
    true,
    true,
  ]);
  tables.see(['a', 'b'], [], 12_000);
  expect(tables.ripe(12_000)).toEqual(['a']);
  tables.noteTried(['a']);
  expect([tables.isDue(12_000), tables.dueInMs(12_000)]).toEqual([false, 2_000]);
  tables.see([], [], 13_000);
  expect(tables.dueInMs(13_000)).toBeNull();
  expect(
    ['item_backup', 'x_backup', '_alembic_tmp_item', '_knex_temp_alter123'].map((n) => isPassing(n, ['item'])),
  ).toEqual([true, false, true, true]);
});

test.each([
  'item_new',
  'new_item',
  'item_tmp',
  'tmp_item',
  'item_temp',
  'temp_item',
  'item_old',
  'old_item',
  'item_copy',
])('%s, as people call what they rebuild a captured item with, is taken in by nobody', (name) => {
  expect([isPassing(name, ['item']), isPassing(name, ['other'])]).toEqual([true, false]);
});

test('a table that is rebuilt step by step gets its triggers when its copy has gone: what is copied back is no write', () => {
  const [a, b] = pair();
  a.app.exec(`INSERT INTO item VALUES('x', 1), ('y', 2)`);
  cluster.settleDown();
  for (const sql of [
    'CREATE TABLE item_backup(k TEXT PRIMARY KEY, v TEXT)',
    'INSERT INTO item_backup SELECT * FROM item',
    'DROP TABLE item',
    'CREATE TABLE item(k TEXT PRIMARY KEY, v TEXT)',
    'INSERT INTO item SELECT * FROM item_backup',
  ]) {
    a.app.exec(sql);
    a.foldAll();
  }
  expect(inspectCapture(a.app)).toMatchObject({
    complete: false,
    tables: [{ name: 'item', missing: expect.any(Array) }],
  });
  a.app.exec('DROP TABLE item_backup');
  a.foldAll();
  expect([inspectCapture(a.app).complete, a.replica.status().gap?.tables]).toEqual([true, ['item']]);
  b.pull(a);
  expect(b.replica.status().held.rows).toBe(0);
});

test('a copy that is left behind does not keep the triggers away for good', () => {
  const [a] = pair();
  a.app.exec(
    'CREATE TABLE item_backup(k TEXT PRIMARY KEY, v); DROP TABLE item; CREATE TABLE item(k TEXT PRIMARY KEY, v)',
  );
  letRipen(a);
  expect(inspectCapture(a.app).tables[0]?.missing).not.toEqual([]);
  a.advance(30_000);
  a.foldAll();
  expect(inspectCapture(a.app)).toMatchObject({ tables: [{ name: 'item', missing: [] }], undecided: ['item_backup'] });
});
