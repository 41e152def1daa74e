/**
 * SQLite begins a write-ahead log anew when all of it is in the file by the time of the next write. An application that
 * writes without a pause leaves no moment for a fold but that of its own checkpoint, and what is written just then that
 * checkpoint leaves out: every time, and the log grows without end. So a fold waits for the checkpoint, where that helps:
 * the application may as well have switched its checkpoints off, or a reader keep them back.
 */
import type { Database } from 'better-sqlite3';
import type { LockedFile } from '../file/locked-file.js';

/** SQLite checkpoints at a thousand frames unless an application says otherwise; that many are no sign of anything. */
const FRAMES_LEFT_MAX = 2_000;
const WAIT_MS_MAX = 1_000;
/** Having waited in vain, nobody waits for so long. */
const GIVEN_UP_MS = 30_000;

export class CheckpointPatience {
  private givenUpUntilMs = 0;

  /** @param db in no transaction */
  constructor(
    private readonly db: Database,
    private readonly file: Pick<LockedFile, 'run' | 'gap'>,
  ) {}

  /** Resolves when no checkpoint seems to be under way. Throws what a look at the file can meet, as LockedFile.run does. */
  async wait(): Promise<void> {
    const startedMs = performance.now();
    if (startedMs < this.givenUpUntilMs) return;
    while ((await this.file.run(() => framesLeft(this.db))) > FRAMES_LEFT_MAX) {
      const nowMs = performance.now();
      if (nowMs - startedMs >= WAIT_MS_MAX) {
        this.givenUpUntilMs = nowMs + GIVEN_UP_MS;
        return;
      }
      await this.file.gap();
    }
  }
}

/** Frames of the log that are not in the file yet. NOOP reads the figures and moves no page. */
function framesLeft(db: Database): number {
  const [row] = db.pragma('wal_checkpoint(NOOP)') as { log: number; checkpointed: number }[];
  return row === undefined ? 0 : row.log - row.checkpointed;
}
