/** Orphans under every kind of foreign key: SQLite decides which rows refer to each other, as when it enforces them. */
import { describe, expect, test } from 'vitest';
import { expectAlike, makeNodes, recordsOf, rowsOf, settleAll } from '../support/orphans.js';

interface Case {
  readonly schema: string;
  /** Known to all before. */
  readonly given: string;
  /** On the first node. */
  readonly child: string;
  /** On the second. */
  readonly deletion: string;
  /** The key of the row that loses its parent, and of those that go with it. */
  readonly lost?: unknown;
  readonly follows?: readonly string[];
}

const UNINDEXED = 'CREATE TABLE child(id TEXT PRIMARY KEY, p, q)';

const CASES: Record<string, Case> = {
  'composite, parent WITHOUT ROWID, in another order': {
    schema: `CREATE TABLE parent(a INT, b TEXT, v, PRIMARY KEY(b, a)) WITHOUT ROWID;
      CREATE TABLE child(id TEXT PRIMARY KEY, x, y, FOREIGN KEY(x, y) REFERENCES parent(a, b))`,
    given: `INSERT INTO parent VALUES(1, 'b', 0), (2, 'b', 0)`,
    child: `INSERT INTO child VALUES('lost', 1, 'b'), ('kept', 2, 'b'), ('half', 1, NULL)`,
    deletion: 'DELETE FROM parent WHERE a = 1',
  },
  'without columns, under another spelling of the name': {
    schema:
      'CREATE TABLE "Parent x"(a, b, PRIMARY KEY(a, b)); CREATE TABLE child(id TEXT PRIMARY KEY, x, y, FOREIGN KEY(x, y) REFERENCES "PARENT X")',
    given: `INSERT INTO "Parent x" VALUES(1, 'b'), (2, 'b')`,
    child: `INSERT INTO child VALUES('lost', 1, 'b'), ('kept', 2, 'b')`,
    deletion: 'DELETE FROM "Parent x" WHERE a = 1',
  },
  'a NOCASE parent, a child of another spelling': {
    schema:
      'CREATE TABLE parent(k TEXT COLLATE NOCASE PRIMARY KEY); CREATE TABLE child(id TEXT PRIMARY KEY, p TEXT REFERENCES parent); CREATE INDEX i ON child(p)',
    given: `INSERT INTO parent VALUES('Abc'), ('Def')`,
    child: `INSERT INTO child VALUES('lost', 'aBC'), ('kept', 'DEF')`,
    deletion: `DELETE FROM parent WHERE k = 'abc'`,
  },
  'a NOCASE child of a BINARY parent': {
    schema:
      'CREATE TABLE parent(k TEXT PRIMARY KEY); CREATE TABLE child(id TEXT PRIMARY KEY, p TEXT COLLATE NOCASE REFERENCES parent); CREATE INDEX i ON child(p)',
    given: `INSERT INTO parent VALUES('Abc'), ('abc')`,
    child: `INSERT INTO child VALUES('lost', 'Abc'), ('kept', 'abc')`,
    deletion: `DELETE FROM parent WHERE k = 'Abc'`,
  },
  'an INTEGER parent, a child of text': {
    schema:
      'CREATE TABLE parent(id INTEGER PRIMARY KEY); CREATE TABLE child(id TEXT PRIMARY KEY, p TEXT REFERENCES parent); CREATE INDEX i ON child(p)',
    given: 'INSERT INTO parent VALUES(1), (2)',
    child: `INSERT INTO child VALUES('lost', '1'), ('kept', '2')`,
    deletion: 'DELETE FROM parent WHERE id = 1',
  },
  'a TEXT parent, a child of integers': {
    schema:
      'CREATE TABLE parent(k TEXT PRIMARY KEY); CREATE TABLE child(id TEXT PRIMARY KEY, p INTEGER REFERENCES parent)',
    given: `INSERT INTO parent VALUES('1'), ('2'), ('01')`,
    child: `INSERT INTO child VALUES('lost', 1), ('kept', 2)`,
    deletion: `DELETE FROM parent WHERE k <> '2'`,
  },
  'a parent without affinity: 1 is not the text 1': {
    schema: 'CREATE TABLE parent(k PRIMARY KEY); CREATE TABLE child(id TEXT PRIMARY KEY, p REFERENCES parent)',
    given: `INSERT INTO parent VALUES(1), ('1')`,
    child: `INSERT INTO child VALUES('lost', '1'), ('kept', 1.0)`,
    deletion: `DELETE FROM parent WHERE k = '1'`,
  },
  'a REAL parent, a child without affinity': {
    schema: `CREATE TABLE parent(k REAL PRIMARY KEY); ${UNINDEXED.replace('p,', 'p REFERENCES parent,')}`,
    given: 'INSERT INTO parent VALUES(1), (2.5)',
    child: `INSERT INTO child VALUES('lost', '1.0', 0), ('kept', '2.5', 0)`,
    deletion: 'DELETE FROM parent WHERE k = 1',
  },
  'keys that are not UTF-8, and blobs': {
    schema:
      'CREATE TABLE parent(k PRIMARY KEY); CREATE TABLE child(id PRIMARY KEY, p REFERENCES parent); CREATE INDEX i ON child(p)',
    given: `INSERT INTO parent VALUES(CAST(x'61ff62' AS TEXT)), (CAST(x'61fe62' AS TEXT)), (x'61ff62')`,
    child: `INSERT INTO child VALUES('lost', CAST(x'61ff62' AS TEXT)), (CAST(x'61fe62' AS TEXT), CAST(x'61fe62' AS TEXT)), ('kept', x'61ff62')`,
    deletion: `DELETE FROM parent WHERE k = CAST(x'61ff62' AS TEXT)`,
  },
  'a generated column of the child': {
    schema: `CREATE TABLE parent(k TEXT PRIMARY KEY);
      CREATE TABLE child(id TEXT PRIMARY KEY, doc TEXT, p TEXT AS (substr(doc, 1, 1)) STORED REFERENCES parent)`,
    given: `INSERT INTO parent VALUES('a'), ('b')`,
    child: `INSERT INTO child(id, doc) VALUES('lost', 'axe'), ('kept', 'box')`,
    deletion: `DELETE FROM parent WHERE k = 'a'`,
  },
  'a reference to the table itself': {
    schema: 'CREATE TABLE child(id TEXT PRIMARY KEY, up TEXT REFERENCES child(id))',
    given: `INSERT INTO child VALUES('root', NULL)`,
    child: `INSERT INTO child VALUES('lost', 'root')`,
    deletion: `DELETE FROM child WHERE id = 'root'`,
  },
  'a cycle, deferred': {
    schema: `CREATE TABLE parent(id TEXT PRIMARY KEY, best TEXT REFERENCES child(id) DEFERRABLE INITIALLY DEFERRED);
      CREATE TABLE child(id TEXT PRIMARY KEY, p TEXT REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)`,
    given: `INSERT INTO parent VALUES('x', NULL), ('y', NULL)`,
    child: `BEGIN; INSERT INTO child VALUES('lost', 'x'); UPDATE parent SET best = 'lost' WHERE id = 'y'; COMMIT`,
    deletion: `DELETE FROM parent WHERE id = 'x'`,
    follows: ['y'],
  },
  'the child’s own key': {
    schema:
      'CREATE TABLE parent(id INTEGER PRIMARY KEY, v); CREATE TABLE child(id INTEGER PRIMARY KEY REFERENCES parent, v)',
    given: 'INSERT INTO parent VALUES(1, 0), (2, 0)',
    child: 'INSERT INTO child VALUES(1, 0), (2, 0)',
    deletion: 'DELETE FROM parent WHERE id = 1',
    lost: 1,
  },
  'more than the parent’s key': {
    schema: `CREATE TABLE parent(id TEXT PRIMARY KEY, tenant INT, UNIQUE(tenant, id));
      CREATE TABLE child(id TEXT PRIMARY KEY, t INT, p TEXT, FOREIGN KEY(t, p) REFERENCES parent(tenant, id))`,
    given: `INSERT INTO parent VALUES('x', 1), ('y', 1)`,
    child: `INSERT INTO child VALUES('lost', 1, 'x'), ('kept', 1, 'y')`,
    deletion: `DELETE FROM parent WHERE id = 'x'`,
  },
  'a UNIQUE column, and no index on the child': {
    schema: `CREATE TABLE parent(id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE UNIQUE, v);
      CREATE TABLE child(id TEXT PRIMARY KEY, p TEXT REFERENCES parent(email))`,
    given: `INSERT INTO parent VALUES(1, 'a@x', 'one'), (2, 'b@x', 'two')`,
    child: `INSERT INTO child VALUES('lost', 'A@x'), ('kept', 'b@x')`,
    deletion: 'DELETE FROM parent WHERE id = 1',
  },
  'two UNIQUE columns, and an index on the child': {
    schema: `CREATE TABLE parent(id TEXT PRIMARY KEY, a, b, UNIQUE(a, b));
      CREATE TABLE child(id TEXT PRIMARY KEY, x, y, FOREIGN KEY(x, y) REFERENCES parent(b, a)); CREATE INDEX i ON child(x)`,
    given: `INSERT INTO parent VALUES('one', 1, x'00'), ('two', 1, 2)`,
    child: `INSERT INTO child VALUES('lost', x'00', 1), ('kept', 2, 1)`,
    deletion: `DELETE FROM parent WHERE id = 'one'`,
  },
};

const idOf = ({ key }: { key: unknown }) => Object.values(key as Record<string, unknown>)[0];

describe.each(Object.entries(CASES))('%s', (_, { schema, given, child, deletion, lost = 'lost', follows = [] }) => {
  test.each(['keep', 'delete', 'restore-parent'])('%s', (orphan) => {
    const { cluster, nodes } = makeNodes(schema, { rules: { '*': { orphan } } });
    nodes[0].app.exec(given);
    settleAll(cluster);
    nodes[0].app.exec(child);
    nodes[1].app.exec(deletion);
    cluster.settleDown();
    expectAlike(cluster);
    expect(recordsOf(nodes[0]).map(idOf)).toEqual([lost, ...(orphan === 'delete' ? follows : [])]);
    expect(rowsOf(nodes[1], 'SELECT id FROM child').flat().includes(lost)).toBe(orphan !== 'delete');
    expect(nodes[1].app.pragma('foreign_key_check')).toHaveLength(orphan === 'keep' ? 1 : 0);
  });
});

test('a row that gives up the UNIQUE value that others mean: recorded, whatever the rule', () => {
  for (const orphan of ['keep', 'delete', 'restore-parent']) {
    const schema = `CREATE TABLE parent(id INTEGER PRIMARY KEY, email TEXT UNIQUE, v);
      CREATE TABLE child(id TEXT PRIMARY KEY, p TEXT REFERENCES parent(email) ON UPDATE CASCADE)`;
    const { cluster, nodes } = makeNodes(schema, { rules: { '*': { orphan } }, count: 3 });
    nodes[0].app.exec(`INSERT INTO parent VALUES(1, 'a@x', 'one'); INSERT INTO child VALUES('old', 'a@x')`);
    settleAll(cluster);
    nodes[0].app.exec(`INSERT INTO child VALUES('new', 'a@x')`);
    nodes[1].app.exec(`UPDATE parent SET email = 'b@x'`);
    cluster.settleDown();
    expectAlike(cluster);
    expect(rowsOf(nodes[0], 'SELECT * FROM child ORDER BY id')).toEqual([
      ['new', 'a@x'],
      ['old', 'b@x'],
    ]);
    expect(recordsOf(nodes[0])).toMatchObject([
      {
        key: { id: 'new' },
        winner: { node: 'n1', row: { id: 1, email: 'b@x', v: 'one' } },
        loser: { row: { p: 'a@x' } },
      },
    ]);
  }
});

describe('tables that do not replicate', () => {
  const schema = `CREATE TABLE parent(id TEXT PRIMARY KEY); CREATE TABLE child(id TEXT PRIMARY KEY, p TEXT REFERENCES parent)`;

  test('nobody knows what was deleted of a parent that does not replicate', () => {
    const { cluster, nodes } = makeNodes(schema, { exclude: ['parent'], rules: { '*': { orphan: 'delete' } } });
    nodes[0].app.exec(`INSERT INTO parent VALUES('x'); INSERT INTO child VALUES('c', 'x')`);
    cluster.settleDown();
    for (const node of nodes) expect([rowsOf(node, 'SELECT id FROM child'), recordsOf(node)]).toEqual([[['c']], []]);
  });

  test('a child that does not replicate is its node’s own', () => {
    const { cluster, nodes } = makeNodes(schema, { exclude: ['child'], rules: { '*': { orphan: 'delete' } } });
    nodes[0].app.exec(`INSERT INTO parent VALUES('x')`);
    cluster.settleDown();
    nodes[0].app.exec(`INSERT INTO child VALUES('c', 'x')`);
    nodes[1].app.exec('DELETE FROM parent');
    cluster.settleDown();
    expect([rowsOf(nodes[0], 'SELECT id FROM child'), recordsOf(nodes[0])]).toEqual([[['c']], []]);
  });

  test('a foreign key that SQLite cannot enforce is none', () => {
    const { nodes, cluster } = makeNodes(
      'CREATE TABLE parent(id TEXT PRIMARY KEY, v); CREATE TABLE child(id TEXT PRIMARY KEY, p REFERENCES parent(v), q REFERENCES nowhere(x))',
    );
    for (const { app } of nodes) app.pragma('foreign_keys = OFF');
    nodes[0].app.exec(`INSERT INTO parent VALUES('x', 1)`);
    cluster.settleDown();
    nodes[0].app.exec(`INSERT INTO child VALUES('c', 1, 2)`);
    nodes[1].app.exec('DELETE FROM parent');
    cluster.settleDown();
    expectAlike(cluster);
    expect(recordsOf(nodes[0])).toEqual([]);
  });
});
