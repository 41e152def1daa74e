/**
 * What a file was before its application's migration, for as long as it is needed to compare. In WAL mode a reader pins
 * it, which costs nothing and is in nobody's way; in rollback mode a reader would keep everybody from committing, so the
 * file is copied.
 */
import { rmSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { renderBytes } from '../render-figures.js';
import { BEFORE } from '../replication/table-differences.js';
import type { DatabaseFiles } from './database-files.js';

/** Pages copied in one go, between which this process looks up. */
const COPY_PAGES = 5_000;
/** Rows compared at a time where no reader may stay open. */
const PAGE_ROWS = 5_000;

export class MigrationImage {
  /** Two connections that read the file as it was as `before`: what one has read of the file as it is, it goes on reading. */
  readonly probe: Database;
  readonly compare: Database;
  /** Rows to be read at a time; null: as many as there are. */
  readonly pageRows: number | null;
  private readonly isPinned: boolean;

  /** @param copyPath where a copy can stand; what is left there goes */
  constructor(
    private readonly path: string,
    private readonly copyPath: string,
    files: Pick<DatabaseFiles, 'open'>,
  ) {
    this.probe = files.open(path);
    this.compare = files.open(path);
    this.isPinned = this.probe.pragma('journal_mode', { simple: true }) === 'wal';
    this.pageRows = this.isPinned ? null : PAGE_ROWS;
    if (!this.isPinned) this.assertRoom();
  }

  /** Takes the image. While the caller holds the file's write lock and has not written yet. */
  async take(): Promise<void> {
    if (!this.isPinned) {
      rmSync(this.copyPath, { force: true });
      await this.probe.backup(this.copyPath, { progress: () => COPY_PAGES });
    }
    for (const db of [this.probe, this.compare]) {
      db.prepare(`ATTACH ? AS ${BEFORE}`).run(this.isPinned ? this.path : this.copyPath);
      if (!this.isPinned) continue;
      db.exec('BEGIN');
      db.prepare(`SELECT 1 FROM ${BEFORE}.sqlite_schema`).get();
    }
  }

  close(): void {
    this.probe.close();
    this.compare.close();
    for (const ending of ['', '-wal', '-shm', '-journal']) rmSync(this.copyPath + ending, { force: true });
  }

  private assertRoom(): void {
    const { bavail, bsize } = statfsSync(dirname(this.path));
    const { size } = statSync(this.path);
    if (bavail * bsize > size) return;
    throw new SqlsyncError(
      'disk-full',
      `a copy of ${this.path} takes ${renderBytes(size)}, and ${renderBytes(bavail * bsize)} are free`,
      {
        hint: 'free some; in WAL mode no copy is needed',
      },
    );
  }
}
