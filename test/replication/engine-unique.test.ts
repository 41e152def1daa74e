/** UNIQUE and key collations as SQLite itself judges them: what a hand-made comparison would get wrong. */
import { describe, expect, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

/** Two nodes write one statement each without knowing the other; then they exchange everything. */
function afterBothWrite(schema: string, first: string, second: string): EngineCluster {
  const cluster = new EngineCluster(schema, 2);
  const [a, b] = cluster.nodes as [EngineNode, EngineNode];
  a.app.exec(first);
  b.app.exec(second);
  cluster.settleDown();
  return cluster;
}

function kept({ app }: EngineNode): unknown[] {
  return app.prepare('SELECT reason, error FROM _sqlsync_quarantine').all();
}

describe('the row with the lower key stays, whatever the index computes its values from', () => {
  test.each([
    ['a stored generated column', `g TEXT AS (lower(a)) STORED UNIQUE`, '', `'X'`, `'x'`],
    ['a virtual generated column', 'g AS (a * 2) VIRTUAL', 'CREATE UNIQUE INDEX i ON t(g)', '7', '7.0'],
    ['a WHERE that needs affinity', 'f INTEGER DEFAULT 1', `CREATE UNIQUE INDEX i ON t(a) WHERE f = '1'`, `'x'`, `'x'`],
    [
      'a WHERE that needs a collation',
      `f TEXT COLLATE NOCASE DEFAULT 'on'`,
      `CREATE UNIQUE INDEX i ON t(a) WHERE f = 'ON'`,
      `'x'`,
      `'x'`,
    ],
    [
      'an expression that needs affinity',
      'n NUMERIC DEFAULT 7',
      `CREATE UNIQUE INDEX i ON t(iif(n > '5', a, NULL))`,
      `'x'`,
      `'x'`,
    ],
    ['a collation of the index', 'z', 'CREATE UNIQUE INDEX i ON t(a COLLATE NOCASE)', `'X'`, `'x'`],
  ])('%s', (_, column, index, first, second) => {
    const schema = `CREATE TABLE t(id INTEGER PRIMARY KEY, a, ${column}); ${index};`;
    const cluster = afterBothWrite(
      schema,
      `INSERT INTO t(id, a) VALUES(1, ${first})`,
      `INSERT INTO t(id, a) VALUES(2, ${second})`,
    );
    try {
      for (const node of cluster.nodes) {
        expect(node.app.prepare('SELECT id FROM t').pluck().all()).toEqual([1]);
        expect(kept(node)).toEqual([]);
        expect(node.app.prepare('SELECT kind FROM _sqlsync_conflict').pluck().all()).toEqual(['unique']);
      }
    } finally {
      cluster.close();
    }
  });
});

test('a row that collides in two indexes at once meets both rows in its way', () => {
  const schema = 'CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE, b UNIQUE)';
  const cluster = afterBothWrite(
    schema,
    `INSERT INTO t VALUES(5, 'x', 'p'), (6, 'y', 'q')`,
    `INSERT INTO t VALUES(1, 'x', 'q')`,
  );
  try {
    for (const { app } of cluster.nodes) expect(app.prepare('SELECT id FROM t').pluck().all()).toEqual([1]);
  } finally {
    cluster.close();
  }
});

describe('a key whose collation is not its column’s', () => {
  test.each([
    ['PRIMARY KEY', 'CREATE TABLE t(x TEXT, v, PRIMARY KEY(x COLLATE NOCASE))'],
    ['UNIQUE index', 'CREATE TABLE t(x TEXT NOT NULL, v); CREATE UNIQUE INDEX i ON t(x COLLATE NOCASE)'],
    ['column with more', 'CREATE TABLE t(x TEXT COLLATE NOCASE, v, PRIMARY KEY(x COLLATE RTRIM))'],
  ])('%s: another spelling is the same row', (_, schema) => {
    const cluster = new EngineCluster(schema, 2);
    try {
      const [a, b] = cluster.nodes as [EngineNode, EngineNode];
      const spelled = schema.includes('RTRIM') ? 'A  ' : 'a';
      a.app.exec(`INSERT INTO t VALUES('A', 1)`);
      cluster.settleDown();
      a.app.exec(`UPDATE t SET x = '${spelled}', v = 2`);
      cluster.settleDown();
      expect(b.app.prepare('SELECT * FROM t').raw().all()).toEqual([[spelled, 2]]);
      b.app.exec(`INSERT OR REPLACE INTO t VALUES('A', 3)`);
      cluster.settleDown();
      expect(a.app.prepare('SELECT * FROM t').raw().all()).toEqual([['A', 3]]);
    } finally {
      cluster.close();
    }
  });
});

test.each(['REPLACE', 'IGNORE', 'ROLLBACK', 'FAIL'])(
  'ON CONFLICT %s in the schema decides nothing while applying',
  (how) => {
    const schema = `CREATE TABLE t(id INTEGER PRIMARY KEY ON CONFLICT ${how}, u UNIQUE ON CONFLICT ${how}, n NOT NULL ON CONFLICT ${how} DEFAULT 7)`;
    const cluster = new EngineCluster(schema, 2);
    try {
      const [a, b] = cluster.nodes as [EngineNode, EngineNode];
      a.app.exec(`INSERT INTO t VALUES(1, 'a', 1), (2, 'b', 2), (3, 'c', 3)`);
      cluster.settleDown();
      a.app.exec(`BEGIN; UPDATE t SET u = 'z' WHERE id = 1; UPDATE t SET u = 'a' WHERE id = 2; UPDATE t SET u = 'b' WHERE id = 3;
      UPDATE t SET u = 'c' WHERE id = 1; COMMIT`);
      cluster.settleDown();
      expect(b.app.prepare('SELECT u FROM t ORDER BY id').pluck().all()).toEqual(['c', 'a', 'b']);
      expect(b.app.prepare('SELECT count(*) FROM _sqlsync_conflict').pluck().get()).toBe(0);
    } finally {
      cluster.close();
    }
  },
);

test('a UNIQUE index of another table, met by a trigger that stays, keeps the version aside and the row where it is', () => {
  const schema = `CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE seen(v UNIQUE);
    CREATE TRIGGER note AFTER UPDATE ON t BEGIN INSERT INTO seen VALUES(NEW.v); END`;
  const cluster = new EngineCluster(schema, 2, { exclude: ['seen'] });
  try {
    const [a, b] = cluster.nodes as [EngineNode, EngineNode];
    a.app.exec('INSERT INTO t VALUES(1, 0)');
    cluster.settleDown();
    b.app.exec('INSERT INTO seen VALUES(5)');
    a.app.exec('UPDATE t SET v = 5');
    cluster.settleDown();
    expect(b.app.prepare('SELECT v FROM t').pluck().all()).toEqual([0]);
    expect(b.app.prepare('SELECT reason FROM _sqlsync_quarantine').pluck().all()).toEqual(['constraint']);
    a.app.exec('UPDATE t SET v = 6');
    cluster.settleDown();
    expect(a.data().t).toEqual(b.data().t);
  } finally {
    cluster.close();
  }
});
