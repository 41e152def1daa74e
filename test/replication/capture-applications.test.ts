/**
 * An application must not notice the triggers: what it is answered on a captured file is what it is answered on a plain
 * one, to the last counter and error, with SQLite as old as 3.35 and whatever its connection is set to.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { captured, readChanges } from '../support/captured-database.js';
import { makeFolder } from '../support/make-folder.js';
import { APPLICATIONS } from '../support/run-application.js';

const SCHEMA = `CREATE TABLE t(id TEXT PRIMARY KEY COLLATE NOCASE, u INT UNIQUE, v NOT NULL DEFAULT 0 CHECK(v <> 13));
  CREATE TABLE n(id INTEGER PRIMARY KEY AUTOINCREMENT, v, e TEXT);
  CREATE UNIQUE INDEX partial ON n(v) WHERE v > 100; CREATE UNIQUE INDEX expression ON n(lower(e) || '!');
  CREATE TABLE p(id INTEGER PRIMARY KEY);
  CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE);
  INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2), ('c', 3, 3);
  INSERT INTO n(v, e) VALUES(1, 'x'), (200, 'y');
  INSERT INTO p VALUES(1), (2); INSERT INTO c VALUES(1, 1), (2, 1), (3, 2)`;

const COUNTERS = 'SELECT changes(), last_insert_rowid()';

const WRITES = [
  ...['', ' OR IGNORE', ' OR REPLACE', ' OR FAIL', ' OR ABORT', ' OR ROLLBACK'].flatMap((conflict) => [
    `INSERT${conflict} INTO t VALUES('A', 9, 9), ('new${conflict}', 2, 5), ('x${conflict}', 50, 13)`,
    COUNTERS,
    // One row: in which order SQLite takes several is its own affair, and triggers of any kind change it.
    `UPDATE${conflict} t SET u = 3, v = v + 1 WHERE id = 'a'`,
    COUNTERS,
    'SELECT id, u, v FROM t ORDER BY id',
  ]),
  "INSERT INTO t VALUES('a', 70, 1) ON CONFLICT(id) DO UPDATE SET v = v + excluded.v",
  "INSERT INTO t VALUES('a', 70, 1) ON CONFLICT DO NOTHING",
  COUNTERS,
  "INSERT INTO n(v, e) VALUES(5, 'z') RETURNING id, v, changes(), last_insert_rowid()",
  "INSERT INTO n(v, e) VALUES(200, 'w')",
  "REPLACE INTO n(v, e) VALUES(200, 'X')",
  COUNTERS,
  'UPDATE n SET v = v + 1 RETURNING id, v',
  'UPDATE t SET v = v',
  COUNTERS,
  "UPDATE t SET id = 'C' WHERE id = 'c'",
  'DELETE FROM t WHERE v > 3',
  COUNTERS,
  'PRAGMA foreign_keys = ON',
  'DELETE FROM p WHERE id = 1',
  COUNTERS,
  'BEGIN',
  'DELETE FROM n',
  'ROLLBACK',
  'DELETE FROM n WHERE id = 1',
  'SELECT * FROM n ORDER BY id',
  'SELECT * FROM c ORDER BY id',
  'SELECT * FROM sqlite_sequence',
  'DELETE FROM c',
  COUNTERS,
];

const SETTINGS = [
  'PRAGMA trusted_schema = OFF',
  'PRAGMA recursive_triggers = ON',
  'PRAGMA journal_mode = WAL',
  'PRAGMA legacy_alter_table = ON',
];

/** One file with capture and one without; both with the same schema and rows. */
function makePair() {
  const folder = makeFolder();
  const [plain, withCapture] = [join(folder, 'plain.db'), join(folder, 'captured.db')];
  const db = new Database(plain);
  db.exec(SCHEMA);
  db.close();
  captured(SCHEMA, withCapture).close();
  return { plain, withCapture };
}

function changesIn(path: string) {
  const db = new Database(path);
  const changes = readChanges(db);
  db.close();
  return changes;
}

for (const application of APPLICATIONS) {
  // One that is not on this machine is skipped, by name.
  describe.skipIf(!application.isHere)(application.name, () => {
    test.each(['SELECT 1', ...SETTINGS])('is answered as by a plain file after %s', (setting) => {
      const { plain, withCapture } = makePair();
      const statements = [setting, ...WRITES];
      expect(application.run(withCapture, statements)).toEqual(application.run(plain, statements));
      expect(changesIn(withCapture).length).toBeGreaterThan(10);
    });

    test('logs what it commits under every conflict clause', () => {
      for (const conflict of ['', 'OR IGNORE', 'OR REPLACE', 'OR FAIL', 'OR ABORT', 'OR ROLLBACK']) {
        const { withCapture } = makePair();
        application.run(withCapture, [
          `INSERT ${conflict} INTO t VALUES('k', 7, 7)`,
          `UPDATE ${conflict} t SET v = 8 WHERE id = 'k'`,
          `UPDATE ${conflict} t SET id = 'K' WHERE id = 'k'`,
          `UPDATE ${conflict} t SET id = 'l' WHERE id = 'k'`,
        ]);
        const logged = changesIn(withCapture).map(({ op, key, columns }) => [op, ...key, ...columns].join(' '));
        expect(logged.slice(-5)).toEqual(['insert k', 'update k v', 'update K id', 'delete K', 'insert l']);
      }
    });

    test('names every row that REPLACE evicts', () => {
      const { withCapture } = makePair();
      application.run(withCapture, ["REPLACE INTO t VALUES('new', 2, 5)", "REPLACE INTO n VALUES(77, 200, 'X')"]);
      const logged = changesIn(withCapture)
        .slice(-5)
        .map(({ op, table, key }) => `${op} ${table} ${key.join()}`);
      expect(logged.sort()).toEqual(['check n 1', 'check n 2', 'check t b', 'insert n 77', 'insert t new']);
    });

    test('writes through ATTACH are logged in the file they go to', () => {
      const { plain, withCapture } = makePair();
      application.run(plain, [`ATTACH '${withCapture}' AS other`, "INSERT INTO other.t VALUES('k', 7, 7)"]);
      expect(changesIn(withCapture).at(-1)).toMatchObject({ op: 'insert', table: 't', key: ['k'] });
    });

    test('what it rolls back is not in the log', () => {
      const { withCapture } = makePair();
      const before = changesIn(withCapture);
      application.run(withCapture, ['BEGIN', 'DELETE FROM t', 'ROLLBACK', "INSERT INTO t VALUES('k', 99, 13)"]);
      expect(changesIn(withCapture)).toEqual(before);
    });
  });
}
