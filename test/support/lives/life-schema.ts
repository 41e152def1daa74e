/**
 * The application's schema and its migrations. A file tells by its user_version how far it has come; a migration runs in
 * one transaction, once on each file, with the sqlite3 shell as deployments do it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import Sqlite from 'better-sqlite3';
import { withReader } from '../compare-files.js';
import type { Random } from '../seeded-random.js';

const SCHEMA = `
  CREATE TABLE item(id TEXT PRIMARY KEY NOT NULL, slot INTEGER UNIQUE, value TEXT, note TEXT);
  CREATE TABLE archive(id TEXT PRIMARY KEY NOT NULL, value TEXT);
  CREATE TABLE ticket(number INTEGER PRIMARY KEY, value TEXT);
  CREATE TABLE remark(id TEXT PRIMARY KEY NOT NULL, value TEXT) WITHOUT ROWID;
  CREATE TABLE scratch(id TEXT PRIMARY KEY NOT NULL, value TEXT, spare TEXT);
`;

export function makeLifeDatabase(path: string, journalMode: 'wal' | 'delete'): void {
  const db = new Sqlite(path);
  db.pragma(`journal_mode = ${journalMode}`);
  db.exec(SCHEMA);
  db.close();
}

export const MIGRATIONS = [
  'add-column',
  'rebuild',
  'create-table',
  'drop-column',
  'drop-and-create',
  'rename-column',
  'rename-table',
  'unique-index',
] as const;
export type MigrationKind = (typeof MIGRATIONS)[number];

/** The migrations that there are so far; all files run them in this order. */
export class LifeMigrations {
  private readonly scripts: { readonly kind: MigrationKind; readonly sql: string }[] = [];
  private note = 'note';
  private spare: string | null = 'spare';
  private made: string[] = [];

  constructor(private readonly random: Random) {}

  get count(): number {
    return this.scripts.length;
  }

  add(kind: MigrationKind): void {
    this.scripts.push({ kind, sql: this.sqlOf(kind, this.scripts.length + 1) });
  }

  /** Runs the next migration that the file lacks; null when it lacks none. `migrate` runs it through `sqlsync migrate`. */
  async advance(
    path: string,
    wraps: boolean,
    migrate: (argv: readonly string[]) => Promise<void>,
  ): Promise<MigrationKind | null> {
    const level = levelOf(path);
    const next = this.scripts[level];
    if (next === undefined) return null;
    const sql = `PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; ${next.sql}; PRAGMA user_version = ${level + 1}; COMMIT;`;
    const argv = ['sqlite3', '-batch', '-bail', '-cmd', '.timeout 60000', path, sql];
    // SQLite drops no column that a trigger names.
    await (next.kind === 'drop-column' || wraps ? migrate(argv) : run(argv));
    return next.kind;
  }

  private dropSpare(): string {
    const dropped = this.spare;
    this.spare = null;
    return `ALTER TABLE scratch DROP COLUMN ${dropped}`;
  }

  private sqlOf(kind: MigrationKind, n: number): string {
    switch (kind) {
      case 'add-column':
        return `ALTER TABLE ${this.random.pick(['item', 'archive', 'ticket'])} ADD COLUMN extra${n} TEXT`;
      case 'rebuild':
        return `CREATE TABLE remark_new(id TEXT PRIMARY KEY NOT NULL, value TEXT, rebuilt${n} INTEGER DEFAULT ${n}) WITHOUT ROWID;
          INSERT INTO remark_new(id, value) SELECT id, value FROM remark;
          DROP TABLE remark; ALTER TABLE remark_new RENAME TO remark`;
      case 'create-table':
        this.made.push(`made${n}`);
        return `CREATE TABLE made${n}(id TEXT PRIMARY KEY NOT NULL, value TEXT)`;
      case 'drop-column':
        if (this.spare === null) {
          this.spare = `spare${n}`;
          return `ALTER TABLE scratch ADD COLUMN ${this.spare} TEXT`;
        }
        return this.dropSpare();
      case 'drop-and-create':
        this.spare = null;
        return 'DROP TABLE scratch; CREATE TABLE scratch(id TEXT PRIMARY KEY NOT NULL, value TEXT)';
      case 'rename-column': {
        const from = this.note;
        this.note = `note${n}`;
        return `ALTER TABLE item RENAME COLUMN ${from} TO ${this.note}`;
      }
      case 'rename-table': {
        const from = this.made.pop();
        if (from === undefined) return 'SELECT 1';
        this.made.push(`renamed${n}`);
        return `ALTER TABLE ${from} RENAME TO renamed${n}`;
      }
      case 'unique-index':
        return `CREATE UNIQUE INDEX archive_once${n} ON archive(value)`;
    }
  }
}

export function levelOf(path: string): number {
  return withReader(path, (db) => db.pragma('user_version', { simple: true }) as number);
}

/** Runs a program of the application's or the operator's that must succeed. */
export async function run([command = '', ...args]: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${[command, ...args].join(' ')}: exit ${child.exitCode}: ${output}`);
}
