/**
 * Where the values of a trial are. Every write puts a value that never was before in front of all that it overwrites, so
 * that a text tells all that went into it: a value stands in no text only if something lost it.
 */
import { existsSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { withReader } from '../compare-files.js';

const VALUE = /v\d+\./g;

/** Tables of ours in which an operator finds what is in no table of the application's. */
const KEPT = ['conflict', 'resolution', 'quarantine', 'held', 'operation'].map((name) => `_sqlsync_${name}`);

/** Every value that the file shows to its application or to an operator. */
export function valuesIn(path: string): Set<string> {
  const values = new Set<string>();
  if (!existsSync(path)) return values;
  withReader(path, (db) => {
    for (const table of shownTables(db)) collect(db, table, values);
  });
  return values;
}

function shownTables(db: Database): string[] {
  return db
    .prepare<[], string>(
      `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT GLOB 'sqlite_*'
         AND name NOT GLOB '_sqlsync_meta_*'`,
    )
    .pluck()
    .all()
    .filter((name) => !name.startsWith('_sqlsync_') || KEPT.includes(name));
}

function collect(db: Database, table: string, values: Set<string>): void {
  for (const row of db.prepare(`SELECT * FROM "${table}"`).raw().iterate() as Iterable<unknown[]>) {
    for (const cell of row) {
      const text = Buffer.isBuffer(cell) ? cell.toString('latin1') : typeof cell === 'string' ? cell : '';
      for (const [value] of text.matchAll(VALUE)) values.add(value);
    }
  }
}

/** What has become of the values that applications were told are committed. */
export class LifeValues {
  private count = 0;
  private readonly acknowledged = new Map<string, string>();
  private readonly gone = new Set<string>();

  next(): string {
    this.count += 1;
    return `v${this.count}.`;
  }

  acknowledge(values: readonly string[], where: string): void {
    for (const value of values) this.acknowledged.set(value, where);
  }

  get acknowledgedCount(): number {
    return this.acknowledged.size;
  }

  /** An operator takes this file out of use: what only it has goes with it. */
  noteGone(path: string, others: readonly string[]): void {
    const elsewhere = others.map((other) => valuesIn(other));
    for (const value of valuesIn(path)) if (!elsewhere.some((values) => values.has(value))) this.gone.add(value);
  }

  /** Values that are in none of the files, each with where and when it was written. */
  lost(paths: readonly string[]): string[] {
    const shown = paths.map((path) => valuesIn(path));
    return [...this.acknowledged]
      .filter(([value]) => !this.gone.has(value) && !shown.some((values) => values.has(value)))
      .map(([value, where]) => `${value} (${where})`);
  }
}
