/**
 * The engine's steps around an application's migration, in the order in which the operation takes them, with an image of
 * the file as it was: pinned by a reader in WAL mode, else copied.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import {
  endMigration,
  liftCapture,
  type MigrationEnd,
  type MigrationStart,
  putBackCapture,
} from '../../src/replication/application-migration.js';
import { MigrationEntries } from '../../src/replication/migration-entries.js';
import { findDifferences } from '../../src/replication/table-differences.js';
import { makeFolder } from './make-folder.js';

/** Rows read at a time where they are read in pages: so few that every test has several. */
const PAGE_ROWS = 3;

export class MigrationSteps {
  private readonly db: Database;
  private readonly isWal: boolean;
  private readonly readers: Database[] = [];
  private start: MigrationStart | null = null;

  constructor(private readonly path: string) {
    this.db = new SqliteDatabase(path);
    this.isWal = this.db.pragma('journal_mode', { simple: true }) === 'wal';
  }

  lift(): void {
    const lift = () => {
      this.pin();
      this.start = liftCapture(this.db);
    };
    this.db.transaction(lift).immediate();
  }

  private pin(): void {
    const image = this.isWal ? this.path : `${this.path}.before`;
    if (!this.isWal) this.open().prepare('VACUUM INTO ?').run(image);
    for (const reader of [this.open(), this.open()]) {
      reader.prepare('ATTACH ? AS before').run(image);
      if (!this.isWal) continue;
      reader.exec('BEGIN');
      reader.prepare('SELECT 1 FROM before.sqlite_schema').get();
    }
  }

  private open(): Database {
    const reader = new SqliteDatabase(this.path);
    this.readers.push(reader);
    return reader;
  }

  putBack(all = false): MigrationEnd | null {
    const probe = this.readers.at(-2) as Database;
    return putBackCapture(this.db, { start: this.start as MigrationStart, probe, all, nowMs: () => Date.now() });
  }

  enter({ tables, room }: MigrationEnd): void {
    const compare = this.readers.at(-1) as Database;
    const entries = new MigrationEntries(this.db, room);
    for (const { pair } of tables) {
      if (pair !== null)
        entries.enter(pair.after.id, [...findDifferences(compare, pair, this.isWal ? null : PAGE_ROWS)]);
    }
  }

  end(): void {
    const operation = {
      id: randomBytes(8).toString('hex'),
      node: 'n',
      operator: 'op',
      command: 'migrate',
      detail: null,
    };
    endMigration(this.db, { ...operation, result: 'done' }, Date.now());
    this.close();
  }

  /** Puts back, enters and ends. */
  finish(): MigrationEnd {
    const end = this.putBack();
    if (end === null) throw new Error('the watch was over before its time');
    this.enter(end);
    this.end();
    return end;
  }

  /** Also what happens when the process dies. */
  close(): void {
    for (const reader of this.readers) reader.close();
    this.db.close();
    rmSync(`${this.path}.before`, { force: true });
  }
}

/** A captured file, and its application. */
export class MigratingFile {
  readonly path = join(makeFolder(), 'file.db');
  readonly app: Database;

  /** @param install puts capture into the file */
  constructor(schema: string, install: (db: Database) => void, journalMode: string) {
    this.app = new SqliteDatabase(this.path);
    this.app.pragma(`journal_mode = ${journalMode}`);
    this.app.exec(schema);
    install(this.app);
  }

  lift(): MigrationSteps {
    const steps = new MigrationSteps(this.path);
    steps.lift();
    return steps;
  }

  /** All of it, around what the application does. */
  migrate(work: (app: Database) => void): MigrationEnd {
    const steps = this.lift();
    work(this.app);
    return steps.finish();
  }
}
