/**
 * The feed of one database's changes: a connection of its own that reads for all subscribers, each at its own place. It
 * is opened with the first subscriber and closed with the last.
 */
import Sqlite, { type Database } from 'better-sqlite3';
import { SqlsyncError } from '../../errors.js';
import { type ChangeEvent, ChangeFollower } from '../../operations/change-follower.js';
import type { ChangeQuery } from '../../operations/change-report.js';
import type { DatabaseService } from '../database/database-service.js';
import { databaseError } from '../file/database-error.js';

/** After a look at a file that the application kept locked. */
const LOCKED_AGAIN_MS = 50;
const CACHE_KIB = 500;

export type FeedQuery = ChangeQuery & { readonly from: string | null };

export class ChangeFeed {
  private db: Database | null = null;
  private subscribers = 0;

  constructor(private readonly service: DatabaseService) {}

  /** Batches of events until the signal aborts, then it returns. Throws `usage` for what cannot be asked. */
  async *subscribe({ from, ...query }: FeedQuery, signal: AbortSignal): AsyncGenerator<readonly ChangeEvent[]> {
    const news = new News(this.service, signal);
    const db = this.enter();
    try {
      const follower = new ChangeFollower(db, this.service.name, query, from);
      while (!signal.aborted) {
        const events = this.read(follower);
        if (events === null) {
          await news.wait(LOCKED_AGAIN_MS);
          continue;
        }
        if (events.length > 0) yield events;
        if (!follower.isBehind) await news.wait();
      }
    } finally {
      news.close();
      this.leave();
    }
  }

  /** Null: the file is locked just now. */
  private read(follower: ChangeFollower): readonly ChangeEvent[] | null {
    try {
      return follower.next();
    } catch (error) {
      const told = databaseError(error, this.service.path);
      if (told instanceof SqlsyncError && told.code === 'database-locked') return null;
      throw told;
    }
  }

  private enter(): Database {
    if (this.db === null) {
      this.db = new Sqlite(this.service.path, { fileMustExist: true, timeout: 0 });
      this.db.pragma('query_only = ON');
      this.db.pragma(`cache_size = -${CACHE_KIB}`);
    }
    this.subscribers += 1;
    return this.db;
  }

  private leave(): void {
    this.subscribers -= 1;
    if (this.subscribers > 0) return;
    this.db?.close();
    this.db = null;
  }
}

/** Word that something may be new, kept until somebody waits for it. */
class News {
  private isThere = false;
  private wake = () => {};
  private readonly stop: () => void;
  private readonly onAbort = () => this.tell();

  constructor(
    service: DatabaseService,
    private readonly signal: AbortSignal,
  ) {
    this.stop = service.onAdvanced(() => this.tell());
    signal.addEventListener('abort', this.onAbort);
  }

  private tell(): void {
    this.isThere = true;
    this.wake();
  }

  /** Returns at once if there has been word since the last wait. */
  async wait(msMax?: number): Promise<void> {
    if (!this.isThere) {
      await new Promise<void>((resolve) => {
        const timer = msMax === undefined ? null : setTimeout(resolve, msMax);
        this.wake = () => {
          if (timer !== null) clearTimeout(timer);
          resolve();
        };
      });
    }
    this.isThere = false;
  }

  close(): void {
    this.stop();
    this.signal.removeEventListener('abort', this.onAbort);
  }
}
