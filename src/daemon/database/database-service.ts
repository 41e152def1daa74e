/**
 * One database in the daemon: its file's handles and lock, its replica, and the jobs that keep it going. Commits of the
 * application are folded as they are seen; whoever ships to peers hears of it through `onAdvanced`. Everything here runs
 * on one event loop, and each piece of it is short.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Limits } from '../../config-limits.js';
import { SqlsyncError } from '../../errors.js';
import { HLC_PER_MS } from '../../replication/hlc.js';
import { Replica, type Surplus } from '../../replication/replica.js';
import type { ReplicaStatus } from '../../replication/replica-status.js';
import type { Hello } from '../../replication/wire-messages.js';
import { ChangeWatcher } from '../file/change-watcher.js';
import { databaseError } from '../file/database-error.js';
import { DatabaseLock } from '../file/database-lock.js';
import { LockedFile, replacedError } from '../file/locked-file.js';
import { checkDatabaseFile, type DatabaseHandles, openDatabase } from '../file/open-database.js';
import { SideDirectory } from '../file/side-directory.js';
import type { LockedCut } from '../stream/send-stream.js';
import type { StreamStage } from '../stream/stage.js';
import { StageStore, type StreamReceiver } from '../stream/stage-store.js';
import { CoalescedJob } from '../timing/coalesced-job.js';
import { type ApplyProgress, ApplyQueue } from './apply-queue.js';

export interface DatabaseServiceOptions {
  /** The database's name in the data set's configuration. */
  readonly name: string;
  readonly path: string;
  readonly limits: Limits;
  readonly logger: Logger;
  /** A bug, or a file that is no longer the one that was opened: the daemon must stop. */
  readonly onFatal: (error: unknown) => void;
}

/** After a fold the next waits so long: a busy application is folded in batches. */
const FOLD_GAP_MS = 3;
/** Settling saves space and writes down what peers have acknowledged; no one waits for either. */
const SETTLE_GAP_MS = 5_000;

const clock = { nowMs: () => Date.now() };
const random = { hex: (bytes: number) => randomBytes(bytes).toString('hex') };

export class DatabaseService {
  readonly name: string;
  readonly replica: Replica;
  private readonly file: LockedFile;
  private readonly stages: StageStore;
  private readonly queue: ApplyQueue;
  private readonly folding: CoalescedJob;
  private readonly settling: CoalescedJob;
  private readonly resuming: CoalescedJob;
  private readonly pruning: CoalescedJob;
  private keepLogMs = Number.POSITIVE_INFINITY;
  private readonly listeners = new Set<() => void>();
  private readonly problems = new Map<string, SqlsyncError>();
  private watcher: ChangeWatcher | null = null;

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
    const { limits } = options;
    this.name = options.name;
    const { writer, reader, install } = handles;
    this.replica = Replica.open({ writer, reader, install, clock, random, limits });
    this.stages = new StageStore(side, limits, random);
    this.file = new LockedFile(handles.path, limits);
    this.queue = new ApplyQueue({ replica: this.replica, stages: this.stages, file: this.file });
    this.folding = this.job('fold', () => this.foldAndTell(), FOLD_GAP_MS);
    this.settling = this.job('settle', () => this.file.runSteps(() => this.replica.settle()), SETTLE_GAP_MS);
    this.resuming = this.job('catch up', () => this.queue.resume());
    this.pruning = this.job('prune', () => this.pruneLog());
  }

  /**
   * Takes the file's lock and opens it. Throws the registry's errors: database-in-use, database-missing …,
   * database-not-initialised, format-newer, private-schema-unavailable.
   */
  static open(options: DatabaseServiceOptions): DatabaseService {
    const side = SideDirectory.open(checkDatabaseFile(options.path));
    const lock = DatabaseLock.take(side, new Date());
    let handles: DatabaseHandles | undefined;
    try {
      handles = openDatabase(options.path);
      const service = new DatabaseService(options, side, lock, handles);
      side.removeLeftovers(service.replica.status().catchUp?.stageId ?? null);
      return service;
    } catch (error) {
      handles?.close();
      lock.release();
      throw databaseError(error, options.path);
    }
  }

  /** Begins to follow the application's commits, and goes on with what an earlier run left half done. */
  start(): void {
    this.watcher = new ChangeWatcher({
      path: this.handles.path,
      db: this.handles.watch,
      pollMs: this.options.limits.pollMs,
      onCommitted: () => this.folding.request(),
      onReplaced: () => this.options.onFatal(replacedError(this.handles.path)),
      onEventsLost: (error) => this.noteProblem('watch', eventsLost(this.handles.path, error)),
    });
    this.folding.request();
    this.resuming.request();
    this.settling.request();
  }

  /** Finishes the step under way, writes down what is worth it, and lets go of the file. */
  async stop(): Promise<void> {
    this.file.stop();
    await this.watcher?.close();
    await this.queue.idle();
    await Promise.all([this.folding, this.settling, this.resuming, this.pruning].map((job) => job.stop()));
    try {
      await this.file.run(() => this.replica.close());
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

  /** What this node says of itself to a peer. */
  hello(): Promise<Hello> {
    return this.file.run(() => this.replica.hello(this.name));
  }

  /** Throws why nothing can be exchanged with this peer, if so. */
  async greet(peer: Hello): Promise<void> {
    const mine = await this.hello();
    const refusal = this.replica.checkPeer(mine, peer);
    if (refusal === null) return;
    const { code, message, hint } = refusal;
    throw new SqlsyncError(code, message, hint === null ? {} : { hint });
  }

  /** What is here that the peer lacks. Only what has been folded counts. */
  surplusOver(peer: Hello): Surplus {
    return this.replica.surplusOver(peer);
  }

  /** All that the peer lacks, to be sent with sendCut. */
  openCut(peer: Hello): LockedCut {
    const cut = this.replica.openCut(peer);
    return { next: () => this.file.run(() => cut.next()), end: () => cut.end(), close: () => cut.close() };
  }

  /** Begins to stage a stream. */
  receive(): StreamReceiver {
    return this.stages.receive();
  }

  /** Applies a stage after those before it, and removes it. Its sender has been greeted when it began to come. */
  async apply(stage: StreamStage, onProgress?: ApplyProgress): Promise<void> {
    try {
      await this.queue.apply(stage, onProgress);
    } catch (error) {
      this.resuming.request();
      throw error;
    }
    this.settling.request();
    this.tell();
  }

  /** Makes a node a member of the data set, before its snapshot is cut. */
  async admit(member: Parameters<Replica['admitMember']>[0]): Promise<void> {
    await this.file.run(() => this.replica.admitMember(member));
    await this.fold();
  }

  /** Takes note of what a peer says it has. */
  acknowledge(peer: Hello): void {
    this.replica.acknowledge(peer);
    this.settling.request();
  }

  /** Folds what the application has committed so far. */
  async fold(): Promise<void> {
    await this.file.runSteps(() => this.replica.fold());
    this.tell();
  }

  /** Has log entries removed that are folded and older than `keepMs`. */
  requestPrune(keepMs: number): void {
    this.keepLogMs = keepMs;
    this.pruning.request();
  }

  /** Calls back whenever this node may have something new for its peers. Returns how to stop that. */
  onAdvanced(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** What keeps this database from going on as it should, by job. */
  get openProblems(): readonly SqlsyncError[] {
    return [...this.problems.values()];
  }

  status(): Promise<ReplicaStatus> {
    return this.file.run(() => this.replica.status());
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }

  private async foldAndTell(): Promise<void> {
    // This process's own commits wake the watcher too.
    if (await this.file.run(() => this.replica.hasUnfolded())) await this.fold();
  }

  private async pruneLog(): Promise<void> {
    const olderThanHlc = (clock.nowMs() - this.keepLogMs) * HLC_PER_MS;
    await this.file.runSteps(() => this.replica.pruneLog(olderThanHlc));
  }

  private job(name: string, run: () => Promise<void>, gapMs = 0): CoalescedJob {
    const { retryMsMin, retryMsMax } = this.options.limits;
    return new CoalescedJob({
      run,
      gapMs,
      retryMsMin,
      retryMsMax,
      onProblem: (error) => this.noteProblem(name, error),
      onBug: this.options.onFatal,
    });
  }

  /** A problem is told when it comes, when it changes and when it goes. */
  private noteProblem(job: string, error: SqlsyncError | null): void {
    if (this.file.stopSignal.aborted) return;
    const before = this.problems.get(job);
    if (error === null) this.problems.delete(job);
    else this.problems.set(job, error);
    if (before?.code === error?.code) return;
    const log = this.options.logger.child({ database: this.name, job });
    if (error === null) log.info('goes on');
    else log.warn({ code: error.code, hint: error.hint }, error.message);
  }
}

function eventsLost(path: string, cause: unknown): SqlsyncError {
  return new SqlsyncError('disk-io', `changes of ${path} are only noticed by polling: ${(cause as Error).message}`, {
    hint: 'raise fs.inotify.max_user_watches (sysctl)',
    cause,
  });
}
