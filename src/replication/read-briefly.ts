/**
 * A brief look at one state of the file, whether all of it is folded or not. In WAL mode it takes no lock at all. In
 * rollback mode a reader would make the application's commit fail, so there the write lock is held instead, as it is for
 * a cut's slices: the caller keeps it short.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import type { Engine } from './engine.js';

const SCHEMA_TRIES_MAX = 20;

/** Does such a look keep writers out? */
export function isLookLocking({ options: { reader, writer } }: Engine): boolean {
  return reader === writer || reader.pragma('journal_mode', { simple: true }) !== 'wal';
}

export function readBriefly<Result>(engine: Engine, work: (db: Database) => Result): Result {
  const { reader } = engine.options;
  if (isLookLocking(engine)) return readLocked(engine, work);
  for (let tries = 0; tries < SCHEMA_TRIES_MAX; tries += 1) {
    reader.exec('BEGIN');
    try {
      if (reader.pragma('schema_version', { simple: true }) === engine.schemaVersion) return work(reader);
    } finally {
      reader.exec('COMMIT');
    }
    // Reads the new schema on the way.
    engine.openSnapshot().close();
  }
  throw new SqlsyncError('database-locked', 'the schema keeps changing', { hint: 'wait for the migration to end' });
}

function readLocked<Result>(engine: Engine, work: (db: Database) => Result): Result {
  const snapshot = engine.openSnapshot();
  try {
    return work(snapshot.db);
  } finally {
    snapshot.close();
  }
}
