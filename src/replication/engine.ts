/**
 * What the parts of the engine share on one node: its connections, its state, its tables, and the one way to write.
 *
 * `writer` folds and applies, and has the private schema: DDL never runs on it. `reader` holds the snapshots that cuts
 * are read from. `install` is an ordinary connection, for the schema and its repair.
 */
import type { Database, Statement } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { Acknowledgements } from './acknowledgements.js';
import { type ApplyContext, contextFor, noCounts } from './apply-context.js';
import { repairCapture } from './capture-repair.js';
import { ChangeLog } from './change-log.js';
import { ConflictRecords } from './conflict-record.js';
import { Cursors } from './cursors.js';
import type { EngineLimits, EngineOptions } from './engine-options.js';
import { Fold, type FoldStep } from './fold.js';
import { FormerParents } from './former-parents.js';
import { GapRows } from './gap-rows.js';
import { HeldRows } from './held-rows.js';
import { nextHlc } from './hlc.js';
import { judgeAllReplaced } from './judge-replaced.js';
import { OP } from './metadata-schema.js';
import { endWatch } from './migration-watch.js';
import { MissedWrites } from './missed-writes.js';
import { NewTables } from './new-tables.js';
import { type Clock, NodeState } from './node-state.js';
import { hasNullKey, stillWithNullKey } from './null-keys.js';
import { Orphans } from './orphans.js';
import { enterPrivateSchema, hasPrivateSchema } from './private-schema.js';
import { type KeptRowName, Quarantine } from './quarantine.js';
import { type ReplicatedSchema, readReplicatedSchema } from './replicated-schema.js';
import { type ReplicatedTable, ReplicatedTables } from './replicated-table.js';
import { placeHeld, retryKept } from './retry-kept.js';
import type { SqlValue } from './row-version.js';
import { RuleFreeze } from './rule-freeze.js';
import { type ShipReader, ShipReaders } from './ship-reader.js';
import { TableFates } from './table-fates.js';
import { readTableHistory } from './table-history.js';
import { highestHlc } from './version-vector.js';
import { attemptWrites, beginImmediate, handOver, isBusy, locked } from './write-lock.js';

/** Tries at a moment in which nobody writes between two of our transactions: each is over in microseconds. */
const QUIET_TRIES_MAX = 1000;
const SCHEMA_TRIES_MAX = 20;
/** As the version of a schema: it is to be read before anything else is done. */
export const NOT_READ = -1;
/** Held rows looked at in one transaction, after a change of the schema. */
const HELD_ROWS_MAX = 1000;

/** A consistent state of the file in which nothing waits to be folded. `db` reads it until `close`. */
export interface Snapshot {
  readonly db: Database;
  close(): void;
}

export class Engine {
  readonly clock: Clock;
  readonly limits: EngineLimits;
  readonly state: NodeState;
  readonly acknowledgements: Acknowledgements;
  readonly cursors: Cursors;
  readonly records: ConflictRecords;
  /** Kept shut while the rules change. */
  readonly freeze: RuleFreeze;
  log!: ChangeLog;
  tables!: ReplicatedTables;
  quarantine!: Quarantine;
  held!: HeldRows;
  former!: FormerParents;
  gapRows!: GapRows;
  orphans!: Orphans;
  schema!: ReplicatedSchema;
  fates!: TableFates;
  /**
   * Raised with every reading of the schema, after which what was prepared before is stale, and when somebody has emptied
   * the log: as long as it stays the same, no writes can have gone unrecorded.
   */
  schemaGeneration = 0;
  private readonly missed = new MissedWrites();
  readonly newTables = new NewTables();
  private folding!: Fold;
  /** Quarantined versions that may find room now; judged when all is folded. */
  private retriesDue: KeptRowName[] = [];
  /** Makes memory what it was before the transaction under way, or the last one. */
  private putBack = () => {};
  private shipReaders!: ShipReaders;
  /** SQLite's own, as it was when the schema was read last. */
  schemaVersion = -1;
  private readonly selectSchemaVersion: Statement<[], number>;

  constructor(readonly options: EngineOptions) {
    const { writer, clock, random, limits } = options;
    this.clock = clock;
    this.limits = limits;
    this.state = new NodeState(writer, random);
    this.freeze = new RuleFreeze(this.state);
    this.acknowledgements = new Acknowledgements(writer, this.state);
    this.cursors = new Cursors(writer);
    this.records = new ConflictRecords(writer, (tableId, key) => this.logOwnWrite(tableId, OP.insert, key, 0));
    this.selectSchemaVersion = writer.prepare('PRAGMA schema_version').pluck() as unknown as Statement<[], number>;
    this.readSchema();
  }

  /**
   * Reads the registry and the tables' schemas, and prepares for them anew, after putting capture right where the
   * application has changed its schema. Not inside a transaction.
   */
  readSchema(): void {
    const { writer, install } = this.options;
    // Asked before the look: what changes during it, by our repair too, makes it stale.
    this.schemaVersion = this.selectSchemaVersion.get() as number;
    this.missed.add(this.repairCapture(install));
    // `init` beside this process notes what it found in the file, and the installer what it has done.
    for (const fact of ['gap', 'leaving', 'table_ids'] as const) this.state.refresh(fact);
    this.schema = readReplicatedSchema(install);
    this.schemaGeneration += 1;
    this.log = new ChangeLog(writer);
    this.tables = new ReplicatedTables(writer, this.schema.tables, this.state);
    this.quarantine = new Quarantine(writer, this.state, this.tables);
    this.held = new HeldRows(writer, this.state, this.tables, readTableHistory(install));
    this.fates = new TableFates(writer, this.state, this.held);
    this.former = new FormerParents(writer, this.state);
    this.gapRows = new GapRows(writer, this.limits.gapRowsBytesMax);
    this.orphans = new Orphans(this.state, this.tables, this.former);
    this.folding = new Fold(this.state, this.log, this.tables, this.quarantine, this.former);
    for (const table of this.tables.all)
      if (hasNullKey(install, table.captured.schema)) this.folding.nullKeyTables.add(table);
    this.retriesDue = this.quarantine.names();
    this.shipReaders = new ShipReaders(this.state);
  }

  /** Names of tables with rows whose key holds NULL: they have no identity and do not replicate. */
  tablesWithNullKeys(): string[] {
    return stillWithNullKey(this.folding.nullKeyTables, this.options.writer);
  }

  private repairCapture(install: Database): string[] {
    try {
      return repairCapture(install, this.clock.nowMs(), this.newTables);
    } catch (error) {
      throw isBusy(error) ? locked(error) : error;
    }
  }

  /** What reads a table's rows out of snapshots of this connection. */
  shipReader(db: Database, table: ReplicatedTable): ShipReader {
    return this.shipReaders.of(db, table);
  }

  /**
   * Runs `work` in one write transaction on the private schema, and rolls it back when it throws. Throws
   * 'database-locked' when the lock is not to be had within the connection's busy time-out.
   */
  writeTransaction<Result>(work: () => Result): Result {
    this.begin();
    return this.complete(work);
  }

  /** Does the work and commits, or rolls back what `begin` has begun. */
  private complete<Result>(work: () => Result): Result {
    try {
      const result = work();
      this.options.writer.exec('COMMIT');
      return result;
    } catch (error) {
      this.rollBack();
      throw error;
    }
  }

  private rollBack(): void {
    const { writer } = this.options;
    if (writer.inTransaction) writer.exec('ROLLBACK');
    this.putBack();
  }

  /** Keeps what memory holds of the file; what it returns puts that back. */
  private remember(): () => void {
    const retriesDue = [...this.retriesDue];
    const { state, cursors, quarantine, held, gapRows } = this;
    const parts = [state, cursors, quarantine, held, gapRows].map((part) => part.remember());
    return () => {
      this.retriesDue = retriesDue;
      this.orphans.forget();
      this.fates.lookAgain();
      for (const putBackPart of parts) putBackPart();
    };
  }

  /** Begins a write transaction in which schema and triggers are known to be as last read. */
  private begin(): void {
    const { writer } = this.options;
    for (let tries = 0; tries < SCHEMA_TRIES_MAX; tries += 1) {
      beginImmediate(writer);
      if (!this.isReadingDue) {
        this.putBack = this.remember();
        this.prepareTransaction();
        return;
      }
      writer.exec('ROLLBACK');
      this.readSchema();
    }
    throw new SqlsyncError('database-locked', 'the schema keeps changing', { hint: 'wait for the migration to end' });
  }

  private prepareTransaction(): void {
    try {
      this.state.assertUnchanged();
      this.ensurePrivateSchema();
      this.restoreLog();
      // What a migration that was cut short has left in question is in the gap from here on.
      if (this.missed.isDue) endWatch(this.options.writer);
      const known = { newest: this.log.last(), acknowledged: this.acknowledgements.all };
      this.missed.note(this.state, this.clock.nowMs(), known);
      // Tables that do not replicate any more have no gap.
      if (this.state.get('gap') === '' && !this.gapRows.isEmpty) judgeAllReplaced(this);
    } catch (error) {
      this.rollBack();
      throw error;
    }
  }

  /**
   * The newest entry is never pruned. Where it is gone, somebody has emptied the log: what triggers append might lie below
   * what is folded, and some of it already does.
   */
  private restoreLog(): void {
    const folded = this.state.get('folded');
    if (this.log.last() >= folded) return;
    this.log.appendMarker(nextHlc(Math.max(folded, highestHlc(this.state.vector)), this.clock.nowMs()));
    this.schemaGeneration += 1;
    this.missed.add(this.tables.all.filter(({ captured }) => !captured.internal).map(({ captured }) => captured.name));
  }

  private ensurePrivateSchema(): void {
    const { writer } = this.options;
    if (!hasPrivateSchema(writer)) enterPrivateSchema(writer, this.schema.localTriggers);
  }

  /**
   * Is there anything to fold, or has the schema changed: then capture may have to be put right before anything is.
   */
  get isFoldDue(): boolean {
    return this.isReadingDue || this.missed.isDue || this.isWorkDue;
  }

  /** Has the schema changed, or has a new table been there for long enough to be taken in? */
  private get isReadingDue(): boolean {
    return this.selectSchemaVersion.get() !== this.schemaVersion || this.newTables.isDue(this.clock.nowMs());
  }

  /** Milliseconds until there may be something to fold though nobody writes; null: never. */
  get foldDueInMs(): number | null {
    return this.newTables.dueInMs(this.clock.nowMs());
  }

  /** What steps inside a transaction bring to an end. */
  private get isWorkDue(): boolean {
    const { folding, retriesDue, held, orphans, fates } = this;
    return folding.isDue || retriesDue.length > 0 || fates.isDue || held.isDue || orphans.isDue;
  }

  /** Folds a bounded number of entries, inside the caller's transaction; at the log's end what was waiting for that. */
  foldStep(): FoldStep {
    const step = this.folding.step(this.limits.foldEntriesMax);
    this.retriesDue.push(...step.rowsKeptAside);
    if (!this.folding.isDue) {
      this.retry();
      if (this.fates.isDue) this.followFates();
      this.releaseHeld();
    }
    if (!this.folding.isDue && this.orphans.isDue)
      this.placeOwn((context) => this.orphans.step(this.limits.foldEntriesMax, context));
    return step;
  }

  private followFates(): void {
    const log = (table: number, key: readonly string[]) => this.logOwnWrite(table, OP.update, key, 0);
    if (this.fates.look(this.log.last(), this.clock.nowMs(), log)) this.schemaVersion = NOT_READ;
  }

  /** Only at the log's end: before, a row's image may hold writes that its metadata does not. */
  private retry(): void {
    if (this.retriesDue.length === 0) return;
    const rows = this.retriesDue;
    this.retriesDue = [];
    this.orphans.begin();
    this.placeOwn((context) => retryKept(rows, context));
  }

  /** Places rows that the schema could not hold, as far as it can now: a bounded number. */
  private releaseHeld(): void {
    const rows = this.held.release(HELD_ROWS_MAX);
    if (rows.length === 0) return;
    this.orphans.begin();
    this.placeOwn((context) => placeHeld(rows, this.tables, context));
  }

  /** Has versions placed that nobody has just sent: what this node knows is all there is to know. */
  placeOwn(place: (context: ApplyContext) => void): void {
    const { state } = this;
    const counts = noCounts();
    const senderHorizon = state.get('horizon');
    place(contextFor(this, { keyCollisions: null, counts, senderHorizon, beyond: () => 0 }));
    state.countMerged(counts.merged);
    state.saveArrival();
  }

  /** Folds to the log's end, inside the caller's transaction, and leaves the look for orphans to later ones. */
  foldLogToEnd(): void {
    while (this.folding.isDue || this.retriesDue.length > 0) this.foldStep();
  }

  /** The HLC at and above which this node acknowledges nothing, since it keeps rows aside; null: there is none. */
  get hold(): number | null {
    const holds = [this.quarantine.counts().hold, this.held.summary().hold].filter((hold) => hold !== null);
    return holds.length === 0 ? null : Math.min(...holds);
  }

  /** Folds to the log's end, inside the caller's transaction; the caller knows that little is left. */
  foldToEnd(): void {
    while (this.isWorkDue) this.foldStep();
  }

  /** One fold transaction. Says whether more is left. */
  fold(): { entries: number; more: boolean } {
    if (!this.isFoldDue) return { entries: 0, more: false };
    const { entries } = this.writeTransaction(() => this.foldStep());
    return { entries, more: this.isFoldDue };
  }

  /**
   * Folds before an apply, inside its transaction: conflict detection sees every local write. When more is due than one
   * transaction may fold, folds a part and returns false; the caller commits that and tries again.
   */
  foldBeforeApply(): boolean {
    this.foldStep();
    return !this.isFoldDue;
  }

  /** Does what a constraint may refuse, whole or not at all. Returns SQLite's words if it was refused. */
  attempt(work: () => void): string | null {
    return attemptWrites(this.options.writer, work);
  }

  /**
   * Enters a write of this node's engine into the change log, later than every entry and than `beyond`. Returns its HLC.
   * `columns` are the ids of those that an update changed; all, if they are not given.
   */
  logOwnWrite(
    tableId: number,
    op: number,
    key: readonly SqlValue[],
    beyond: number,
    columns?: readonly number[],
  ): number {
    const hlc = nextHlc(Math.max(this.log.last(), beyond), this.clock.nowMs());
    this.log.append(hlc, tableId, op, key, columns);
    return hlc;
  }

  /**
   * Opens a snapshot in which all is folded. In WAL mode a reader of its own holds it, and writers go on. In rollback
   * mode an open reader would make the application's commits fail, so the write lock is held: the caller keeps it short.
   */
  openSnapshot(): Snapshot {
    const { writer, reader } = this.options;
    this.beginFolded();
    if (reader === writer || writer.pragma('journal_mode', { simple: true }) !== 'wal') {
      return { db: writer, close: () => this.complete(() => {}) };
    }
    this.beginReading(reader);
    return { db: reader, close: () => reader.exec('COMMIT') };
  }

  /** Has a connection of the caller's begin a read transaction at a moment in which all is folded. */
  pinFolded(reader: Database): void {
    this.beginFolded();
    this.beginReading(reader);
  }

  /** Begins a write transaction in which nothing waits to be folded. */
  private beginFolded(): void {
    for (let tries = 0; tries < QUIET_TRIES_MAX; tries += 1) {
      this.begin();
      if (!this.isFoldDue) return;
      this.complete(() => this.foldStep());
    }
    throw new SqlsyncError('database-locked', 'the file is written without a pause', { hint: 'try again' });
  }

  private beginReading(reader: Database): void {
    try {
      handOver(this.options.writer, reader);
    } catch (error) {
      this.rollBack();
      throw error;
    }
  }
}
