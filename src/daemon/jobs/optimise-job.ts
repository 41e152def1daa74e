/**
 * Has SQLite bring its statistics up to date, by which it plans queries (https://sqlite.org/lang_analyze.html). It writes
 * to the application's file, so it is only done where somebody has asked for it; the limit keeps it short.
 */
import Sqlite from 'better-sqlite3';
import type { DatabaseService } from '../database/database-service.js';
import { BUSY_TIMEOUT_MS } from '../file/open-database.js';
import type { Job } from './job.js';

/** Rows of an index that are looked at. */
const ANALYSIS_ROWS_MAX = 400;
/** Tables too that this connection has not queried (https://sqlite.org/pragma.html#pragma_optimize). */
const ALL_TABLES = 0x10002;

export function optimiseJob(schedule: string): Job {
  return {
    kind: 'optimise',
    schedule,
    run: async (service) => {
      await service.work(() => optimise(service));
      return { says: 'statistics are up to date', detail: null };
    },
  };
}

function optimise({ path }: DatabaseService): void {
  const db = new Sqlite(path, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  try {
    db.pragma(`analysis_limit = ${ANALYSIS_ROWS_MAX}`);
    db.pragma(`optimize = ${ALL_TABLES}`);
  } finally {
    db.close();
  }
}
