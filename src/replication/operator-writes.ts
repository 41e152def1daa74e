/**
 * What an operator's command writes to a file, beside a daemon that serves it or without one: one transaction, as an
 * application's is. Rows of the application are recorded by the triggers, and the application's own triggers stay away
 * (save those that write only locally), since what they would do was done when the row was first written. Rows of
 * sqlsync's own tables have no triggers, and are entered into the log here.
 *
 * The connection has a private schema for as long as it takes: it must not be used for anything else meanwhile.
 */
import type { Database, Statement } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { captureTriggers } from './capture-triggers.js';
import { ChangeLog } from './change-log.js';
import { nextHlc } from './hlc.js';
import { OP } from './metadata-schema.js';
import { assertNotWatching } from './migration-watch.js';
import { insertOperation, OPERATION_TABLE, type OperationRecord } from './operation-record.js';
import { enterPrivateSchema, leavePrivateSchema } from './private-schema.js';
import { readReplicatedSchema } from './replicated-schema.js';
import type { SqlValue } from './row-version.js';
import type { CapturedTable } from './table-schema.js';
import { triggerDrift } from './trigger-drift.js';
import { assertCurrentFormat, formatOf } from './upgrade-format.js';

const SCHEMA_TRIES_MAX = 20;

/** A part of a transaction that can be taken back by itself; it is used many times over, so it is prepared once. */
class Savepoint {
  private readonly savepoint: Statement;
  private readonly rollback: Statement;
  private readonly release: Statement;

  constructor(private readonly db: Database) {
    this.savepoint = db.prepare('SAVEPOINT operator');
    this.rollback = db.prepare('ROLLBACK TO operator');
    this.release = db.prepare('RELEASE operator');
  }

  begin(): void {
    this.savepoint.run();
  }

  /** What was done since it began; it can be done again. */
  takeBack(): void {
    this.rollback.run();
  }

  end(): void {
    this.release.run();
  }

  /** An error of SQLite's may have rolled back the whole transaction. */
  giveUp(): void {
    if (!this.db.inTransaction) return;
    this.rollback.run();
    this.release.run();
  }
}

export class OperatorWrites {
  readonly log: ChangeLog;
  readonly savepoint: Savepoint;

  private constructor(
    readonly db: Database,
    /** Captured tables, sqlsync's own among them. */
    readonly tables: readonly CapturedTable[],
    private readonly nowMs: number,
  ) {
    this.log = new ChangeLog(db);
    this.savepoint = new Savepoint(db);
  }

  /**
   * Runs `work` in one write transaction; what it throws rolls everything back. Throws 'coverage-partial' where a write
   * would not be recorded, and SQLite's busy error when the write lock is not to be had.
   */
  static transaction<Result>(db: Database, nowMs: number, work: (writes: OperatorWrites) => Result): Result {
    return OperatorWrites.run(db, nowMs, work, 'COMMIT');
  }

  /** The same, and then takes everything back: what would have come of it is known, and nothing has changed. */
  static rehearsal<Result>(db: Database, nowMs: number, work: (writes: OperatorWrites) => Result): Result {
    return OperatorWrites.run(db, nowMs, work, 'ROLLBACK');
  }

  private static run<Result>(
    db: Database,
    nowMs: number,
    work: (writes: OperatorWrites) => Result,
    end: 'COMMIT' | 'ROLLBACK',
  ): Result {
    try {
      const tables = begin(db);
      const result = work(new OperatorWrites(db, tables, nowMs));
      db.exec(end);
      return result;
    } finally {
      if (db.inTransaction) db.exec('ROLLBACK');
      leavePrivateSchema(db);
    }
  }

  /** The HLC of the next entry in the log. */
  nextHlc(): number {
    return nextHlc(this.log.last(), this.nowMs);
  }

  /** Enters a row of an internal table, which the caller has inserted, into the change log. */
  enterInsert(tableId: number, key: readonly SqlValue[]): void {
    this.log.append(this.nextHlc(), tableId, OP.insert, key);
  }

  /** The same for a deletion that no trigger sees, since the row is not in its table. */
  enterDelete(tableId: number, key: readonly SqlValue[]): void {
    this.log.append(this.nextHlc(), tableId, OP.delete, key);
  }

  recordOperation(record: OperationRecord): void {
    insertOperation(this.db, record, this.nowMs);
    this.enterInsert(OPERATION_TABLE.id, [record.id]);
  }
}

/** Begins a write transaction on a private schema that is the file's own but for the application's triggers. */
function begin(db: Database): readonly CapturedTable[] {
  const schemaVersion = () => db.pragma('schema_version', { simple: true });
  for (let tries = 0; tries < SCHEMA_TRIES_MAX; tries += 1) {
    const before = schemaVersion();
    assertCurrentFormat(formatOf(db), db.name);
    const { tables, localTriggers } = readReplicatedSchema(db);
    assertCaptured(db, tables);
    const own = tables.filter((table) => !table.internal).flatMap((table) => captureTriggers(table));
    db.exec('BEGIN IMMEDIATE');
    if (schemaVersion() === before) {
      enterPrivateSchema(db, [...own.map(({ name }) => name), ...localTriggers]);
      return tables;
    }
    db.exec('ROLLBACK');
  }
  throw new SqlsyncError('database-locked', 'the schema keeps changing', { hint: 'wait for the migration to end' });
}

function assertCaptured(db: Database, tables: readonly CapturedTable[]): void {
  assertNotWatching(db);
  const { missing, changed } = triggerDrift(db, tables);
  const [first] = [...missing, ...changed];
  if (first === undefined) return;
  throw new SqlsyncError('coverage-partial', `writes to ${first.table} would not be recorded: triggers are missing`, {
    hint: 'start the daemon or type `sqlsync init` on the file, which put them back',
  });
}
