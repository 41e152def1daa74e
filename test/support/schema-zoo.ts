/**
 * Schemas of every kind that SQLite knows, all of which replicate. Every specimen is small, so that random writes collide
 * in it.
 */

import type { Database } from 'better-sqlite3';

export interface Specimen {
  readonly schema: string;
  /** Run on the empty file, before there is anything in it. */
  readonly pragmas?: readonly string[];
  /** Of the file; wal if left out. */
  readonly journalMode?: 'wal' | 'delete' | 'truncate' | 'persist';
  /** Values of columns of this name, in place of those for its type. */
  readonly values?: Readonly<Record<string, readonly string[]>>;
  /** Views that take writes. */
  readonly views?: readonly string[];
  /** What each node keeps for itself must agree with its tables: statements that fail, or answer otherwise, if not. */
  readonly checks?: readonly string[];
  /** Does the application enforce foreign keys? It does, unless said otherwise. */
  readonly foreignKeys?: boolean;
  /** Does REPLACE fire triggers that keep an index? Without, the application itself would break its index. */
  readonly recursiveTriggers?: true;
  /** Functions that only the application has. */
  readonly functions?: readonly string[];
  /** What to put for what in the text of the schema, once it is there: what this SQLite would not accept in new text. */
  readonly spelling?: readonly (readonly [from: string, to: string])[];
}

const plain = (key: string, rest = 'v, w TEXT') => `CREATE TABLE t(${key}, ${rest})`;
const KEYED = 'CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v)';
const names = (list: readonly string[]) => list.map((name) => `"${name.replaceAll('"', '""')}"`);

/** Names that have to be quoted, or that mean something to SQLite or to sqlsync. */
const ODD_NAMES = [
  'with space',
  'quo"te',
  "apo'strophe",
  '[bracket]',
  'back`tick',
  'semi;colon',
  'per%cent_',
  'new\nline',
  'tab\t',
  'select',
  'table',
  'Ünïcode',
  '表',
  '😀',
  '--comment',
  '/*',
  '1digit',
  ' ',
  'a.b',
  '$x',
  '?1',
  ':p',
  '_sqlsync',
  '_sqlsyncing',
  '_SQLSYNC2',
];

/** Names that SQL written about rows uses itself. */
const TAKEN_NAMES = [
  'new',
  'old',
  'excluded',
  'row',
  'here',
  't',
  'h',
  'main',
  'temp',
  'json_each',
  'present',
  'x',
  'n',
];
const TAKEN_COLUMNS = [
  'hlc',
  'tbl',
  'op',
  'mask',
  'k1',
  'rowid',
  'oid',
  'NEW',
  'OLD',
  'alive',
  'present',
  'value',
  'key',
];

const KEYS: Readonly<Record<string, Specimen>> = {
  'an integer key': { schema: plain('id INTEGER PRIMARY KEY') },
  'an AUTOINCREMENT key': { schema: plain('id INTEGER PRIMARY KEY AUTOINCREMENT') },
  'an INT key, which is no rowid': { schema: plain('id INT PRIMARY KEY') },
  'a descending integer key, which is no rowid': { schema: plain('id INTEGER PRIMARY KEY DESC') },
  'a text key': { schema: plain('id TEXT PRIMARY KEY') },
  'a blob key': { schema: plain('id BLOB PRIMARY KEY') },
  'a real key': { schema: plain('id REAL PRIMARY KEY') },
  'a key of any type': { schema: plain('id PRIMARY KEY') },
  'a numeric key': { schema: plain('id DECIMAL(10,2) PRIMARY KEY') },
  'a NOCASE key': { schema: plain('id TEXT COLLATE NOCASE PRIMARY KEY') },
  'an RTRIM key': { schema: plain('id TEXT COLLATE RTRIM PRIMARY KEY') },
  'a key of another collation than its column': {
    schema: 'CREATE TABLE t(id TEXT COLLATE NOCASE NOT NULL, v, PRIMARY KEY(id COLLATE BINARY))',
  },
  'a composite key': { schema: 'CREATE TABLE t(a INT, b TEXT COLLATE NOCASE, c REAL, v, PRIMARY KEY(c, a, b))' },
  'a composite key in descending order': {
    schema: 'CREATE TABLE t(a INT, b TEXT, v, PRIMARY KEY(a DESC, b COLLATE NOCASE DESC)) WITHOUT ROWID',
  },
  'a table of nothing but its key': { schema: 'CREATE TABLE t(a INT, b TEXT COLLATE NOCASE, PRIMARY KEY(a, b))' },
  'a table of one column': { schema: 'CREATE TABLE t(id PRIMARY KEY)' },
  'WITHOUT ROWID': { schema: 'CREATE TABLE t(id TEXT PRIMARY KEY, u INT UNIQUE, v) WITHOUT ROWID' },
  'WITHOUT ROWID by blobs': { schema: 'CREATE TABLE t(id BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID' },
  'a UNIQUE index for a key': {
    schema: 'CREATE TABLE t(a TEXT NOT NULL COLLATE NOCASE, b INT NOT NULL, v, UNIQUE(a, b))',
  },
  'two UNIQUE indexes and no key': { schema: 'CREATE TABLE t(a TEXT NOT NULL UNIQUE, b INT NOT NULL UNIQUE, v)' },
  'a key that replaces by itself': {
    schema: 'CREATE TABLE t(id TEXT PRIMARY KEY ON CONFLICT REPLACE NOT NULL, u UNIQUE ON CONFLICT IGNORE, v)',
  },
};

const COLUMNS: Readonly<Record<string, Specimen>> = {
  'a STRICT table': {
    schema:
      'CREATE TABLE t(id INT PRIMARY KEY NOT NULL, i INTEGER, r REAL, x TEXT, b BLOB, a ANY, u TEXT NOT NULL UNIQUE) STRICT',
  },
  'a STRICT table WITHOUT ROWID': {
    schema: 'CREATE TABLE t(id ANY PRIMARY KEY, a ANY, b BLOB) STRICT, WITHOUT ROWID',
  },
  'generated columns': {
    schema: `CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, s INT AS (a * 2) STORED, b TEXT, v TEXT GENERATED ALWAYS AS (lower(b) || s) VIRTUAL, c);
      CREATE UNIQUE INDEX by_v ON t(v); CREATE INDEX by_s ON t(s, c)`,
  },
  'a generated column between others': {
    schema: 'CREATE TABLE t(g AS (id || v), id TEXT PRIMARY KEY NOT NULL, h AS (v) STORED UNIQUE, v) WITHOUT ROWID',
  },
  'defaults of every kind': {
    schema: `CREATE TABLE t(id INTEGER PRIMARY KEY, a INT NOT NULL DEFAULT 7, b TEXT NOT NULL DEFAULT 'it''s', c NOT NULL DEFAULT (abs(-3) || 'x'),
      d DEFAULT x'00ff', e REAL DEFAULT -1.5, f DEFAULT NULL, g DEFAULT CURRENT_TIMESTAMP, h DEFAULT TRUE)`,
  },
  'checks of every kind': {
    schema: `CREATE TABLE t(id INTEGER PRIMARY KEY CHECK(id < 6), a INT CHECK(a IS NOT 3), b TEXT NOT NULL CHECK(length(b) < 4), c CHECK(typeof(c) <> 'real'))`,
  },
  'types that no other database has': {
    schema: `CREATE TABLE t(id "" PRIMARY KEY, a VARCHAR(10), b DATETIME, c "DOUBLE PRECISION", d "my type (1, 2)", e FLOATING POINT, f BOOLEAN, g JSON, h STRING)`,
  },
};

const INDEXES: Readonly<Record<string, Specimen>> = {
  'partial indexes': {
    schema: `${KEYED}; CREATE UNIQUE INDEX i ON t(v) WHERE u IS NOT NULL AND t.u <> 'b'; CREATE INDEX j ON t(u) WHERE v > 2`,
  },
  'indexes over expressions': {
    schema: `${KEYED}; CREATE UNIQUE INDEX i ON t(lower(u), coalesce(v, 0) DESC); CREATE INDEX j ON t(v || u COLLATE NOCASE)`,
  },
  'an index of text in double quotes': {
    schema: `${KEYED}; CREATE UNIQUE INDEX i ON t(v) WHERE u <> 'b'; CREATE UNIQUE INDEX j ON t(u || 'b')`,
    spelling: [[`'b'`, '"b"']],
  },
  'an index over JSON': {
    schema: `CREATE TABLE t(id TEXT PRIMARY KEY, doc JSON); CREATE UNIQUE INDEX i ON t(doc ->> '$.a') WHERE json_valid(doc)`,
    values: { doc: [`'{"a":1}'`, `'{"a":2,"b":"x"}'`, `'{"a":"1"}'`, `'[]'`] },
  },
};

const FOREIGN_KEYS: Readonly<Record<string, Specimen>> = {
  ...Object.fromEntries(
    ['CASCADE', 'SET NULL', 'SET DEFAULT', 'RESTRICT', 'NO ACTION'].map((action): [string, Specimen] => [
      `foreign keys: ${action}`,
      {
        schema: `CREATE TABLE p(id INTEGER PRIMARY KEY, code TEXT UNIQUE, v);
          CREATE TABLE c(id TEXT PRIMARY KEY NOT NULL, p INT DEFAULT 1 REFERENCES p ON DELETE ${action} ON UPDATE ${action},
            code TEXT REFERENCES p(code) ON DELETE ${action} ON UPDATE ${action}); CREATE INDEX c_p ON c(p)`,
      },
    ]),
  ),
  'foreign keys that nobody enforces': {
    schema:
      'CREATE TABLE p(id INT PRIMARY KEY, v); CREATE TABLE c(id INT PRIMARY KEY, p REFERENCES p ON DELETE CASCADE)',
    foreignKeys: false,
  },
  'a foreign key to itself': {
    schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, up INT REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE, v)',
  },
  'foreign keys in a circle, deferred': {
    schema: `CREATE TABLE a(id INTEGER PRIMARY KEY, b INT REFERENCES b(id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, v);
      CREATE TABLE b(id INTEGER PRIMARY KEY, a INT REFERENCES a(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, v)`,
  },
  'a composite foreign key': {
    schema: `CREATE TABLE p(a INT, b TEXT COLLATE NOCASE, v, PRIMARY KEY(a, b)) WITHOUT ROWID;
      CREATE TABLE c(id INTEGER PRIMARY KEY, a INT, b TEXT, FOREIGN KEY(a, b) REFERENCES p(a, b) ON DELETE CASCADE ON UPDATE CASCADE)`,
  },
  'a foreign key to a table that is not there': {
    schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, p REFERENCES nowhere(id), v)',
    foreignKeys: false,
  },
};

const PROGRAMS: Readonly<Record<string, Specimen>> = {
  'a view that takes writes': {
    schema: `${KEYED}; CREATE VIEW w AS SELECT id, u, v FROM t WHERE v IS NOT 5;
      CREATE TRIGGER w_insert INSTEAD OF INSERT ON w BEGIN INSERT OR REPLACE INTO t VALUES(NEW.id, NEW.u, NEW.v); END;
      CREATE TRIGGER w_update INSTEAD OF UPDATE ON w BEGIN UPDATE OR IGNORE t SET u = NEW.u, v = NEW.v WHERE id = OLD.id; END;
      CREATE TRIGGER w_delete INSTEAD OF DELETE ON w BEGIN DELETE FROM t WHERE id = OLD.id; END`,
    views: ['w'],
    values: { id: ['1', '2', '3', '4'] },
  },
  'triggers that write what replicates': {
    schema: `${KEYED}; CREATE TABLE audit(id TEXT PRIMARY KEY DEFAULT (hex(randomblob(16))), what TEXT, v);
      CREATE TRIGGER t_insert AFTER INSERT ON t BEGIN INSERT INTO audit(what, v) VALUES('insert', NEW.v); END;
      CREATE TRIGGER t_update BEFORE UPDATE ON t BEGIN INSERT INTO audit(what, v) VALUES('update', OLD.v); END;
      CREATE TRIGGER t_touch AFTER UPDATE OF v ON t WHEN NEW.v IS NOT 1 BEGIN UPDATE t SET v = 1 WHERE id = NEW.id; END;
      CREATE TRIGGER t_refuse BEFORE DELETE ON t WHEN OLD.v IS '1' BEGIN SELECT RAISE(IGNORE); END`,
  },
  'a trigger that calls what only the application has': {
    schema: `${KEYED}; CREATE TRIGGER t_insert AFTER INSERT ON t WHEN NEW.v = 99 BEGIN SELECT of_the_application(NEW.v); END`,
    functions: ['of_the_application'],
  },
  'a full-text index with external content': {
    schema: `CREATE TABLE t(id INTEGER PRIMARY KEY, title TEXT, body TEXT);
      CREATE VIRTUAL TABLE words USING fts5(title, body, content='t', content_rowid='id');
      CREATE TRIGGER t_insert AFTER INSERT ON t BEGIN INSERT INTO words(rowid, title, body) VALUES(NEW.id, NEW.title, NEW.body); END;
      CREATE TRIGGER t_delete AFTER DELETE ON t BEGIN INSERT INTO words(words, rowid, title, body) VALUES('delete', OLD.id, OLD.title, OLD.body); END;
      CREATE TRIGGER t_update AFTER UPDATE ON t BEGIN INSERT INTO words(words, rowid, title, body) VALUES('delete', OLD.id, OLD.title, OLD.body);
        INSERT INTO words(rowid, title, body) VALUES(NEW.id, NEW.title, NEW.body); END`,
    values: { title: ["'red fish'", "'blue fish'", "'Ünder'"], body: ["'one two'", "'three'", 'NULL'] },
    checks: [`INSERT INTO words(words, rank) VALUES('integrity-check', 1)`],
    recursiveTriggers: true,
  },
  'an R-tree': {
    schema: `CREATE TABLE t(id INTEGER PRIMARY KEY, x REAL NOT NULL, w REAL NOT NULL CHECK(w > 0), v);
      CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);
      CREATE TRIGGER t_insert AFTER INSERT ON t BEGIN INSERT OR REPLACE INTO boxes VALUES(NEW.id, NEW.x, NEW.x + NEW.w); END;
      CREATE TRIGGER t_delete AFTER DELETE ON t BEGIN DELETE FROM boxes WHERE id = OLD.id; END;
      CREATE TRIGGER t_update AFTER UPDATE ON t BEGIN DELETE FROM boxes WHERE id = OLD.id;
        INSERT OR REPLACE INTO boxes VALUES(NEW.id, NEW.x, NEW.x + NEW.w); END`,
    values: { x: ['0.5', '1.5', '-7'], w: ['1', '2.5'] },
    checks: ['SELECT id, x0, x1 FROM boxes ORDER BY id', `SELECT rtreecheck('boxes')`],
  },
};

const NAMES: Readonly<Record<string, Specimen>> = {
  'tables of every name': {
    schema: names(ODD_NAMES)
      .map((name) => `CREATE TABLE ${name}(id TEXT PRIMARY KEY, u INT UNIQUE, v)`)
      .join(';'),
  },
  'columns of every name': {
    schema: `CREATE TABLE t(${names(ODD_NAMES).join(' TEXT, ')} INT UNIQUE, PRIMARY KEY(${names(ODD_NAMES.slice(0, 3)).join(', ')}))`,
  },
  'tables whose names mean something in SQL': {
    schema: TAKEN_NAMES.map(
      (name, i) =>
        `CREATE TABLE "${name}"(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v); CREATE UNIQUE INDEX i${i} ON "${name}"(v) WHERE u > 'b'`,
    ).join(';'),
  },
  'columns whose names mean something in SQL': {
    schema: `CREATE TABLE t(${TAKEN_COLUMNS.map((name) => `"${name}"`).join(', ')}, PRIMARY KEY("rowid", "NEW"));
      CREATE UNIQUE INDEX i ON t("OLD", lower("present")) WHERE "hlc" > 1`,
  },
  'indexes, views and triggers of odd names': {
    schema: `${KEYED}; CREATE UNIQUE INDEX "_sqlsync i" ON t(v) WHERE id <> 2; CREATE VIEW "it's ""w""" AS SELECT * FROM t;
      CREATE TRIGGER "new
line" AFTER DELETE ON t BEGIN UPDATE t SET v = 2 WHERE id = 1; END`,
  },
};

const SHAPES: Readonly<Record<string, Specimen>> = {
  'text in UTF-16le': { schema: plain('id TEXT COLLATE NOCASE PRIMARY KEY'), pragmas: [`encoding = 'UTF-16le'`] },
  'text in UTF-16be': { schema: plain('id TEXT PRIMARY KEY', 'v, u TEXT UNIQUE'), pragmas: [`encoding = 'UTF-16be'`] },
  'pages of 512 bytes, vacuumed by itself': { schema: KEYED, pragmas: ['page_size = 512', 'auto_vacuum = FULL'] },
  'pages of 65536 bytes, vacuumed in steps': {
    schema: KEYED,
    pragmas: ['page_size = 65536', 'auto_vacuum = INCREMENTAL'],
  },
  'a journal that is deleted': { schema: KEYED, journalMode: 'delete' },
  'a journal that is truncated': { schema: KEYED, journalMode: 'truncate' },
  'a journal that persists': { schema: KEYED, journalMode: 'persist' },
};

/** So many columns, of one type. */
export const columnsOf = (count: number, type = '') =>
  Array.from({ length: count }, (_, i) => `c${i} ${type}`).join(', ');

const WIDE: Readonly<Record<string, Specimen>> = {
  '2,000 columns': { schema: `CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, ${columnsOf(1998)})` },
  'a key of 64 columns': {
    schema: `CREATE TABLE t(${columnsOf(64, 'INT')}, v, PRIMARY KEY(${columnsOf(64)})) WITHOUT ROWID`,
    values: Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`c${i}`, i < 60 ? ['1'] : ['1', '2']])),
  },
};

const UNKNOWN: Readonly<Record<string, Specimen>> = {
  'a column of a collation that only the application has': {
    schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT COLLATE NOCASE, w)',
    spelling: [['NOCASE', 'german']],
  },
};

/** Every one of them replicates. */
export const SPECIMENS: Readonly<Record<string, Specimen>> = {
  ...KEYS,
  ...COLUMNS,
  ...INDEXES,
  ...FOREIGN_KEYS,
  ...PROGRAMS,
  ...NAMES,
  ...SHAPES,
  ...WIDE,
  ...UNKNOWN,
};

/** Makes the specimen's schema in an empty file. */
export function makeSpecimen(db: Database, { schema, spelling = [], functions = [] }: Specimen): void {
  for (const name of functions) db.function(name, { varargs: true, deterministic: true }, () => null);
  db.exec(schema);
  if (spelling.length === 0) return;
  db.unsafeMode(true);
  db.pragma('writable_schema = ON');
  for (const pair of spelling)
    db.prepare('UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE sql IS NOT NULL').run(...pair);
  db.pragma('writable_schema = RESET');
  db.unsafeMode(false);
}
