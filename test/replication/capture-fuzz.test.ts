/**
 * Random writes against the truth: what each statement did to the table is seen from outside, and the log must name every
 * row that it touched. REPLACE through a secondary UNIQUE index is what this is after: it fires no delete trigger unless
 * recursive_triggers is on. CAPTURE_FUZZ_SEEDS=3000 runs more seeds.
 */
import type { Database } from 'better-sqlite3';
import { expect, test } from 'vitest';
import { readRegistry } from '../../src/replication/registry.js';
import { captured, clearLog, readChanges } from '../support/captured-database.js';
import { type Random, seededRandom } from '../support/seeded-random.js';

const SEEDS = Number(process.env.CAPTURE_FUZZ_SEEDS ?? 10);
const STATEMENTS = 40;
const CONFLICTS = ['', ' OR REPLACE', ' OR REPLACE', ' OR IGNORE', ' OR FAIL', ' OR ABORT', ' OR ROLLBACK'];

interface Subject {
  readonly schema: string;
  readonly key: readonly string[];
  /** Columns that a statement may set, each with values that often collide. */
  readonly values: Readonly<Record<string, readonly string[]>>;
}

const SMALL = ['1', '2', '3', '4', '5'];
const LETTERS = ["'a'", "'A'", "'b'", "'B'", "'c'", 'NULL'];

const SUBJECTS: Readonly<Record<string, Subject>> = {
  'integer key, two unique columns': {
    schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, w UNIQUE, v)',
    key: ['id'],
    values: { id: SMALL, u: [...SMALL, '1.0', "'1'", 'NULL'], w: SMALL, v: SMALL },
  },
  'integer key by its other name': {
    schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE)',
    key: ['id'],
    values: { rowid: SMALL, u: SMALL },
  },
  'composite NOCASE key without rowid': {
    schema:
      'CREATE TABLE t(a TEXT COLLATE NOCASE, b INT, u TEXT COLLATE NOCASE UNIQUE, v, PRIMARY KEY(a, b)) WITHOUT ROWID',
    key: ['a', 'b'],
    values: { a: LETTERS.slice(0, 5), b: ['1', '2'], u: LETTERS, v: SMALL },
  },
  "an index of another collation than its column's": {
    schema:
      'CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, u TEXT, v); CREATE UNIQUE INDEX i ON t(u COLLATE NOCASE DESC)',
    key: ['id'],
    values: { id: LETTERS.slice(0, 5), u: LETTERS, v: SMALL },
  },
  'a key of another collation than its column': {
    schema: 'CREATE TABLE t(id TEXT COLLATE NOCASE NOT NULL, u INT UNIQUE, PRIMARY KEY(id COLLATE BINARY))',
    key: ['id'],
    values: { id: LETTERS.slice(0, 5), u: SMALL },
  },
  'partial unique index': {
    schema:
      'CREATE TABLE t(id INTEGER PRIMARY KEY, u, live INT); CREATE UNIQUE INDEX i ON t(u) WHERE live > 0 AND t.u IS NOT 5',
    key: ['id'],
    values: { id: SMALL, u: SMALL, live: ['0', '1', 'NULL'] },
  },
  'unique expressions': {
    schema: `CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT);
      CREATE UNIQUE INDEX i ON t(lower(a) /* , ( */, b % 2 DESC); CREATE UNIQUE INDEX j ON t(coalesce(a, 'x') || b) WHERE b <> 3`,
    key: ['id'],
    values: { id: SMALL, a: LETTERS, b: SMALL },
  },
  'a generated unique column': {
    schema: 'CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, g TEXT AS (lower(a)) UNIQUE, s INT AS (id % 3) STORED)',
    key: ['id'],
    values: { id: SMALL, a: LETTERS },
  },
  'an expression that depends on affinities and collations': {
    schema: `CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT, k TEXT COLLATE NOCASE, r REAL);
      CREATE UNIQUE INDEX i ON t((a < '3') + 2 * (b = 2) + 4 * (k = 'B') + 8 * (r > '2'))`,
    key: ['id'],
    values: { id: SMALL, a: SMALL, b: SMALL, k: LETTERS, r: SMALL },
  },
  'generated from a generated column': {
    schema: `CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, h TEXT GENERATED ALWAYS AS (lower(a)) STORED, g AS (h || 'x') COLLATE NOCASE);
      CREATE UNIQUE INDEX i ON t(g) WHERE id <> 3; CREATE UNIQUE INDEX j ON t(h || 'y', g)`,
    key: ['id'],
    values: { id: SMALL, a: LETTERS },
  },
  'NULL that REPLACE turns into a default': {
    schema:
      "CREATE TABLE t(id INTEGER PRIMARY KEY, u INT NOT NULL DEFAULT 3 UNIQUE, w TEXT NOT NULL DEFAULT ('a' || 'b') UNIQUE)",
    key: ['id'],
    values: { id: SMALL, u: [...SMALL, 'NULL'], w: ["'ab'", "'c'", "'d'", 'NULL'] },
  },
  'a UNIQUE constraint that replaces by itself': {
    schema: 'CREATE TABLE t(id TEXT PRIMARY KEY ON CONFLICT REPLACE NOT NULL, u UNIQUE ON CONFLICT REPLACE, v)',
    key: ['id'],
    values: { id: LETTERS.slice(0, 5), u: SMALL, v: SMALL },
  },
  'identity by a unique index': {
    schema: 'CREATE TABLE t(a INT NOT NULL UNIQUE, b INT NOT NULL, c INT NOT NULL, UNIQUE(b, c))',
    key: ['a'],
    values: { a: SMALL, b: ['1', '2'], c: ['1', '2'] },
  },
};

function assignments(subject: Subject, random: Random): [string, string][] {
  const columns = Object.keys(subject.values).filter(() => random.chance(0.6));
  const chosen = columns.length > 0 ? columns : Object.keys(subject.values).slice(-1);
  return chosen.map((column) => [column, random.pick(subject.values[column] ?? [])]);
}

function statement(subject: Subject, random: Random): string {
  const all = Object.entries(subject.values).map(([column, values]) => [column, random.pick(values)] as const);
  const names = all.map(([column]) => column).join(', ');
  const insert = `INTO t(${names}) VALUES(${all.map(([, value]) => value).join(', ')})`;
  const [column = '', value = ''] = all[random.int(all.length)] ?? [];
  const where = random.chance(0.2) ? '' : ` WHERE ${column} IS ${value}`;
  const set = assignments(subject, random)
    .map(([name, to]) => `${name} = ${to}`)
    .join(', ');
  const roll = random.next();
  if (roll < 0.5) return `INSERT${random.pick(CONFLICTS)} ${insert}`;
  if (roll < 0.58) return `INSERT ${insert} ON CONFLICT DO UPDATE SET ${set}`;
  if (roll < 0.92) return `UPDATE${random.pick(CONFLICTS)} t SET ${set}${where}`;
  return `DELETE FROM t${where}`;
}

/** Key (as equality of the table has it) → the row to the byte. */
function readRows(db: Database, subject: Subject): Map<string, string> {
  const columns = db.prepare<[], string>("SELECT name FROM pragma_table_xinfo('t')").pluck().all();
  const exact = columns.map((column) => `typeof(${column}) || quote(${column})`).join(` || ',' || `);
  const rows = db
    .prepare<[], [unknown[], string]>(`SELECT ${subject.key.join(', ')}, ${exact} FROM t`)
    .raw()
    .all();
  return new Map(rows.map((row) => [identity(subject, row.slice(0, -1)), String(row.at(-1))]));
}

function identity(subject: Subject, key: readonly unknown[]): string {
  const isNoCase = subject.schema.includes('a TEXT COLLATE NOCASE, b INT');
  return JSON.stringify(key.map((part) => (isNoCase && typeof part === 'string' ? part.toLowerCase() : part)));
}

function runSeed(subject: Subject, seed: number, isRecursive: boolean): void {
  const random = seededRandom(seed);
  const db = captured(subject.schema);
  db.pragma(`recursive_triggers = ${isRecursive ? 1 : 0}`);
  const tables = readRegistry(db);
  for (let i = 0; i < STATEMENTS; i++) {
    clearLog(db);
    const before = readRows(db, subject);
    const sql = statement(subject, random);
    try {
      db.exec(sql);
    } catch (error) {
      if (!/constraint failed|datatype mismatch/.test(String(error))) throw new Error(`${sql}: ${error}`);
    }
    const after = readRows(db, subject);
    const touched = [...new Set([...before.keys(), ...after.keys()])].filter(
      (key) => before.get(key) !== after.get(key),
    );
    const logged = readChanges(db, tables).filter(
      ({ op, key }) => op !== 'check' || !after.has(identity(subject, key)),
    );
    const named = new Set(logged.map(({ key }) => identity(subject, key)));
    const where = `seed ${seed}, recursive_triggers ${isRecursive}, statement ${i}: ${sql}`;
    expect(
      touched.filter((key) => !named.has(key)),
      `missed by ${where}`,
    ).toEqual([]);
    if (sql.startsWith('DELETE')) expect([...named].sort(), `too much by ${where}`).toEqual(touched.sort());
  }
  db.close();
}

test.each(Object.keys(SUBJECTS))(
  'every touched row is in the log: %s',
  (name) => {
    const subject = SUBJECTS[name] as Subject;
    for (let seed = 1; seed <= SEEDS; seed++)
      for (const isRecursive of [false, true]) runSeed(subject, seed, isRecursive);
  },
  600_000,
);
