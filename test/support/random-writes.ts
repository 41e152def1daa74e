/**
 * Random writes to whatever tables a file has: statements of every kind, with values that often collide and that suit the
 * columns' types. What a constraint refuses is part of an application's life; anything else that fails is not.
 */
import type { Database } from 'better-sqlite3';
import type { Random } from './seeded-random.js';

interface Column {
  readonly name: string;
  readonly isKey: boolean;
  readonly values: readonly string[];
}

export interface WriteTarget {
  readonly name: string;
  readonly columns: readonly Column[];
  /** A view takes no conflict clause's word and no upsert. */
  readonly isView: boolean;
}

export interface RandomWritesOptions {
  /** Values of columns of this name, in place of those for its type. */
  readonly values?: Readonly<Record<string, readonly string[]>>;
  /** Names of views that take writes. */
  readonly views?: readonly string[];
  readonly random: Random;
}

const INTEGERS = ['1', '2', '3', '4', '5', '6'];
const TEXTS = ["'a'", "'A'", "'b'", "'Ä'", "'a '", "'😀'", "''", "'x' || char(0) || 'y'"];
const REALS = ['0.5', '1.5', '-1.5', '9e999', '1e-300', '0.1 + 0.2'];
const BLOBS = ["x''", "x'00'", "x'00ff'", "x'6161'", 'zeroblob(300)'];
const NUMBERS = ['1', '2', '2.5', '9007199254740993'];
const ANYTHING = ['1', '1.0', "'1'", "x'31'", "'one'", '9223372036854775807', "CAST(x'61ff62' AS TEXT)"];
const CONFLICT_CLAUSES = ['', '', ' OR REPLACE', ' OR REPLACE', ' OR IGNORE', ' OR FAIL', ' OR ABORT'];

/** Of a table of more columns only some are written at once, besides its key. */
const NARROW_MAX = 12;

/** What an application may be told that writes at random. */
const REFUSED = /constraint failed|datatype mismatch|cannot store/;

/** The tables of the file that hold rows of the application's, and the views among `views`. */
export function writeTargets(db: Database, { values = {}, views = [] }: Omit<RandomWritesOptions, 'random'>) {
  const tables = db
    .prepare<[], { name: string; type: string }>(
      `SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view')
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_sqlsync\\_%' ESCAPE '\\' ORDER BY name`,
    )
    .all();
  const select = db.prepare<[string], { name: string; type: string; notnull: number; pk: number }>(
    'SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?) WHERE hidden = 0',
  );
  return tables
    .filter(({ name, type }) => type === 'table' || views.includes(name))
    .map(({ name, type }): WriteTarget => {
      const columns = select.all(name).map((column) => {
        const own = values[column.name] ?? valuesOf(column.type);
        // A row without a key is no row that replicates.
        const isKey = column.pk > 0;
        return { name: column.name, isKey, values: isKey || column.notnull ? own : [...own, 'NULL'] };
      });
      return { name, columns, isView: type === 'view' };
    });
}

function valuesOf(type: string): readonly string[] {
  if (/int|bool/i.test(type)) return INTEGERS;
  if (/char|text|clob/i.test(type)) return TEXTS;
  if (/real|floa|doub/i.test(type)) return REALS;
  if (/blob/i.test(type)) return BLOBS;
  return type === '' || /any/i.test(type) ? ANYTHING : NUMBERS;
}

/** One statement about one of the targets. */
export function randomStatement(targets: readonly WriteTarget[], random: Random): string {
  const target = random.pick(targets);
  const name = quoted(target.name);
  // A wide table is written a few columns at a time, as by an application.
  const some = columnsToWrite(target, random);
  const value = (column: Column) => random.pick(column.values);
  const columns = some.map((column) => quoted(column.name)).join(', ');
  const insert = `INTO ${name}(${columns}) VALUES(${some.map(value).join(', ')})`;
  const changed = pickSome(some, 1 + random.int(3), random);
  const set = changed.map((column) => `${quoted(column.name)} = ${value(column)}`).join(', ');
  const about = random.pick(some);
  const where = random.chance(0.1) ? '' : ` WHERE ${quoted(about.name)} COLLATE BINARY IS ${value(about)}`;
  const clause = random.pick(CONFLICT_CLAUSES);
  const roll = random.next();
  if (roll < 0.45) return `INSERT${clause} ${insert}`;
  if (roll < 0.55 && !target.isView) return `INSERT ${insert} ON CONFLICT DO UPDATE SET ${set}`;
  if (roll < 0.9) return `UPDATE${clause} ${name} SET ${set}${where}`;
  if (roll < 0.95) return `DELETE FROM ${name}${where} RETURNING *`;
  return `DELETE FROM ${name} WHERE ${quoted(about.name)} COLLATE BINARY IS ${value(about)}`;
}

/** Runs so many statements, in transactions of some; what constraints refuse is not counted. */
export function writeAtRandom(db: Database, targets: readonly WriteTarget[], count: number, random: Random): number {
  let written = 0;
  for (let i = 0; i < count; i += 1) {
    const sql = randomStatement(targets, random);
    try {
      db.exec(sql);
      written += 1;
    } catch (error) {
      if (!REFUSED.test(String(error))) throw new Error(`${sql}: ${error}`);
    }
  }
  return written;
}

function columnsToWrite({ columns }: WriteTarget, random: Random): readonly Column[] {
  if (columns.length <= NARROW_MAX) return columns;
  const others = columns.filter(({ isKey }) => !isKey);
  return [...columns.filter(({ isKey }) => isKey), ...pickSome(others, 6, random)];
}

function pickSome<Item>(items: readonly Item[], count: number, random: Random): Item[] {
  const left = [...items];
  return Array.from({ length: Math.min(count, left.length) }, () => left.splice(random.int(left.length), 1)[0] as Item);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
