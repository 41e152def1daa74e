/** What the capture triggers record of what an application does. */
import { describe, expect, test } from 'vitest';
import { PREFIX } from '../../src/replication/metadata-schema.js';
import { captured, changesOf, readChanges } from '../support/captured-database.js';

describe('inserts, updates and deletes', () => {
  const make = () => captured('CREATE TABLE t(id INTEGER PRIMARY KEY, a, b TEXT, c REAL)');

  test('are logged with their key, and updates with the columns that changed', () => {
    const db = make();
    expect(changesOf(db, "INSERT INTO t VALUES(1, 1, 'x', 1), (2, 2, 'y', 2)")).toEqual(['insert t(1)', 'insert t(2)']);
    expect(changesOf(db, "UPDATE t SET a = 5, b = 'x', c = c + 1 WHERE id = 1")).toEqual(['update t(1): a, c']);
    expect(changesOf(db, 'DELETE FROM t')).toEqual(['delete t(1)', 'delete t(2)']);
  });

  test('an update that changes nothing is not logged', () => {
    const db = make();
    db.exec('INSERT INTO t VALUES(1, NULL, NULL, 1)');
    expect(changesOf(db, 'UPDATE t SET id = id, a = a, b = NULL, c = 1')).toEqual([]);
  });

  test('clocks rise strictly, within a statement too', () => {
    const db = make();
    db.exec(
      'WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t(id) SELECT i FROM n',
    );
    const counts = db.prepare(`SELECT count(*), count(DISTINCT hlc) FROM ${PREFIX}log`).raw().get();
    expect(counts).toEqual([5001, 5001]);
  });

  test('an emptied log begins again at the wall clock', () => {
    const db = make();
    db.exec(`DELETE FROM ${PREFIX}log; INSERT INTO t(id) VALUES(1)`);
    const hlc = db.prepare<[], number>(`SELECT hlc FROM ${PREFIX}log`).pluck().get() ?? 0;
    expect(Math.abs(hlc / 2048 - Date.now())).toBeLessThan(60_000);
  });

  test('a wall clock that is behind does not hold the log back', () => {
    const db = make();
    db.exec(`INSERT INTO ${PREFIX}log(hlc, op) VALUES(9000000000000000, 5); INSERT INTO t(id) VALUES(1)`);
    expect(db.prepare(`SELECT max(hlc) FROM ${PREFIX}log`).pluck().get()).toBe(9000000000000001);
  });
});

describe('exact comparison', () => {
  test('spelling changes under NOCASE and RTRIM are changes', () => {
    const db = captured('CREATE TABLE t(id INTEGER PRIMARY KEY, n TEXT COLLATE NOCASE, r TEXT COLLATE RTRIM)');
    db.exec("INSERT INTO t VALUES(1, 'a', 'a')");
    expect(changesOf(db, "UPDATE t SET n = 'A', r = 'a '")).toEqual(['update t(1): n, r']);
  });

  test('1 and 1.0 differ where a column keeps both', () => {
    const db = captured('CREATE TABLE t(id INTEGER PRIMARY KEY, free, data BLOB, number NUMERIC, real REAL)');
    db.exec('INSERT INTO t VALUES(1, 1, 1, 1, 1)');
    expect(changesOf(db, 'UPDATE t SET free = 1.0, data = 1.0, number = 1.0, real = 1.0')).toEqual([
      'update t(1): free, data',
    ]);
  });

  test('a STRICT table compares its ANY column by storage class', () => {
    const db = captured('CREATE TABLE t(id INTEGER PRIMARY KEY, x ANY, b BLOB) STRICT');
    db.exec("INSERT INTO t VALUES(1, 1, x'00')");
    expect(changesOf(db, "UPDATE t SET x = 1.0, b = x'00'")).toEqual(['update t(1): x']);
  });

  test('text and blob of the same bytes differ, and so do NULL and the empty text', () => {
    const db = captured('CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b TEXT)');
    db.exec("INSERT INTO t VALUES(1, 'x', NULL)");
    expect(changesOf(db, "UPDATE t SET a = x'78', b = ''")).toEqual(['update t(1): a, b']);
  });
});

describe('keys', () => {
  test('a new key is a delete of the old and an insert of the new', () => {
    const db = captured('CREATE TABLE t(a, b, v, PRIMARY KEY(a, b)); INSERT INTO t VALUES(1, 2, 3)');
    expect(changesOf(db, 'UPDATE t SET b = 5, v = 9')).toEqual(['delete t(1, 2)', 'insert t(1, 5)']);
  });

  test('an integer key changes by any name of the rowid', () => {
    const db = captured('CREATE TABLE t(id INTEGER PRIMARY KEY, v)');
    db.exec('INSERT INTO t VALUES(1, 1)');
    for (const [name, from] of [
      ['rowid', 1],
      ['oid', 2],
      ['_rowid_', 3],
      ['id', 4],
    ] as const) {
      expect(changesOf(db, `UPDATE t SET ${name} = ${from + 1}`)).toEqual([
        `delete t(${from})`,
        `insert t(${from + 1})`,
      ]);
    }
  });

  test("the rowid is not the key of a table that doesn't pin it", () => {
    const db = captured("CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('a', 1)");
    expect(changesOf(db, 'UPDATE t SET rowid = 77')).toEqual([]);
  });

  test('another spelling of a NOCASE key is an update of the key column', () => {
    const db = captured("CREATE TABLE t(id TEXT PRIMARY KEY COLLATE NOCASE, v); INSERT INTO t VALUES('a', 1)");
    expect(changesOf(db, "UPDATE t SET id = 'A'")).toEqual(['update t("A"): id']);
    expect(changesOf(db, "UPDATE t SET id = 'b'")).toEqual(['delete t("A")', 'insert t("b")']);
  });

  test("the key's own collation decides, not the column's", () => {
    const db = captured(
      "CREATE TABLE t(id TEXT COLLATE NOCASE, v, PRIMARY KEY(id COLLATE BINARY)); INSERT INTO t VALUES('a', 1)",
    );
    expect(changesOf(db, "UPDATE t SET id = 'A'")).toEqual(['delete t("a")', 'insert t("A")']);
  });

  test('1 and 1.0 are two spellings of one key', () => {
    const db = captured('CREATE TABLE t(id PRIMARY KEY, v); INSERT INTO t VALUES(1, 1)');
    expect(changesOf(db, 'UPDATE t SET id = 1.0')).toEqual(['update t(1): id']);
  });

  test('keys keep their storage class in the log', () => {
    const db = captured('CREATE TABLE t(id PRIMARY KEY, v)');
    db.exec("INSERT INTO t VALUES('1', 0), (x'31', 0), (2.5, 0), (9223372036854775807, 0)");
    const types = db.prepare(`SELECT typeof(k1) FROM ${PREFIX}log WHERE op = 1`).pluck().all();
    expect(types).toEqual(['text', 'blob', 'real', 'integer']);
  });

  test('a table of nothing but its key logs inserts, deletes and new keys', () => {
    const db = captured('CREATE TABLE t(a INT NOT NULL, b INT NOT NULL, PRIMARY KEY(a, b)) WITHOUT ROWID');
    expect(changesOf(db, 'INSERT INTO t VALUES(1, 1); UPDATE t SET b = 2; DELETE FROM t')).toEqual([
      'insert t(1, 1)',
      'delete t(1, 1)',
      'insert t(1, 2)',
      'delete t(1, 2)',
    ]);
  });
});

describe('wide and odd tables', () => {
  test('2,000 columns: every column has its bit', () => {
    const names = Array.from({ length: 1999 }, (_, i) => `c${i}`);
    const db = captured(`CREATE TABLE t(id INTEGER PRIMARY KEY, ${names.map((name) => `${name} INT`).join(', ')})`);
    db.exec('INSERT INTO t(id) VALUES(1)');
    expect(changesOf(db, 'UPDATE t SET c0 = NULL')).toEqual([]);
    for (const name of ['c0', 'c60', 'c61', 'c62', 'c1022', 'c1998']) {
      expect(changesOf(db, `UPDATE t SET ${name} = 1`)).toEqual([`update t(1): ${name}`]);
    }
    expect(changesOf(db, `UPDATE t SET ${names.map((name) => `${name} = 2`).join(', ')}`)).toEqual([
      `update t(1): ${names.join(', ')}`,
    ]);
  });

  test('2,000 columns without affinity', () => {
    const names = Array.from({ length: 1999 }, (_, i) => `c${i}`);
    const db = captured(
      `CREATE TABLE t(id INTEGER PRIMARY KEY, ${names.join(', ')}); INSERT INTO t(id, c1500) VALUES(1, 1)`,
    );
    expect(changesOf(db, 'UPDATE t SET c1500 = 1.0')).toEqual(['update t(1): c1500']);
  });

  test('names of any spelling', () => {
    const db = captured(
      `CREATE TABLE "we""ird 'table"("select" TEXT PRIMARY KEY, "a b", "ключ" TEXT UNIQUE, "🐘""", "x]y" INT)`,
    );
    const sql = `INSERT INTO "we""ird 'table" VALUES('k', 1, 'u', 2, 3); UPDATE "we""ird 'table" SET "🐘""" = 7, "a b" = 9`;
    expect(changesOf(db, sql)).toEqual([`insert we"ird 'table("k")`, `update we"ird 'table("k"): a b, 🐘"`]);
  });

  test('columns named like what the triggers use', () => {
    const db = captured('CREATE TABLE old(new INTEGER PRIMARY KEY, old, hlc, mask, k1, op, tbl, rowid TEXT)');
    expect(
      changesOf(db, "INSERT INTO old VALUES(1, 2, 3, 4, 5, 6, 7, 8); UPDATE old SET old = 0, k1 = 0, rowid = 'x'"),
    ).toEqual(['insert old(1)', 'update old(1): old, k1, rowid']);
  });

  test('generated columns are not among the columns that change', () => {
    const db = captured('CREATE TABLE t(id INTEGER PRIMARY KEY, a, v AS (a * 2), s AS (a * 3) STORED, z)');
    expect(changesOf(db, 'INSERT INTO t(id, a, z) VALUES(1, 1, 1); UPDATE t SET a = 2')).toEqual([
      'insert t(1)',
      'update t(1): a',
    ]);
    expect(changesOf(db, 'UPDATE t SET z = 5')).toEqual(['update t(1): z']);
  });
});

test('cascades are logged as the changes they are', () => {
  const db = captured(`CREATE TABLE p(id INTEGER PRIMARY KEY);
    CREATE TABLE c(id TEXT PRIMARY KEY, p REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE n(id TEXT PRIMARY KEY, p REFERENCES p ON DELETE SET NULL);
    INSERT INTO p VALUES(1), (2); INSERT INTO c VALUES('c1', 1), ('c2', 2); INSERT INTO n VALUES('n1', 1)`);
  expect(changesOf(db, 'DELETE FROM p WHERE id = 1').sort()).toEqual([
    'delete c("c1")',
    'delete p(1)',
    'update n("n1"): p',
  ]);
  expect(changesOf(db, 'UPDATE p SET id = 3').sort()).toEqual(['delete p(2)', 'insert p(3)', 'update c("c2"): p']);
});

test("writes of the application's own triggers are logged", () => {
  const db = captured(`CREATE TABLE t(id INTEGER PRIMARY KEY, v, touched);
    CREATE TRIGGER touch AFTER UPDATE OF v ON t BEGIN UPDATE t SET touched = NEW.v WHERE id = NEW.id; END;
    INSERT INTO t VALUES(1, 1, 1)`);
  const changes = changesOf(db, 'UPDATE t SET v = 2');
  expect(changes.sort()).toEqual(['update t(1): touched', 'update t(1): v']);
  expect(readChanges(db)).toHaveLength(2);
});

test('upserts are logged as what they did', () => {
  const db = captured("CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES('a', 1)");
  expect(changesOf(db, "INSERT INTO t VALUES('a', 2) ON CONFLICT(id) DO UPDATE SET v = excluded.v")).toEqual([
    'update t("a"): v',
  ]);
  expect(
    changesOf(db, "INSERT INTO t VALUES('a', 2) ON CONFLICT DO NOTHING; INSERT OR IGNORE INTO t VALUES('a', 3)"),
  ).toEqual([]);
  expect(changesOf(db, "REPLACE INTO t VALUES('a', 2)")).toEqual(['insert t("a")']);
});

test('a row that enters a partial index names the row it evicts', () => {
  const db = captured(`CREATE TABLE t(id INTEGER PRIMARY KEY, u, live INT); CREATE UNIQUE INDEX i ON t(u) WHERE live;
    INSERT INTO t VALUES(1, 'x', 1), (2, 'x', 0)`);
  expect(changesOf(db, 'UPDATE OR REPLACE t SET live = 1 WHERE id = 2')).toEqual(['check t(1)', 'update t(2): live']);
});
