/** What an operator decides about rows that wait in quarantine: another try, or giving them up on every node. */
import { afterEach, describe, expect, test } from 'vitest';
import { type KeptChange, keptIds, readKeptChange } from '../../src/replication/kept-changes.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';
import { type Random, seededRandom } from '../support/seeded-random.js';

const SCHEMA = `CREATE TABLE span(k TEXT PRIMARY KEY, lo, hi, note, CHECK(lo <= hi)); CREATE TABLE other(k PRIMARY KEY);
  CREATE TABLE strict_here(id INTEGER PRIMARY KEY, name, note); CREATE TABLE guard(id UNIQUE)`;

/** A trigger that writes only locally stays on applied rows, and may refuse them. */
const guarded = (event: string, row: 'NEW' | 'OLD') => `INSERT INTO guard VALUES(1);
  CREATE TRIGGER guarded BEFORE ${event} ON strict_here BEGIN INSERT INTO guard VALUES(${row}.id); END`;
const GUARD_REFUSES = 'UNIQUE constraint failed: guard.id';

let cluster: EngineCluster;
afterEach(() => cluster.close());

function make(nodes: number): EngineNode[] {
  cluster = new EngineCluster(SCHEMA, nodes, { exclude: ['guard'] });
  cluster.settleDown();
  return cluster.nodes;
}

function settleAll(): void {
  for (let round = 0; round < 3; round += 1) {
    cluster.settleDown();
    for (const node of cluster.nodes) while (node.replica.settle().more);
  }
}

/** From now on this node takes no row without a name, as after a migration that only it has made. */
function requireName({ app, replica }: EngineNode): void {
  app.exec(`CREATE TABLE made(id INTEGER PRIMARY KEY, name NOT NULL, note); INSERT INTO made SELECT * FROM strict_here;
    DROP TABLE strict_here; ALTER TABLE made RENAME TO strict_here`);
  replica.fold();
}

function relax({ app }: EngineNode): void {
  app.exec(`CREATE TABLE made(id INTEGER PRIMARY KEY, name, note); INSERT INTO made SELECT * FROM strict_here;
    DROP TABLE strict_here; ALTER TABLE made RENAME TO strict_here`);
}

const rowsOf = ({ app }: EngineNode, table: string) => app.prepare(`SELECT * FROM ${table}`).raw().all();
const idsOf = ({ app }: EngineNode) => keptIds(app, null);
const keptOf = (node: EngineNode) => idsOf(node).map((id) => readKeptChange(node.app, id) as KeptChange);

let operations = 0;
function discard(node: EngineNode, ids = idsOf(node)) {
  operations += 1;
  const operation = { id: `op${operations}`, node: node.name, operator: 'ann', command: 'quarantine discard' };
  return node.replica.discardKeptChanges(ids, operation);
}

const discardedIn = ({ app }: EngineNode) =>
  (app.prepare('SELECT detail FROM _sqlsync_operation').pluck().all() as string[]).flatMap(
    (detail) => (JSON.parse(detail) as { discarded: KeptChange[] }).discarded,
  );

describe('a change that is given up', () => {
  test('leaves the row as it is here, on every node, and what it held in the record of the operation', () => {
    const [a, b, c] = make(3) as [EngineNode, EngineNode, EngineNode];
    a.app.exec(`INSERT INTO strict_here VALUES(1, 'one', 'old')`);
    settleAll();
    requireName(b);
    a.app.exec(`UPDATE strict_here SET name = NULL, note = 'new'`);
    settleAll();
    expect(rowsOf(b, 'strict_here')).toEqual([[1, 'one', 'old']]);
    expect(rowsOf(c, 'strict_here')).toEqual([[1, null, 'new']]);
    const [kept] = keptOf(b);
    expect(kept).toMatchObject({ table: 'strict_here', key: { id: 1 }, reason: 'not-null', node: 'n0' });
    expect(kept?.row).toEqual({ id: 1, name: null, note: 'new' });
    expect(b.hello().hold).not.toBeNull();

    expect(discard(b)).toEqual([{ id: kept?.id, outcome: 'discarded', error: null }]);
    settleAll();
    for (const node of cluster.nodes) {
      expect(rowsOf(node, 'strict_here')).toEqual([[1, 'one', 'old']]);
      const { sinceMs: _since, atMs: _at, ...given } = kept as KeptChange;
      expect(discardedIn(node)).toEqual([given]);
      expect(rowsOf(node, '_sqlsync_conflict')).toEqual([]);
      // Nothing holds the horizon back any more; where the table was made anew, its rows wait for a comparison.
      expect(node.replica.status()).toMatchObject({ quarantined: 0, unsettledRows: node === b ? 1 : 0 });
    }
    expect(b.hello().hold).toBeNull();
  });

  test('takes a row away everywhere that never came in here', () => {
    const [a, b] = make(2) as [EngineNode, EngineNode];
    requireName(b);
    a.app.exec(`INSERT INTO strict_here VALUES(1, NULL, 'x'), (2, 'two', 'y')`);
    settleAll();
    discard(b);
    settleAll();
    for (const node of cluster.nodes) expect(rowsOf(node, 'strict_here')).toEqual([[2, 'two', 'y']]);
  });

  test('brings back everywhere a row whose deletion could not be done here', () => {
    const [a, b] = make(2) as [EngineNode, EngineNode];
    a.app.exec(`INSERT INTO strict_here VALUES(1, 'one', '')`);
    settleAll();
    b.app.exec(guarded('DELETE', 'OLD'));
    a.app.exec('DELETE FROM strict_here');
    settleAll();
    expect(keptOf(b)).toMatchObject([{ reason: 'constraint', error: GUARD_REFUSES, row: null }]);
    discard(b);
    settleAll();
    for (const node of cluster.nodes) expect(rowsOf(node, 'strict_here')).toEqual([[1, 'one', '']]);
  });

  test('does not take along what was written elsewhere without knowing of it', () => {
    const [a, b] = make(2) as [EngineNode, EngineNode];
    a.app.exec(`INSERT INTO strict_here VALUES(1, 'one', 'old')`);
    settleAll();
    requireName(b);
    a.app.exec('UPDATE strict_here SET name = NULL');
    settleAll();
    discard(b);
    a.app.exec(`UPDATE strict_here SET name = 'later', note = 'later'`);
    settleAll();
    // Which of the two is the later write is for the clocks to say.
    const rows = rowsOf(a, 'strict_here');
    expect(rowsOf(b, 'strict_here')).toEqual(rows);
    const records = a.app.prepare('SELECT winner, loser FROM _sqlsync_conflict').all();
    expect(records).toHaveLength(1);
    for (const text of ['later', 'one']) expect(JSON.stringify([rows, records])).toContain(text);
  });

  test('on two nodes at once leaves one row on both', () => {
    const [a, b] = make(2) as [EngineNode, EngineNode];
    a.app.exec(`INSERT INTO span VALUES('k', 0, 10, '')`);
    settleAll();
    b.app.exec('UPDATE span SET lo = 8');
    a.app.exec('UPDATE span SET hi = 5');
    settleAll();
    expect(idsOf(a)).toEqual(idsOf(b));
    discard(a);
    discard(b);
    settleAll();
    expect(rowsOf(a, 'span')).toEqual(rowsOf(b, 'span'));
    for (const node of cluster.nodes) expect(node.replica.status().quarantined).toBe(0);
  });

  test('is named by its version: a newer one is not given up unseen', () => {
    const [a, b] = make(2) as [EngineNode, EngineNode];
    requireName(b);
    a.app.exec(`INSERT INTO strict_here VALUES(1, NULL, 'first')`);
    settleAll();
    const before = idsOf(b);
    a.app.exec(`UPDATE strict_here SET note = 'second'`);
    settleAll();
    expect(idsOf(b)).not.toEqual(before);
    expect(discard(b, before)).toEqual([{ id: before[0], outcome: 'gone', error: null }]);
    expect(keptOf(b)).toMatchObject([{ row: { note: 'second' } }]);
    expect(discardedIn(b)).toEqual([]);
  });

  test('can be one of a table that is gone', () => {
    const [a, b] = make(2) as [EngineNode, EngineNode];
    requireName(b);
    a.app.exec(`INSERT INTO strict_here VALUES(1, NULL, 'first')`);
    settleAll();
    for (const { app } of cluster.nodes) app.exec('DROP TABLE strict_here');
    b.replica.fold();
    const [id] = idsOf(b);
    expect(b.replica.retryKeptChanges([id as string])).toEqual([
      { id, outcome: 'refused', error: 'there is no table strict_here' },
    ]);
    expect(discard(b)).toMatchObject([{ outcome: 'discarded' }]);
    expect(b.replica.status().quarantined).toBe(0);
    expect(discardedIn(b)).toMatchObject([{ row: { note: 'first' } }]);
  });
});

describe('another try', () => {
  test('succeeds when what was in the way is gone, and says why when it is not', () => {
    const [a, b] = make(2) as [EngineNode, EngineNode];
    b.app.exec(guarded('INSERT', 'NEW'));
    a.app.exec(`INSERT INTO strict_here VALUES(1, 'one', '')`);
    settleAll();
    const [id] = idsOf(b) as [string];
    expect(b.replica.retryKeptChanges([id])).toEqual([{ id, outcome: 'refused', error: GUARD_REFUSES }]);
    b.app.exec('DELETE FROM guard');
    expect(b.replica.retryKeptChanges([id])).toEqual([{ id, outcome: 'applied', error: null }]);
    expect(b.replica.retryKeptChanges([id])).toEqual([{ id, outcome: 'gone', error: null }]);
    expect(rowsOf(b, 'strict_here')).toEqual([[1, 'one', '']]);
  });

  test('keeps the id of what waits on, and since when', () => {
    const [a, b] = make(2) as [EngineNode, EngineNode];
    requireName(b);
    a.app.exec(`INSERT INTO strict_here VALUES(1, NULL, '')`);
    settleAll();
    const [before] = keptOf(b) as [KeptChange];
    b.app.prepare('UPDATE _sqlsync_quarantine SET since = since - 60000').run();
    b.kill();
    b.open();
    b.foldAll();
    b.replica.retryKeptChanges([before.id]);
    expect(keptOf(b)).toEqual([{ ...before, sinceMs: before.sinceMs - 60_000 }]);
    a.app.exec(`UPDATE strict_here SET note = 'newer'`);
    settleAll();
    expect(keptOf(b)).toMatchObject([{ sinceMs: before.sinceMs - 60_000, row: { note: 'newer' } }]);
  });

  test('comes by itself when the application relaxes its schema, though it logs nothing', () => {
    const [a, b] = make(2) as [EngineNode, EngineNode];
    requireName(b);
    a.app.exec(`INSERT INTO strict_here VALUES(1, NULL, 'first'), (2, 'two', '')`);
    settleAll();
    expect(rowsOf(b, 'strict_here')).toEqual([[2, 'two', '']]);
    relax(b);
    b.foldAll();
    expect(rowsOf(b, 'strict_here')).toEqual([
      [1, null, 'first'],
      [2, 'two', ''],
    ]);
    expect(b.replica.status()).toMatchObject({ quarantined: 0, gap: { tables: ['strict_here'] } });
    b.app.exec(`INSERT INTO strict_here VALUES(3, 'three', '')`);
    settleAll();
    expect(rowsOf(a, 'strict_here')).toHaveLength(3);
  });
});

const notesIn = ({ app }: EngineNode) => app.prepare('SELECT note FROM span').pluck().all() as string[];

/** Three nodes, two rows: ends that cross, and an operator who decides at random. */
function runHistory(seed: number): number {
  const random: Random = seededRandom(seed);
  const nodes = make(3);
  (nodes[0] as EngineNode).app.exec(`INSERT INTO span VALUES('k', 0, 10, ''), ('l', 0, 10, '')`);
  settleAll();
  let discarded = 0;
  const written = new Set<string>();
  const overwritten = new Set<string>();
  const write = (node: EngineNode, sql: string) => {
    const before = notesIn(node);
    node.app.exec(sql);
    const after = notesIn(node);
    for (const note of after) if (!before.includes(note)) written.add(note);
    for (const note of before) if (!after.includes(note)) overwritten.add(note);
  };
  for (let step = 0; step < 80; step += 1) {
    const node = random.pick(nodes);
    const dice = random.next();
    const key = random.pick(['k', 'l']);
    const ends = random.pick(['lo = hi', 'hi = lo', 'lo = 0, hi = 10', 'lo = lo + 1']);
    const set = `${ends}, note = 'v${seed}.${step}.'`;
    if (dice < 0.55) write(node, `UPDATE OR IGNORE span SET ${set} WHERE k = '${key}'`);
    else if (dice < 0.58) write(node, `DELETE FROM span WHERE k = '${key}'`);
    else if (dice < 0.62) write(node, `INSERT OR IGNORE INTO span VALUES('${key}', 0, 10, 'v${seed}.${step}.')`);
    else if (dice < 0.85) node.pull(random.pick(nodes.filter((other) => other !== node)));
    else if (dice < 0.88) while (node.replica.settle().more);
    else if (random.chance(0.2)) node.replica.retryKeptChanges(idsOf(node));
    else for (const one of nodes) discarded += discard(one).length;
  }
  settleAll();
  for (const node of nodes) {
    discarded += discard(node).length;
    settleAll();
  }
  const data = nodes.map((node) => JSON.stringify(node.data()));
  expect(new Set(data).size, `seed ${seed}: ${data.join('\n')}`).toBe(1);
  for (const node of nodes) expect(node.replica.status()).toMatchObject({ quarantined: 0, unsettledRows: 0 });
  const [first] = nodes as [EngineNode];
  const kept = 'SELECT winner, loser FROM _sqlsync_conflict UNION ALL SELECT detail, NULL FROM _sqlsync_operation';
  const records = JSON.stringify(first.app.prepare(kept).raw().all());
  const visible = notesIn(first);
  const lost = [...written].filter((v) => !visible.includes(v) && !overwritten.has(v) && !records.includes(v));
  expect(lost, `seed ${seed}`).toEqual([]);
  return discarded;
}

test('random histories with decisions in between converge, and everything settles', { timeout: 120_000 }, () => {
  let discarded = 0;
  for (let seed = 1; seed <= 25; seed += 1) {
    discarded += runHistory(seed);
    cluster.close();
  }
  expect(discarded).toBeGreaterThan(25);
  make(1);
});
