/** What read-schema makes of every kind of table. */

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { readSchema } from '../../src/replication/read-schema.js';
import { schemaHash } from '../../src/replication/schema-hash.js';
import type { TableSchema } from '../../src/replication/table-schema.js';
import { makeFolder } from '../support/make-folder.js';
import { PYTHON, SHELL } from '../support/run-application.js';

function read(schema: string) {
  const db = new Database(':memory:');
  db.exec(schema);
  return readSchema(db);
}

function readTable(schema: string): TableSchema {
  const [table] = read(schema).tables;
  if (table === undefined) throw new Error('the table is refused');
  return table;
}

const identityOf = (schema: string) => {
  const { source, columns } = readTable(schema).identity;
  return `${source} ${columns.map(({ name, collation, affinity }) => `${name}:${collation}:${affinity}`).join(' ')}`;
};

describe('identity', () => {
  test.each([
    ['CREATE TABLE t(id INTEGER PRIMARY KEY)', 'integer-primary-key id:BINARY:INTEGER'],
    ['CREATE TABLE t(id "integer" CONSTRAINT x PRIMARY KEY ASC)', 'integer-primary-key id:BINARY:INTEGER'],
    ['CREATE TABLE t(id INTEGER, PRIMARY KEY(id DESC))', 'integer-primary-key id:BINARY:INTEGER'],
    ['CREATE TABLE t(id INTEGER PRIMARY KEY DESC)', 'primary-key id:BINARY:INTEGER'],
    ['CREATE TABLE t(id INT PRIMARY KEY)', 'primary-key id:BINARY:INTEGER'],
    ['CREATE TABLE t(id INTEGER PRIMARY KEY) WITHOUT ROWID', 'primary-key id:BINARY:INTEGER'],
    ['CREATE TABLE t(a TEXT COLLATE NOCASE, b REAL, PRIMARY KEY(b, a))', 'primary-key b:BINARY:REAL a:NOCASE:TEXT'],
    ['CREATE TABLE t(a TEXT COLLATE NOCASE, PRIMARY KEY(a COLLATE rtrim))', 'primary-key a:RTRIM:TEXT'],
    ['CREATE TABLE t(a NOT NULL UNIQUE, b)', 'unique-index a:BINARY:BLOB'],
    ['CREATE TABLE t(a NOT NULL, b NOT NULL, c NOT NULL UNIQUE, UNIQUE(a, b))', 'unique-index c:BINARY:BLOB'],
    ['CREATE TABLE t(b NOT NULL UNIQUE, a NOT NULL UNIQUE)', 'unique-index a:BINARY:BLOB'],
  ])('%s', (schema, identity) => expect(identityOf(schema)).toBe(identity));

  test.each([
    'CREATE TABLE t(a, b)',
    'CREATE TABLE t(a UNIQUE)',
    'CREATE TABLE t(a NOT NULL, b); CREATE UNIQUE INDEX i ON t(a) WHERE b',
    'CREATE TABLE t(a NOT NULL); CREATE UNIQUE INDEX i ON t(lower(a))',
    'CREATE TABLE t(a NOT NULL); CREATE INDEX i ON t(a)',
    'CREATE TABLE t(a, g NOT NULL AS (a + 1) UNIQUE)',
  ])('none: %s', (schema) => expect(read(schema).refused).toMatchObject([{ name: 't', code: 'no-identity' }]));

  test('a key too wide is refused', () => {
    const names = Array.from({ length: 65 }, (_, i) => `c${i}`).join(', ');
    expect(read(`CREATE TABLE t(${names}, PRIMARY KEY(${names}))`).refused).toMatchObject([{ code: 'key-too-wide' }]);
  });
});

describe('columns', () => {
  test.each([
    ['INT', 'INTEGER'],
    ['CHARINT', 'INTEGER'],
    ['POINT', 'INTEGER'],
    ['VARCHAR(10)', 'TEXT'],
    ['CLOB', 'TEXT'],
    ['CHARBLOB', 'TEXT'],
    ['BLOB', 'BLOB'],
    ['REALBLOB', 'BLOB'],
    ['', 'BLOB'],
    ['FLOAT', 'REAL'],
    ['DOUBLE PRECISION', 'REAL'],
    ['STRING', 'NUMERIC'],
    ['ANY', 'NUMERIC'],
    ['BOOLEAN', 'NUMERIC'],
    ['DATETIME', 'NUMERIC'],
  ])('%s has affinity %s, as SQLite stores it', (type, affinity) => {
    const schema = `CREATE TABLE t(id INTEGER PRIMARY KEY, x ${type}); INSERT INTO t VALUES(1, '1'), (2, 1), (3, 1.5)`;
    expect(readTable(schema).columns[1]?.affinity).toBe(affinity);
    const db = new Database(':memory:');
    db.exec(schema);
    const stored = db.prepare('SELECT group_concat(typeof(x)) FROM t').pluck().get();
    const classes = {
      INTEGER: 'integer,integer,real',
      NUMERIC: 'integer,integer,real',
      TEXT: 'text,text,text',
      BLOB: 'text,integer,real',
      REAL: 'real,real,real',
    };
    expect(stored).toBe(classes[affinity as keyof typeof classes]);
  });

  test('ANY of a STRICT table converts nothing', () => {
    const table = readTable('CREATE TABLE t(id INT PRIMARY KEY, x ANY, y TEXT) STRICT');
    expect(table).toMatchObject({
      strict: true,
      columns: [{ affinity: 'INTEGER' }, { affinity: 'BLOB' }, { affinity: 'TEXT' }],
    });
  });

  test('collations, defaults and generators are read from whatever text', () => {
    const table = readTable(`CREATE TABLE "t (" ( -- COLLATE nocase,
      "a,(" TEXT DEFAULT ('x' COLLATE NOCASE) CHECK("a,(" <> 'y' COLLATE RTRIM) /* COLLATE rtrim */, [b)] COLLATE "NoCase" PRIMARY KEY NOT NULL,
      \`c\`\`d\` VARCHAR(10, 2) COLLATE nocase COLLATE rtrim DEFAULT 7, 'e' REAL,
      g GENERATED ALWAYS AS (lower("b)") || ')') STORED COLLATE nocase, h AS ("a,(" || g), UNIQUE(e COLLATE NOCASE))`);
    expect(table.columns.map(({ name, collation }) => [name, collation])).toEqual([
      ['a,(', 'BINARY'],
      ['b)', 'NOCASE'],
      ['c`d', 'RTRIM'],
      ['e', 'BINARY'],
      ['g', 'NOCASE'],
      ['h', 'BINARY'],
    ]);
    expect(table.columns.map(({ generated }) => generated)).toEqual(['no', 'no', 'no', 'no', 'stored', 'virtual']);
    expect(table.columns[2]?.defaultSql).toBe('7');
    expect(table.columns[4]?.generator).toEqual({ sql: `lower ( "b)" ) || ')'`, reads: ['b)'] });
    expect(table.columns[5]?.generator?.reads).toEqual(['a,(', 'g']);
  });
});

describe('unique indexes beyond the identity', () => {
  test('partial and expression indexes keep their SQL', () => {
    const table = readTable(`CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b);
      CREATE UNIQUE INDEX "i (" ON t ( lower(a) /* , ( */ COLLATE nocase DESC, b) WHERE b > ')' -- end
      AND t.a IS NOT NULL`);
    expect(table.uniqueIndexes).toEqual([
      {
        name: 'i (',
        terms: [
          { column: null, expression: 'lower ( a ) COLLATE nocase', reads: ['a'], collation: 'NOCASE' },
          { column: 'b', expression: null, reads: ['b'], collation: 'BINARY' },
        ],
        where: "b > ')' AND t . a IS NOT NULL",
      },
    ]);
  });

  test('a name may hold what looks like white space', () => {
    const table = readTable(
      'CREATE TABLE t(id INTEGER PRIMARY KEY, a\u00a0b COLLATE NOCASE); CREATE UNIQUE INDEX i ON t(lower(a\u00a0b))',
    );
    expect(table.columns[1]).toMatchObject({ name: 'a\u00a0b', collation: 'NOCASE' });
    expect(table.uniqueIndexes[0]?.terms[0]).toMatchObject({ reads: ['a\u00a0b'], expression: 'lower ( a\u00a0b )' });
  });

  test('an index that contains the identity tells no rows apart', () => {
    const table = readTable(`CREATE TABLE t(id TEXT PRIMARY KEY, a); CREATE UNIQUE INDEX i ON t(id, a);
      CREATE UNIQUE INDEX j ON t(id COLLATE NOCASE, a)`);
    expect(table.uniqueIndexes.map(({ name }) => name)).toEqual(['j']);
  });

  // Only an older SQLite takes a misquoted string.
  test.skipIf(!SHELL.isHere)(`misquoted strings of ${SHELL.name} are written as the strings they stand for`, () => {
    const path = join(makeFolder(), 'file.db');
    SHELL.run(path, [
      'CREATE TABLE t(id INTEGER PRIMARY KEY, a)',
      'CREATE UNIQUE INDEX i ON t(a || "it\'s") WHERE "t"."a" <> "x" COLLATE "NOCASE"',
    ]);
    const db = new Database(path);
    expect(readSchema(db).tables[0]?.uniqueIndexes[0]).toMatchObject({
      terms: [{ expression: "a || 'it''s'" }],
      where: `"t" . "a" <> 'x' COLLATE "NOCASE"`,
    });
    db.close();
  });
});

test('virtual tables and what belongs to them are local, views and SQLite’s own tables are nothing', () => {
  const reading = read(`CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE VIEW v AS SELECT * FROM t;
    CREATE VIRTUAL TABLE f USING fts5(x); CREATE VIRTUAL TABLE r USING rtree(id, a, b); ANALYZE`);
  expect(reading.tables.map(({ name }) => name)).toEqual(['t']);
  expect(reading.local).toEqual(expect.arrayContaining(['f', 'f_data', 'r', 'r_node']));
  expect(reading.refused).toEqual([]);
});

test('foreign keys are read whole', () => {
  const { tables } =
    read(`CREATE TABLE p(a, b, PRIMARY KEY(a, b)); CREATE TABLE t(id INTEGER PRIMARY KEY, x REFERENCES t,
    y, z, FOREIGN KEY(y, z) REFERENCES p(b, a) ON DELETE SET NULL ON UPDATE CASCADE)`);
  expect(tables[1]?.foreignKeys).toEqual([
    { columns: ['y', 'z'], parentTable: 'p', parentColumns: ['b', 'a'], onUpdate: 'CASCADE', onDelete: 'SET NULL' },
    { columns: ['x'], parentTable: 't', parentColumns: [], onUpdate: 'NO ACTION', onDelete: 'NO ACTION' },
  ]);
});

// Python writes the schema's text by itself: better-sqlite3 would have to know the collation.
test.skipIf(!PYTHON.isHere)('an index under a collation that only the application knows refuses its table', () => {
  const path = join(makeFolder(), 'file.db');
  PYTHON.run(path, [
    'CREATE TABLE plain(id INTEGER PRIMARY KEY, a)',
    'CREATE TABLE t(id INTEGER PRIMARY KEY, a)',
    'CREATE INDEX i ON t(a)',
    'PRAGMA writable_schema = ON',
    "UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(a COLLATE LOCALIZED)' WHERE name = 'i'",
  ]);
  const db = new Database(path);
  expect(readSchema(db).refused).toMatchObject([
    { name: 't', code: 'not-compiled', reason: expect.stringContaining('LOCALIZED') },
  ]);
  expect(readSchema(db).tables.map(({ name }) => name)).toEqual(['plain']);
  db.close();
});

describe('hashes', () => {
  const hash = (schema: string) => readTable(schema).hash;

  test('differ by nothing that does not matter', () => {
    expect(hash('CREATE TABLE t(id INTEGER PRIMARY KEY, a VARCHAR(5) DEFAULT 1, b INT UNIQUE)')).toBe(
      hash('CREATE TABLE t(b BIGINT, a TEXT, id INTEGER PRIMARY KEY); CREATE UNIQUE INDEX i ON t(b)'),
    );
  });

  test.each([
    'CREATE TABLE t(id INTEGER PRIMARY KEY, a)',
    'CREATE TABLE t(id INT PRIMARY KEY, a TEXT)',
    'CREATE TABLE t(id INTEGER PRIMARY KEY, A TEXT)',
    'CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b)',
    'CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT NOT NULL)',
    'CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE)',
    'CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT UNIQUE)',
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT AS ('x'))",
    'CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT) STRICT',
  ])('differ by what does: %s', (schema) => {
    expect(hash(schema)).not.toBe(hash('CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)'));
  });

  test('the hash of a schema does not depend on the order of its tables', () => {
    const { tables } = read('CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE b(id TEXT PRIMARY KEY)');
    expect(schemaHash(tables)).toMatch(/^[0-9a-f]{64}$/);
    expect(schemaHash([...tables].reverse())).toBe(schemaHash(tables));
    expect(schemaHash(tables.slice(1))).not.toBe(schemaHash(tables));
  });
});

describe('virtual tables whose module is not here', () => {
  /** As another program that has the module leaves it. */
  function withForeignModule(schema: string): Database.Database {
    const db = new Database(':memory:');
    db.exec(schema);
    db.unsafeMode(true);
    db.pragma('writable_schema = 1');
    db.exec(
      `INSERT INTO sqlite_schema VALUES('table', 'vec', 'vec', 0, 'CREATE VIRTUAL TABLE vec USING vec0(embedding float[4])')`,
    );
    db.pragma('writable_schema = RESET');
    db.unsafeMode(false);
    return db;
  }

  test('are local, and so is what bears their name before an underscore', () => {
    const db = withForeignModule(
      'CREATE TABLE item(id TEXT PRIMARY KEY); CREATE TABLE vec_chunks(id INTEGER PRIMARY KEY)',
    );
    const { tables, local, refused } = readSchema(db);
    expect([tables.map(({ name }) => name), local, refused]).toEqual([['item'], ['vec', 'vec_chunks'], []]);
  });
});

test('a table that hides one of SQLite’s schema functions is refused by name', () => {
  const db = new Database(':memory:');
  db.exec('CREATE TABLE pragma_table_list(a)');
  expect(() => readSchema(db)).toThrow(expect.objectContaining({ code: 'table-refused' }));
});

test('an index whose WHERE names a table called new is refused by name', () => {
  const db = new Database(':memory:');
  db.exec('CREATE TABLE new(id TEXT PRIMARY KEY, u); CREATE UNIQUE INDEX i ON new(u) WHERE new.u > 1');
  expect(readSchema(db).refused).toEqual([expect.objectContaining({ name: 'new', code: 'ambiguous-name' })]);
});
