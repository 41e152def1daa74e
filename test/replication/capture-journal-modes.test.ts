/**
 * Nothing that an application does goes past capture, whatever its SQLite, its journal mode and its settings: another node
 * that hears of changes by the log alone ends with the same rows.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { differencesBetween, readContents } from '../support/compare-files.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';
import { randomStatement, writeTargets } from '../support/random-writes.js';
import { APPLICATIONS, type Application } from '../support/run-application.js';
import { seededRandom } from '../support/seeded-random.js';

const SCHEMA = `CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT COLLATE NOCASE UNIQUE, v INT, w, UNIQUE(v, w));
  CREATE TABLE k(a TEXT COLLATE NOCASE, b INT, u UNIQUE, PRIMARY KEY(a, b)) WITHOUT ROWID;
  CREATE TABLE s(id TEXT PRIMARY KEY, e TEXT); CREATE UNIQUE INDEX s_e ON s(lower(e)) WHERE e <> '';
  CREATE TABLE p(id INTEGER PRIMARY KEY, code TEXT UNIQUE);
  CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE,
    code TEXT REFERENCES p(code) ON DELETE SET NULL ON UPDATE CASCADE, up INT REFERENCES c ON DELETE CASCADE);
  INSERT INTO t VALUES(1, 'one', 1, 1), (2, 'two', 2, 2), (3, 'three', 3, 3), (4, 'four', 4, 4);
  INSERT INTO k VALUES('a', 1, 1), ('b', 2, 2), ('c', 3, 3);
  INSERT INTO s VALUES('x', 'Ex'), ('y', 'Wy'), ('z', '');
  INSERT INTO p VALUES(1, 'A'), (2, 'B'), (3, 'C');
  INSERT INTO c VALUES(1, 1, 'A', NULL), (2, 1, 'B', 1), (3, 2, 'B', 2), (4, 3, 'C', 3)`;

const WRITES = [
  // One row goes by its key, another by an index of its own.
  `REPLACE INTO t VALUES(1, 'TWO', 9, 9)`,
  `INSERT OR REPLACE INTO t(u, v, w) VALUES('new', 3, 3)`,
  `INSERT OR IGNORE INTO t VALUES(1, 'ignored', 7, 7), (20, 'THREE', 8, 8), (21, 'kept', 8, 9)`,
  `UPDATE OR REPLACE t SET u = 'four' WHERE id = 21`,
  `UPDATE OR REPLACE t SET v = 9, w = 9`,
  `UPDATE OR IGNORE t SET id = id + 1`,
  `INSERT INTO t VALUES(1, 'upsert', 1, 1), (30, 'thirty', 30, 30) ON CONFLICT(id) DO UPDATE SET w = excluded.w`,
  `INSERT INTO t VALUES(31, 'THIRTY', 31, 31) ON CONFLICT(u) DO UPDATE SET v = 32, id = 33 RETURNING *`,
  // A key in another spelling, by another name, and another key.
  `UPDATE k SET a = upper(a)`,
  `UPDATE OR REPLACE k SET b = 2, a = 'B' WHERE b = 3`,
  `REPLACE INTO k VALUES('D', 4, 1)`,
  `UPDATE t SET rowid = 50 WHERE rowid = (SELECT max(rowid) FROM t)`,
  `UPDATE t SET _rowid_ = oid + 100 WHERE v > 8`,
  `UPDATE s SET rowid = rowid + 10`,
  `REPLACE INTO s VALUES('new', 'EX')`,
  `UPDATE OR REPLACE s SET e = 'WY' WHERE id = 'z'`,
  `INSERT OR REPLACE INTO s(rowid, id, e) VALUES(11, 'by rowid', 'r'), (12, 'by rowid too', 'q')`,
  'UPDATE p SET id = id + 10, code = lower(code)',
  'DELETE FROM p WHERE id = 11 RETURNING id',
  `REPLACE INTO p VALUES(12, 'x')`,
  'DELETE FROM c WHERE id = 3',
  'BEGIN',
  'SAVEPOINT one',
  `INSERT INTO t(u) VALUES('rolled back')`,
  'DELETE FROM s',
  'ROLLBACK TO one',
  `INSERT INTO t(u) VALUES('kept')`,
  'COMMIT',
  'CREATE TEMP TABLE staging AS SELECT * FROM t',
  'INSERT OR REPLACE INTO t SELECT id + 1, u, v, w FROM staging',
  `WITH doomed AS (SELECT id FROM t ORDER BY id LIMIT 1) DELETE FROM t WHERE id IN (SELECT id FROM doomed) RETURNING *`,
  `UPDATE s SET e = t.u FROM t WHERE t.u = 'kept' AND s.id = 'x'`,
  'DELETE FROM s',
  'DELETE FROM k RETURNING a',
  `INSERT INTO s VALUES('after', 'all')`,
];

const RANDOM_STATEMENTS = 60;
const [ENFORCED, FREE] = ['foreign_keys = ON', 'foreign_keys = OFF'];
const [PLAIN, RECURSIVE] = ['recursive_triggers = OFF', 'recursive_triggers = ON'];
const LIVES = [
  ...['wal', 'delete'].flatMap((mode) =>
    [ENFORCED, FREE].flatMap((keys) => [PLAIN, RECURSIVE].map((recursive) => [mode, keys, recursive] as const)),
  ),
  ['truncate', FREE, PLAIN],
  ['persist', ENFORCED, RECURSIVE],
  ['memory', ENFORCED, PLAIN],
] as const;

let cluster: EngineCluster;
afterEach(() => cluster.close());

function liveOn(application: Application, journalMode: string, settings: readonly string[], seed: number): void {
  // A journal in memory is a matter of the connection: the file's is deleted.
  cluster = new EngineCluster(SCHEMA, 2, { journalMode: journalMode === 'memory' ? 'delete' : journalMode });
  const [a, b] = cluster.nodes as [EngineNode, EngineNode];
  a.replica.settle();
  const random = seededRandom(seed);
  const targets = writeTargets(a.app, {});
  const pragmas = [`journal_mode = ${journalMode}`, ...settings].map((setting) => `PRAGMA ${setting}`);
  const atRandom = Array.from({ length: RANDOM_STATEMENTS }, () => randomStatement(targets, random));
  for (const statements of [WRITES, atRandom]) {
    const answers = application.run(a.path, [...pragmas, ...statements]);
    expect(answers.filter((answer) => /error/i.test(answer) && !/constraint failed/.test(answer))).toEqual([]);
    cluster.settleDown();
    const files = [a, b].map(({ path }) => readContents(path));
    expect(differencesBetween(['a', 'b'], files)).toEqual([]);
  }
}

for (const application of APPLICATIONS) {
  // One that is not on this machine is skipped, by name.
  describe.skipIf(!application.isHere)(application.name, () => {
    test.each(LIVES.map((life, i) => [...life, i] as const))(
      'journal_mode = %s, %s, %s',
      (mode, keys, recursive, seed) => liveOn(application, mode, [keys, recursive], seed),
    );
  });
}
