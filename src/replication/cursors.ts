/** How far this node has read in its peers' arrival orders. A cursor is good for one session of the peer's only. */
import type { Database, Statement } from 'better-sqlite3';
import { PREFIX } from './metadata-schema.js';
import { nodeOf } from './version-vector.js';

export class Cursors {
  private bySession = new Map<string, number>();
  private isSaved = true;
  private readonly select: Statement<[], { session: string; arrival: number }>;
  private readonly upsert: Statement<[string, number]>;
  private readonly removeAll: Statement<[]>;

  constructor(db: Database) {
    this.select = db.prepare(`SELECT session, arrival FROM ${PREFIX}cursor`);
    this.upsert = db.prepare(`INSERT INTO ${PREFIX}cursor(session, arrival) VALUES(?, ?)`);
    this.removeAll = db.prepare(`DELETE FROM ${PREFIX}cursor`);
    for (const { session, arrival } of this.select.all()) this.bySession.set(session, arrival);
  }

  /** Keeps what memory holds, and returns how to put it back when the transaction is rolled back. */
  remember(): () => void {
    const { isSaved } = this;
    const bySession = new Map(this.bySession);
    return () => Object.assign(this, { isSaved, bySession });
  }

  /** Null: nothing has been read of that session. */
  get(session: string | null): number | null {
    return session === null ? null : (this.bySession.get(session) ?? null);
  }

  /** The peer's earlier sessions are over: their cursors go. Kept in memory until `save`. */
  set(session: string, arrival: number): void {
    if (this.bySession.get(session) === arrival) return;
    for (const other of this.bySession.keys()) if (nodeOf(other) === nodeOf(session)) this.bySession.delete(other);
    this.bySession.set(session, arrival);
    this.isSaved = false;
  }

  get hasUnsaved(): boolean {
    return !this.isSaved;
  }

  /** Writes the cursors down, inside the caller's transaction. */
  save(): void {
    if (this.isSaved) return;
    this.removeAll.run();
    for (const [session, arrival] of this.bySession) this.upsert.run(session, arrival);
    this.isSaved = true;
  }

  toJson(): Record<string, number> {
    return Object.fromEntries(this.bySession);
  }
}
