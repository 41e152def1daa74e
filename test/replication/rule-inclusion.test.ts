/** Tables that a change of the rules leaves out, or takes in: on every node, with nothing lost and nothing misapplied. */
import { afterEach, describe, expect, test } from 'vitest';
import { inspectCapture } from '../../src/replication/inspect-capture.js';
import { undecided } from '../../src/replication/rules.js';
import { adoptRules, decideRules, ruleChange } from '../support/decide-rules.js';
import { EngineCluster, type EngineNode, stageOf } from '../support/engine-node.js';

const SCHEMA = `CREATE TABLE item(k TEXT PRIMARY KEY, v); CREATE TABLE cache_a(k TEXT PRIMARY KEY, v);
  CREATE TABLE cache_b(k TEXT PRIMARY KEY, v)`;

let cluster: EngineCluster;
afterEach(() => cluster?.close());

function nodes(count = 3, schema = SCHEMA, exclude: string[] = []): [EngineNode, EngineNode, EngineNode] {
  cluster = new EngineCluster(schema, count, { exclude });
  cluster.nodes[0]?.app.exec(`INSERT INTO item VALUES('i', 0); INSERT INTO cache_a VALUES('a', 0)`);
  cluster.settleDown();
  return cluster.nodes as [EngineNode, EngineNode, EngineNode];
}

const taking = (table: string, included: boolean) => [{ ...undecided(table), included }];
const code = (expected: string) => expect.objectContaining({ code: expected });
const rows = ({ app }: EngineNode, table: string) => app.prepare(`SELECT * FROM ${table} ORDER BY 1`).raw().all();
const captured = ({ app }: EngineNode) =>
  inspectCapture(app)
    .tables.map(({ name }) => name)
    .sort();
const ours = ({ app }: EngineNode) =>
  app
    .prepare(`SELECT type || ' ' || tbl_name FROM sqlite_schema WHERE tbl_name LIKE 'cache%' AND type = 'trigger'`)
    .all();
/** What is still known of the two tables' rows: they got the first numbers. */
const leftOf = ({ app }: EngineNode) =>
  app.prepare("SELECT name FROM sqlite_schema WHERE name IN ('_sqlsync_meta_10', '_sqlsync_meta_11')").all();
const conflictsOf = ({ app }: EngineNode) => app.prepare('SELECT tbl, key, kind FROM _sqlsync_conflict').raw().all();
/** What was written meanwhile has crossed, and every member has heard that it has. */
function settle(): void {
  for (let round = 0; round < 2; round += 1) cluster.settleDown();
}

describe('a table that is left out', () => {
  test('is captured nowhere from then on, and its rows stay', () => {
    const all = nodes();
    for (const node of all) node.app.exec(`INSERT INTO cache_a VALUES('${node.name}', 1)`);
    settle();
    expect(adoptRules(all, taking('cache_*', false))).toBeNull();
    for (const node of all) node.foldAll();
    for (const node of all) {
      expect([captured(node), ours(node)]).toEqual([['item'], []]);
      expect(inspectCapture(node.app).complete).toBe(true);
      expect(node.replica.status().excludedTables).toEqual(['cache_a', 'cache_b']);
      expect(rows(node, 'cache_a')).toHaveLength(4);
      expect(leftOf(node)).toEqual([]);
    }
    const [paris, lyon] = all;
    paris.app.exec(`INSERT INTO cache_a VALUES('paris alone', 2); UPDATE item SET v = 1`);
    settle();
    expect([rows(lyon, 'item'), rows(lyon, 'cache_a').length]).toEqual([[['i', 1]], 4]);
    expect(paris.replica.status()).toMatchObject({ pendingChanges: 0, held: { rows: 0 }, quarantined: 0 });
  });

  test('waits until every member has all that was written to it', () => {
    const all = nodes();
    const [paris, lyon, nice] = all;
    lyon.app.exec(`INSERT INTO cache_a VALUES('unsent', 1)`);
    expect(() => adoptRules(all, taking('cache_a', false))).toThrow(code('unsent-changes'));
    lyon.foldAll();
    paris.pull(lyon);
    expect(() => adoptRules(all, taking('cache_a', false))).toThrow(code('unsent-changes'));
    settle();
    paris.app.exec(`INSERT INTO cache_a VALUES('of the coordinator', 1)`);
    expect(adoptRules(all, taking('cache_a', false))).toContain(
      'has not received all that was written to cache_a on n0',
    );
    expect(adoptRules(all, taking('cache_b', false))).toBeNull();
    settle();
    expect(adoptRules(all, taking('cache_a', false))).toBeNull();
    expect(rows(nice, 'cache_a')).toEqual([
      ['a', 0],
      ['of the coordinator', 1],
      ['unsent', 1],
    ]);
  });

  test('waits for a write that a later one from elsewhere lies over, too', () => {
    const all = nodes();
    const [paris, lyon, nice] = all;
    lyon.app.exec(`UPDATE cache_a SET v = 'lyon'`);
    lyon.foldAll();
    for (const v of [1, 2, 3]) paris.app.exec(`UPDATE cache_a SET v = ${v}`);
    paris.foldAll();
    lyon.pull(paris);
    nice.pull(paris);
    paris.replica.acknowledge(lyon.hello());
    paris.replica.acknowledge(nice.hello());
    expect(() => adoptRules([nice, paris, lyon], taking('cache_a', false))).toThrow(code('unsent-changes'));
  });

  test('is let go of by a node that is killed between adopting the rules and doing so', () => {
    const all = nodes();
    const [paris, lyon] = all;
    expect(adoptRules(all, taking('cache_a', false))).toBeNull();
    lyon.kill();
    expect(captured(lyon)).toContain('cache_a');
    lyon.app.exec(`INSERT INTO cache_a VALUES('while nobody serves it', 1)`);
    lyon.open();
    settle();
    expect([captured(lyon), rows(paris, 'cache_a')]).toEqual([['cache_b', 'item'], [['a', 0]]]);
    expect(paris.replica.status().held.rows).toBe(0);
  });

  test('gets nothing more from a member that has not adopted that yet', () => {
    const all = nodes();
    const [paris, lyon, nice] = all;
    nice.app.exec(`UPDATE item SET v = 'nice'`);
    const change = ruleChange(paris, taking('cache_a', false));
    expect(decideRules(paris, [lyon, nice], change)).toBeNull();
    nice.app.exec(`INSERT INTO cache_a VALUES('late', 1)`);
    const late = stageOf(nice, paris.hello());
    expect(() => paris.replica.beginApply(late).step()).toThrow(code('batch-outdated'));
    expect(nice.pull(paris)).toBe('rules-changing');
    for (const { replica } of [lyon, nice]) replica.rules.commit(change.id, 'n0');
    settle();
    for (const node of all)
      expect([captured(node), rows(node, 'item')]).toEqual([['cache_b', 'item'], [['i', 'nice']]]);
    expect([rows(nice, 'cache_a').length, rows(paris, 'cache_a').length]).toEqual([2, 1]);
    expect(paris.replica.status()).toMatchObject({ held: { rows: 0 }, pendingChanges: 0 });
  });

  test('is not left out while changes of it wait in quarantine, or may have gone unrecorded', () => {
    const all = nodes(2, `${SCHEMA}; CREATE TABLE strict_one(k TEXT PRIMARY KEY, v)`);
    const [paris, lyon] = all;
    lyon.app.exec(`DROP TABLE strict_one; CREATE TABLE strict_one(k TEXT PRIMARY KEY, v CHECK(v > 0))`);
    settle();
    expect(lyon.replica.status().gap?.tables).toEqual(['strict_one']);
    expect(() => adoptRules([paris, lyon], taking('strict_one', false))).toThrow(code('coverage-unknown'));
    lyon.replica.comparison.closeGap(lyon.replica.comparison.gap.mark, { peer: 'n0', rowsWritten: 0 });
    paris.app.exec(`INSERT INTO strict_one VALUES('k', -1)`);
    settle();
    expect(lyon.replica.status().quarantined).toBe(1);
    expect(() => adoptRules([paris, lyon], taking('strict_one', false))).toThrow(code('changes-aside'));
    expect(() => adoptRules([lyon, paris], taking('strict_*', false))).toThrow(code('changes-aside'));
  });

  test('is not left out while a conflict of it waits for a decision: nobody could decide it afterwards', () => {
    const all = nodes(2);
    const [paris, lyon] = all;
    expect(adoptRules([paris, lyon], [{ ...undecided('cache_a'), strategy: 'manual' }])).toBeNull();
    for (const node of [paris, lyon]) node.app.exec(`UPDATE cache_a SET v = '${node.name}'`);
    settle();
    expect(() => adoptRules([paris, lyon], taking('cache_*', false))).toThrow(code('conflicts-open'));
    expect(adoptRules([paris, lyon], taking('cache_b', false))).toBeNull();
  });

  test('by a glob leaves out what comes later, and what could not be captured', () => {
    const [paris, lyon] = nodes(2);
    paris.app.exec('CREATE TABLE keyless(a)');
    paris.foldAll();
    paris.advance(2_000);
    paris.foldAll();
    expect(inspectCapture(paris.app).complete).toBe(false);
    expect(adoptRules([paris, lyon], taking('keyless', false))).toBeNull();
    expect(adoptRules([paris, lyon], taking('tmp_*', false))).toBeNull();
    paris.app.exec('CREATE TABLE tmp_x(k PRIMARY KEY)');
    paris.foldAll();
    paris.advance(2_000);
    paris.foldAll();
    expect(inspectCapture(paris.app).complete).toBe(true);
    expect(paris.replica.status().excludedTables).toEqual(['keyless', 'tmp_x']);
  });

  test('under a name that it has been given since stays captured: nobody has asked whether it has crossed', () => {
    const [paris, lyon] = nodes(2);
    expect(adoptRules([paris, lyon], taking('*_old', false))).toBeNull();
    paris.app.exec(`INSERT INTO cache_a VALUES('unsent', 1); ALTER TABLE cache_a RENAME TO cache_old`);
    paris.foldAll();
    expect(adoptRules([paris, lyon], taking('cache_b', false))).toBeNull();
    paris.foldAll();
    expect(captured(paris)).toEqual(['cache_old', 'item']);
    expect(paris.replica.status().pendingChanges).toBeGreaterThan(0);
  });
});

describe('a table that is taken in', () => {
  test('is captured by every node at once, and equal rows are no conflicts', () => {
    const all = nodes(3, SCHEMA, ['cache_*']);
    for (const node of all)
      node.app.exec(`INSERT OR REPLACE INTO cache_a VALUES('a', 0), ('same', 1), ('${node.name}', 2)`);
    expect(adoptRules(all, taking('cache_*', true))).toBeNull();
    settle();
    for (const node of all) {
      expect(captured(node)).toEqual(['cache_a', 'cache_b', 'item']);
      expect(rows(node, 'cache_a')).toEqual([
        ['a', 0],
        ['n0', 2],
        ['n1', 2],
        ['n2', 2],
        ['same', 1],
      ]);
      expect(node.replica.status()).toMatchObject({ excludedTables: [], held: { rows: 0 }, pendingChanges: 0 });
      expect(conflictsOf(node)).toEqual([]);
    }
  });

  test('after it was left out: rows that are the same stay, what differs is settled and recorded, and what one has stays', () => {
    const all = nodes(2);
    const [paris, lyon] = all;
    paris.app.exec(`INSERT INTO cache_a VALUES('same', 1), ('changed', 1), ('removed', 1)`);
    settle();
    expect(adoptRules([paris, lyon], taking('cache_*', false))).toBeNull();
    settle();
    lyon.app.exec(
      `UPDATE cache_a SET v = 2 WHERE k = 'changed'; DELETE FROM cache_a WHERE k = 'removed'; INSERT INTO cache_a VALUES('new', 1)`,
    );
    settle();
    expect(adoptRules([lyon, paris], taking('cache_*', true))).toBeNull();
    settle();
    expect(rows(paris, 'cache_a')).toEqual(rows(lyon, 'cache_a'));
    expect(rows(paris, 'cache_a').map((row) => (row as string[])[0])).toEqual([
      'a',
      'changed',
      'new',
      'removed',
      'same',
    ]);
    expect(conflictsOf(paris)).toEqual([['cache_a', expect.stringContaining('changed'), 'insert-insert']]);
    paris.app.exec(`UPDATE cache_a SET v = 9 WHERE k = 'same'; DELETE FROM cache_a WHERE k = 'new'`);
    settle();
    expect(rows(lyon, 'cache_a')).toEqual(rows(paris, 'cache_a'));
    expect(rows(lyon, 'cache_a')).toHaveLength(4);
  });

  test('never gets the number of one that was let go of: entries of the log still bear it', () => {
    const [paris, lyon] = nodes(2);
    const idOf = (name: string) => paris.app.prepare('SELECT id FROM _sqlsync_table WHERE name = ?').pluck().get(name);
    const highest = idOf('item') as number;
    for (const included of [false, true]) {
      expect(adoptRules([paris, lyon], taking('i*', included))).toBeNull();
      settle();
    }
    expect(idOf('item')).toBe(highest + 1);
  });

  test('that cannot be captured is told, and is no longer said to be left out', () => {
    const [paris, lyon] = nodes(2, `${SCHEMA}; CREATE TABLE keyless(a)`, ['keyless']);
    expect(adoptRules([paris, lyon], taking('keyless', true))).toBeNull();
    for (const node of [paris, lyon]) {
      node.foldAll();
      expect(node.replica.status().excludedTables).toEqual([]);
      expect(inspectCapture(node.app)).toMatchObject({ undecided: ['keyless'], refused: [{ name: 'keyless' }] });
    }
  });

  test('when a migration tool keeps it, by its own name only', () => {
    const [paris, lyon] = nodes(2, `${SCHEMA}; CREATE TABLE django_migrations(id INTEGER PRIMARY KEY)`);
    expect(adoptRules([paris, lyon], taking('*', true))).toBeNull();
    settle();
    expect(captured(paris)).not.toContain('django_migrations');
    expect(inspectCapture(paris.app).complete).toBe(true);
    expect(adoptRules([paris, lyon], taking('DJANGO_migrations', true))).toBeNull();
    settle();
    expect([captured(paris), captured(lyon)].every((names) => names.includes('django_migrations'))).toBe(true);
  });
});

test('a rule of conflicts leaves alone which tables replicate', () => {
  const [paris, lyon] = nodes(2);
  expect(adoptRules([paris, lyon], taking('cache_a', false))).toBeNull();
  expect(adoptRules([paris, lyon], [{ ...undecided('*'), strategy: 'lww' }])).toBeNull();
  settle();
  expect(captured(lyon)).toEqual(['cache_b', 'item']);
  expect(paris.replica.rulesStatus()).toMatchObject({
    inclusion: [{ glob: 'cache_a', included: false, node: 'n0' }],
    tables: [
      { table: '*', own: true },
      { table: 'cache_b', own: false },
      { table: 'item', own: false },
    ],
  });
});
