/**
 * Somebody who works on a database without knowing what it is about: statements for whatever tables it has, made of the
 * rows that are there. What a constraint refuses is left out or, for a foreign key, fails the transaction.
 */
import type { Database } from 'better-sqlite3';
import { readSchema } from '../../src/replication/read-schema.js';
import type { TableSchema } from '../../src/replication/table-schema.js';
import { withReader } from './compare-files.js';
import type { Random } from './seeded-random.js';

const STATEMENTS_MAX = 4;

/** SQL of values that a careless replicator would bend. */
const ODD_VALUES = [
  'NULL',
  '9223372036854775807',
  '-0.0',
  '9e999',
  '0.1 + 0.2',
  "x''",
  "x'00ff'",
  "''",
  "'a' || char(0) || 'b'",
  "CAST(x'61ff62' AS TEXT)",
];

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

export class AnyClerk {
  private readonly tables: readonly TableSchema[];
  private count = 0;

  constructor(
    private readonly number: number,
    private readonly path: string,
    private readonly random: Random,
  ) {
    this.tables = withReader(path, (db) => readSchema(db).tables);
  }

  /** One transaction's statements. */
  next(): string[] {
    return withReader(this.path, (db) => {
      const statements: string[] = [];
      for (let n = 1 + this.random.int(STATEMENTS_MAX); n > 0; n -= 1) statements.push(...this.statement(db));
      return statements;
    });
  }

  private statement(db: Database): string[] {
    const table = this.random.pick(this.tables);
    const row = this.anyRow(db, table);
    if (row === null) return [];
    const dice = this.random.next();
    if (dice < 0.45) return [this.insert(table, row)];
    if (dice < 0.85) return [this.update(table, row)];
    if (dice < 0.93)
      return [`UPDATE OR REPLACE ${quoted(table.name)} SET ${this.change(table)} WHERE ${where(table, row)}`];
    return [`DELETE FROM ${quoted(table.name)} WHERE ${where(table, row)}`];
  }

  /** A row as SQL literals by column; null when the table is empty. */
  private anyRow(db: Database, table: TableSchema): Record<string, string> | null {
    const cells = written(table).map(
      (name) => `quote(CAST(${quoted(name)} AS BLOB)) || ' ' || typeof(${quoted(name)})`,
    );
    const total =
      db
        .prepare<[], number>(`SELECT count(*) FROM ${quoted(table.name)}`)
        .pluck()
        .get() ?? 0;
    if (total === 0) return null;
    const sql = `SELECT ${cells.join(', ')} FROM ${quoted(table.name)} LIMIT 1 OFFSET ?`;
    const row = db.prepare(sql).raw().get(this.random.int(total)) as (string | null)[] | undefined;
    if (row === undefined) return null;
    return Object.fromEntries(written(table).map((name, i) => [name, literal(row[i] ?? null)]));
  }

  private insert(table: TableSchema, row: Record<string, string>): string {
    const values = { ...row };
    const referring = new Set(table.foreignKeys.flatMap(({ columns }) => columns));
    for (const { name } of table.identity.columns) {
      if (!referring.has(name) || this.random.chance(0.3)) values[name] = this.newKey(table, name);
    }
    const verb = this.random.chance(0.2) ? 'INSERT OR REPLACE' : 'INSERT OR IGNORE';
    const names = Object.keys(values);
    return `${verb} INTO ${quoted(table.name)}(${names.map(quoted).join(', ')}) VALUES(${names.map((n) => values[n]).join(', ')})`;
  }

  private update(table: TableSchema, row: Record<string, string>): string {
    return `UPDATE OR IGNORE ${quoted(table.name)} SET ${this.change(table)} WHERE ${where(table, row)}`;
  }

  /** A new value for a column: sometimes the key, never a reference, and odd only where the declared type lets it be. */
  private change(table: TableSchema): string {
    const referring = new Set(table.foreignKeys.flatMap(({ columns }) => columns));
    const key = new Set(table.identity.columns.map(({ name }) => name));
    const free = written(table).filter((name) => !referring.has(name) && (!key.has(name) || this.random.chance(0.1)));
    if (free.length === 0) return `${quoted(written(table)[0] as string)} = ${quoted(written(table)[0] as string)}`;
    const name = this.random.pick(free);
    if (key.has(name)) return `${quoted(name)} = ${this.newKey(table, name)}`;
    const odd = !table.strict && this.random.chance(0.2);
    return `${quoted(name)} = ${odd ? this.random.pick(ODD_VALUES) : this.newValue(table, name)}`;
  }

  private newKey(table: TableSchema, name: string): string {
    const affinity = table.columns.find((column) => column.name === name)?.affinity;
    // Several clerks draw from one range, so that they meet.
    if (affinity === 'TEXT') return `'k${this.random.int(500)}'`;
    return String(100_000 + this.random.int(500));
  }

  private newValue(table: TableSchema, name: string): string {
    this.count += 1;
    const affinity = table.columns.find((column) => column.name === name)?.affinity;
    if (affinity === 'INTEGER' || affinity === 'NUMERIC') return String(this.random.int(1_000_000));
    if (affinity === 'REAL') return String(this.random.int(1_000_000) / 7);
    return `'clerk ${this.number} wrote ${this.count}'`;
  }
}

function written(table: TableSchema): string[] {
  return table.columns.filter(({ generated }) => generated === 'no').map(({ name }) => name);
}

function where(table: TableSchema, row: Record<string, string>): string {
  return table.identity.columns.map(({ name }) => `${quoted(name)} = ${row[name]}`).join(' AND ');
}

/** A value's bytes and storage class as SQL that makes the same value again. */
function literal(cell: string | null): string {
  if (cell === null || cell.endsWith(' null')) return 'NULL';
  const [bytes = '', type = ''] = cell.split(' ');
  if (type === 'blob') return bytes;
  const text = `CAST(${bytes} AS TEXT)`;
  if (type === 'text') return text;
  return `CAST(${text} AS ${type === 'integer' ? 'INTEGER' : 'REAL'})`;
}
