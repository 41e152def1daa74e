/** An operator at a node of an engine cluster: looks at its conflicts and decides about them, beside its daemon. */
import { randomBytes } from 'node:crypto';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { ConflictInbox } from '../../src/replication/conflict-inbox.js';
import type { RecordedConflict } from '../../src/replication/recorded-conflict.js';
import { ResolutionRun, type ResolutionRunOptions } from '../../src/replication/resolution-run.js';
import type { Decision, ResolutionOutcome } from '../../src/replication/resolve-conflict.js';
import type { EngineNode } from './engine-node.js';

export class Operator {
  constructor(private readonly node: EngineNode) {}

  conflicts(): RecordedConflict[] {
    return this.withFile((db) => new ConflictInbox(db).page({}, null, 1_000));
  }

  /** The only conflict there is. */
  conflict(): RecordedConflict {
    const [only, ...others] = this.conflicts();
    if (only === undefined || others.length > 0) throw new Error(`${others.length + 1} conflicts, or none`);
    return only;
  }

  /** Decides about the only conflict there is. */
  resolve(decision: Decision, options: Partial<ResolutionRunOptions> = {}): ResolutionOutcome {
    const [outcome] = this.resolveAll([this.conflict().id], decision, options);
    return outcome as ResolutionOutcome;
  }

  resolveAll(
    ids: readonly string[],
    decision: Decision,
    options: Partial<ResolutionRunOptions> = {},
  ): readonly ResolutionOutcome[] {
    const run = new ResolutionRun(ids, {
      node: this.node.name,
      operator: 'ann',
      clock: { nowMs: () => Date.now() },
      newId: () => randomBytes(16).toString('hex'),
      decision,
      force: false,
      leaveDecided: false,
      dryRun: false,
      lockHoldMsMax: 100,
      atEnd: () => {},
      ...options,
    });
    this.withFile((db) => {
      while (!run.isDone) run.step(db);
    });
    return run.outcomes;
  }

  private withFile<Result>(work: (db: Database) => Result): Result {
    const db = new SqliteDatabase(this.node.path, { timeout: 5_000 });
    try {
      return work(db);
    } finally {
      db.close();
    }
  }
}

/** Runs until the clock has moved on: what is written next is later than what was written before, on whatever node. */
export function passMillisecond(): void {
  const now = Date.now();
  while (Date.now() <= now + 1);
}
