/**
 * A copy in memory of as much of a file's schema as its triggers can touch, on which each of them is compiled alone. It
 * holds no rows and nothing is run on it: what a trigger writes is read from its byte code.
 */
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { quoteIdentifier } from './sql-text.js';
import { tokenizeSql } from './sql-tokens.js';

export interface SchemaObject {
  readonly type: 'table' | 'view' | 'trigger';
  readonly name: string;
  /** The table that a trigger is on. */
  readonly table: string;
  readonly sql: string;
}

/** One instruction of a compiled statement. */
export interface Instruction {
  readonly addr: number;
  readonly opcode: string;
  readonly p1: number;
  readonly p2: number;
  readonly p3: number;
  readonly p4: string | null;
}

/** Functions a schema may lack here: each is found by a failed attempt to compile. */
const STUBS_MAX = 200;
const VIRTUAL = /^create\s+virtual\s/i;

export class SchemaClone {
  private readonly db: Database = new SqliteDatabase(':memory:');
  /** Functions that only the application has. */
  readonly stubbed = new Set<string>();

  constructor(objects: readonly SchemaObject[]) {
    this.db.pragma('foreign_keys = OFF');
    const wanted = reachableFromTriggers(objects);
    const order = (object: SchemaObject) => (object.type === 'view' ? 2 : VIRTUAL.test(object.sql) ? 0 : 1);
    // Virtual tables come first, since they make their own shadow tables.
    for (const { sql } of wanted.sort((x, y) => order(x) - order(y))) this.tryExec(sql);
  }

  close(): void {
    this.db.close();
  }

  /** What cannot be made here is not there: a trigger that needs it does not compile. */
  private tryExec(sql: string): void {
    try {
      this.withStubs(() => this.db.exec(sql));
    } catch (error) {
      if (!(error instanceof SqliteDatabase.SqliteError)) throw error;
    }
  }

  /** Compiles a statement and returns its byte code, that of the triggers it fires included. */
  explain(sql: string): Instruction[] {
    return this.withStubs(() => this.db.prepare<[], Instruction>(`EXPLAIN ${sql}`).all());
  }

  /** Calls `inspect` while the trigger, and no other, is there. */
  withTrigger<Result>(trigger: SchemaObject, inspect: () => Result): Result {
    this.db.exec(trigger.sql);
    try {
      return inspect();
    } finally {
      this.db.exec(`DROP TRIGGER ${quoteIdentifier(trigger.name)}`);
    }
  }

  /** The columns a statement may write. */
  writableColumns(table: string): string[] {
    return this.db
      .prepare<[string], string>('SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0')
      .pluck()
      .all(table);
  }

  /** Root page → the table that it belongs to. */
  rootPages(): Map<number, string> {
    const sql = 'SELECT rootpage, tbl_name FROM sqlite_schema WHERE rootpage > 0';
    return new Map(this.db.prepare<[], [number, string]>(sql).raw().all());
  }

  /** What byte code calls a virtual table → its name. */
  virtualTables(): Map<string, string> {
    const names = this.db.prepare<[], { name: string; sql: string }>('SELECT name, sql FROM sqlite_schema').all();
    const found = new Map<string, string>();
    for (const { name, sql } of names) {
      if (!VIRTUAL.test(sql ?? '')) continue;
      const write = this.explain(`DELETE FROM ${quoteIdentifier(name)} WHERE rowid = 1`).find(
        ({ opcode }) => opcode === 'VUpdate',
      );
      if (write?.p4) found.set(write.p4, name);
    }
    return found;
  }

  private withStubs<Result>(compile: () => Result): Result {
    for (;;) {
      try {
        return compile();
      } catch (error) {
        const missing = /^no such function: (.+)$/.exec(error instanceof Error ? error.message : '')?.[1];
        if (missing === undefined || this.stubbed.has(missing) || this.stubbed.size >= STUBS_MAX) throw error;
        this.stubbed.add(missing);
        this.db.function(missing, { varargs: true, deterministic: true }, () => null);
      }
    }
  }
}

/** The tables and views that triggers are on or mention, and those that such views mention. */
function reachableFromTriggers(objects: readonly SchemaObject[]): SchemaObject[] {
  const byName = new Map<string, SchemaObject>();
  for (const object of objects) if (object.type !== 'trigger') byName.set(object.name.toLowerCase(), object);
  const found = new Set<SchemaObject>();
  const pending = objects.filter((object) => object.type === 'trigger');
  for (let object = pending.pop(); object !== undefined; object = pending.pop()) {
    for (const token of tokenizeSql(object.sql)) {
      const mentioned = byName.get(token.value.toLowerCase());
      if (mentioned === undefined || found.has(mentioned)) continue;
      found.add(mentioned);
      if (mentioned.type === 'view') pending.push(mentioned);
    }
  }
  return [...found];
}
