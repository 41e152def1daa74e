/**
 * One database in the daemon: its file's handles and lock, its replica, and the jobs that keep it going. Commits of the
 * application are folded as they are seen; whoever ships to peers hears of it through `onAdvanced`. Everything here runs
 * on one event loop, and each piece of it is short.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { SqlsyncError } from '../../errors.js';
import type { VerifiedPeer } from '../../operations/verify-report.js';
import { Replica, type Surplus } from '../../replication/replica.js';
import type { ReplicaStatus } from '../../replication/replica-status.js';
import type { Slices } from '../../replication/slices.js';
import type { Hello } from '../../replication/wire-messages.js';
import type { Asker } from '../compare/compare-request.js';
import { ComparisonAnswers } from '../compare/comparison-answers.js';
import { ChangeWatcher } from '../file/change-watcher.js';
import { databaseError } from '../file/database-error.js';
import { DatabaseLock } from '../file/database-lock.js';
import { LockedFile, replacedError } from '../file/locked-file.js';
import { checkDatabaseFile, type DatabaseHandles, openDatabase } from '../file/open-database.js';
import { retryWhileLocked } from '../file/retry-while-locked.js';
import { SideDirectory } from '../file/side-directory.js';
import type { Passage } from '../peer/greeting.js';
import { RuleAnswers } from '../rules/rule-answers.js';
import type { LockedCut } from '../stream/send-stream.js';
import type { StreamStage } from '../stream/stage.js';
import { StageStore, type StreamReceiver } from '../stream/stage-store.js';
import { type AppliedStage, type ApplyProgress, ApplyQueue } from './apply-queue.js';
import { CheckpointPatience } from './checkpoint-patience.js';
import { type DatabaseFigures, readFigures } from './database-figures.js';
import { Greetings } from './greetings.js';
import { MigrationHold } from './migration-hold.js';
import { runSlices, type SlicedReading } from './run-slices.js';
import { CATCH_UP_LOST, eventsLost, ownTrouble, STAGE_LOST } from './service-errors.js';
import type { DatabaseServiceOptions } from './service-options.js';
import { settlePlace } from './settle-place.js';
import { ShippingGate } from './shipping-gate.js';
import { type OpenProblem, Upkeep } from './upkeep.js';

/** How long a lock of the application's may keep an answer back. */
const STATUS_WAIT_MS = 1_000;

const clock = { nowMs: () => Date.now() };
const random = { hex: (bytes: number) => randomBytes(bytes).toString('hex') };

export class DatabaseService {
  readonly name: string;
  readonly replica: Replica;
  /** This node's rows, for whoever compares them. */
  readonly answers = new ComparisonAnswers(this);
  /** What this node says when the rules of the data set change. */
  readonly rules = new RuleAnswers(this);
  readonly greetings = new Greetings(this);
  private readonly file: LockedFile;
  private readonly stages: StageStore;
  private readonly queue: ApplyQueue;
  private readonly gate: ShippingGate;
  private readonly upkeep: Upkeep;
  private readonly logger: Logger;
  private readonly listeners = new Set<() => void>();
  private readonly appliedListeners: ((applied: AppliedStage) => void)[] = [];
  private watcher: ChangeWatcher | null = null;
  readonly migration: MigrationHold;

  /** The file's real path. */
  get path(): string {
    return this.handles.path;
  }

  private constructor(
    private readonly options: DatabaseServiceOptions,
    readonly side: SideDirectory,
    readonly lock: DatabaseLock,
    private readonly handles: DatabaseHandles,
  ) {
    const { limits, wire } = options;
    this.name = options.name;
    this.logger = options.logger.child({ database: options.name });
    const { writer, reader, install } = handles;
    this.replica = Replica.open({ writer, reader, install, clock, random, limits, ...(wire && { wire }) });
    this.stages = new StageStore(side, limits, random);
    this.file = new LockedFile(handles.path, limits, (error) => options.onFatal(error));
    this.queue = new ApplyQueue({
      replica: this.replica,
      stages: this.stages,
      file: this.file,
      onApplied: (applied) => {
        for (const listener of this.appliedListeners) listener(applied);
      },
      onAbandoned: ({ code, message }) => this.logger.warn({ code }, `${STAGE_LOST}: ${message}`),
    });
    this.gate = new ShippingGate(limits.idleTimeoutMs);
    const patience = new CheckpointPatience(install, this.file);
    this.upkeep = new Upkeep({
      work: {
        fold: () => patience.wait().then(() => this.fold()),
        settle: () => this.settle(),
        resume: () => this.resume(),
      },
      limits,
      logger: this.logger,
      onBug: options.onFatal,
    });
    const { replica, file, gate, queue, upkeep } = this;
    this.migration = new MigrationHold({ replica, file, gate, queue, upkeep, readStatus: () => this.readStatus() });
  }

  /**
   * Takes the file's lock and opens it, waiting for commands and applications up to limits.lockWaitMsMax. Throws the
   * registry's errors: database-in-use, database-missing …, database-locked, database-not-initialised, format-newer, format-older,
   * private-schema-unavailable, identity-unknown, and the signal's reason.
   */
  static async open(options: DatabaseServiceOptions): Promise<DatabaseService> {
    const { name, path, limits, logger, signal } = options;
    const side = SideDirectory.open(checkDatabaseFile(path));
    const onWait = () => logger.info({ database: name }, `waits for ${path}, which another program has locked`);
    const waiting = { waitMsMax: limits.lockWaitMsMax, signal, onWait };
    const lock = await DatabaseLock.takeAfterCommands(side, new Date(), waiting);
    try {
      await options.upgrade?.(side, waiting);
      return await retryWhileLocked(() => DatabaseService.openNow(options, side, lock), waiting);
    } catch (error) {
      lock.release();
      throw databaseError(error, path);
    }
  }

  private static openNow(options: DatabaseServiceOptions, side: SideDirectory, lock: DatabaseLock): DatabaseService {
    const handles = openDatabase(options.path);
    try {
      const service = new DatabaseService(options, side, lock, handles);
      settlePlace(service.replica, handles.path, options.identity);
      side.removeLeftovers(service.replica.catchUp?.stageId ?? null);
      return service;
    } catch (error) {
      handles.close();
      throw error;
    }
  }

  /** Begins to follow the application's commits, and goes on with what an earlier run left half done. */
  start(): void {
    this.watcher = new ChangeWatcher({
      path: this.handles.path,
      db: this.handles.watch,
      pollMs: this.options.limits.pollMs,
      onCommitted: () => this.upkeep.folding.request(),
      onReplaced: () => this.options.onFatal(replacedError(this.handles.path)),
      onEventsLost: (error) => this.upkeep.note('watch', eventsLost(this.handles.path, error)),
    });
    this.upkeep.folding.request();
    this.upkeep.resuming.request();
    this.upkeep.settling.request();
  }

  /** Finishes the step under way, writes down what is worth it, and lets go of the file. */
  async stop(): Promise<void> {
    this.file.stop();
    await this.watcher?.close();
    await this.queue.idle();
    await this.upkeep.stop();
    try {
      if (!this.migration.isHeld) await this.file.run(() => this.replica.close());
    } catch (error) {
      // What peers have acknowledged is heard again; nothing else is left to save.
      if (!(error instanceof SqlsyncError)) throw error;
    }
    this.handles.close();
    this.lock.release();
  }

  /** Does a piece of work on the file as soon as it is free. */
  work<Result>(attempt: () => Result): Promise<Result> {
    return this.file.run(attempt);
  }

  get lockHoldMsMax(): number {
    return this.options.limits.lockHoldMsMax;
  }

  /** The time that the application's writers get between two pieces of work. */
  gap(): Promise<void> {
    return this.file.gap();
  }

  /** Aborts when nothing more is to be done on the file. */
  get stopSignal(): AbortSignal {
    return this.file.stopSignal;
  }

  /** Keeps how a comparison with a peer ended, if it came to an end. */
  async noteVerified({ name, equal, differencesTotal }: VerifiedPeer, isWhole: boolean): Promise<void> {
    if (equal === null || this.stopSignal.aborted) return;
    await this.file.run(() => this.replica.noteVerification(name, differencesTotal, isWhole));
  }

  /** Who asks, when this node compares its rows with a peer's. */
  get asker(): Asker {
    const { dataset, node } = this.replica;
    return { database: this.name, dataset, node };
  }

  /** Steps that each take the write lock for a bounded time; between two of them others have their turn. */
  runSteps(step: () => { readonly more: boolean }): Promise<void> {
    return this.file.runSteps(step);
  }

  /** What this node says of itself to a peer. */
  async hello(): Promise<Hello> {
    this.migration.assertNotHeld();
    return this.file.run(() => this.replica.hello(this.name));
  }

  /** Throws why nothing can be exchanged with this peer, if so. */
  greet(peer: Hello): Promise<void> {
    return this.greetings.peer(peer);
  }

  /**
   * What is here to be shipped that the peer lacks. Only what has been folded counts; and while one of the two is catching
   * up, nothing: this node then claims nothing, and the peer is already taking in what it lacks, unless it waits for it. Nor
   * while the rules change: then nobody joins anything.
   */
  surplusOver(peer: Hello): Surplus {
    const isBusy = this.gate.isShut || this.replica.isCatchingUp || peer.catchingUp === 'applying';
    if (this.migration.isHeld || isBusy) return 'nothing';
    if (this.replica.rules.underWay !== null || peer.ruleChange !== null) return 'nothing';
    return this.replica.surplusOver(peer);
  }

  /** What a read-only member has written stays with it. */
  passage(peer: string): Passage {
    const { replica } = this;
    return { ships: !replica.isReadOnly, takes: replica.takesFrom(peer) };
  }

  /** All that the peer lacks, to be sent with sendCut, which closes it. */
  openCut(peer: Hello): LockedCut {
    this.migration.assertNotHeld();
    const cut = this.replica.openCut(peer);
    return this.gate.track({
      wireVersion: cut.wireVersion,
      next: () => this.file.run(() => cut.next()),
      end: () => cut.end(),
      close: () => cut.close(),
    });
  }

  /** Begins to stage a stream. */
  receive(): StreamReceiver {
    return this.stages.receive((error) => this.noteTrouble(error));
  }

  /** Applies a stage after those before it, and removes it. Its sender has been greeted when it began to come. */
  async apply(stage: StreamStage, onProgress?: ApplyProgress): Promise<void> {
    this.migration.assertNotHeld();
    const apply = () => this.queue.apply(stage, onProgress);
    try {
      await (this.isLarge(stage) ? this.gate.whileShut(apply) : apply());
      this.upkeep.note('apply', null);
    } catch (error) {
      this.noteTrouble(error);
      // If it is half applied now.
      this.upkeep.resuming.request();
      throw error;
    } finally {
      this.upkeep.settling.request();
      this.tellAdvanced();
    }
  }

  /** How long the step of an apply that is under way has lasted; 0: none is. */
  get applyStillMs(): number {
    return this.queue.stillMs;
  }

  /** What is this machine's own trouble, and no peer's, is a problem of the database's until something could be applied. */
  private noteTrouble(error: unknown): void {
    const trouble = ownTrouble(error);
    if (trouble !== null) this.upkeep.note('apply', trouble);
  }

  private async settle(): Promise<void> {
    let hasNews = false;
    await this.file.runSteps(() => {
      const wasCatchingUp = this.replica.isCatchingUp;
      const step = this.replica.settle();
      if (wasCatchingUp && !this.replica.isCatchingUp) this.logger.warn(CATCH_UP_LOST);
      hasNews ||= step.hasNews;
      return step;
    });
    if (hasNews) this.tellAdvanced();
  }

  private async resume(): Promise<void> {
    await this.queue.resume();
    this.tellAdvanced();
  }

  /** Goes in part by part: until the last, this node may not ship. */
  private isLarge(stage: StreamStage): boolean {
    const { applyTransactionRowsMax, applyTransactionBytesMax } = this.options.limits;
    return stage.rows > applyTransactionRowsMax || stage.bytes > applyTransactionBytesMax;
  }

  /** Makes a node a member of the data set, before its snapshot is cut. */
  async admit(...who: Parameters<Replica['admitMember']>): Promise<void> {
    await this.file.run(() => this.replica.admitMember(...who));
    await this.fold();
  }

  /** Takes note of what a peer says it has. */
  acknowledge(peer: Hello): void {
    this.replica.acknowledge(peer);
    this.upkeep.settling.request();
  }

  /** Folds what the application has committed so far. Tells in any case: a cut may have folded before. */
  async fold(): Promise<void> {
    await this.file.runSteps(() => this.replica.fold());
    // A table may be gone.
    this.upkeep.settling.request();
    if (!this.stopSignal.aborted) this.upkeep.foldIn(this.replica.foldDueInMs);
    this.tellAdvanced();
  }

  /** The same, but not for longer than this. Says whether all is folded. */
  async foldWithin(ms: number): Promise<boolean> {
    const untilMs = performance.now() + ms;
    let more = true;
    while (more && performance.now() < untilMs) {
      more = (await this.file.run(() => this.replica.fold())).more;
      if (more) await this.file.gap();
    }
    this.tellAdvanced();
    return !more;
  }

  /** Calls back whenever this node may have something new for its peers. Returns how to stop that. */
  onAdvanced(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Calls back whenever a stage is in. */
  onApplied(listener: (applied: AppliedStage) => void): void {
    this.appliedListeners.push(listener);
  }

  /** What keeps this database from going on as it should, by job. */
  get openProblems(): readonly OpenProblem[] {
    return [...this.upkeep.openProblems, ...this.migration.problems];
  }

  /**
   * What this node can say of itself; while it is held, as it was before. Throws `database-locked` soon: who asks how
   * things are is not to wait for them to change.
   */
  async status(): Promise<ReplicaStatus> {
    return this.migration.status ?? (await this.readStatus());
  }

  private async readStatus(): Promise<ReplicaStatus> {
    return (await runSlices(this.file, () => this.replica.statusInSlices(), STATUS_WAIT_MS)).value;
  }

  /** Reads in slices, between which everything else has its turn. */
  async readSlices<Result>(begin: () => Slices<Result>): Promise<Result> {
    return (await runSlices(this.file, begin)).value;
  }

  /** The same, and what a look at the file tells besides. */
  figures(): Promise<SlicedReading<DatabaseFigures>> {
    return runSlices(this.file, () => readFigures(this.replica, this.handles.reader));
  }

  /** The rules may be others by now: what they say of tables is done soon, and peers hear of them. */
  tellRules(): void {
    this.upkeep.folding.request();
    this.tellAdvanced();
  }

  /** This node may have something new for its peers. */
  tellAdvanced(): void {
    for (const listener of this.listeners) listener();
  }
}
