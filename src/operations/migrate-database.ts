/**
 * Runs an application's own migration on a file that replicates: sqlsync keeps off it, its triggers are lifted, the command
 * runs, the triggers are put back, and what was written in between becomes this node's own writes. Whatever happens to
 * the command, the triggers are put back; if this process itself is killed, by whoever opens the file next.
 */
import type { Database } from 'better-sqlite3';
import type { Limits } from '../config-limits.js';
import { SqlsyncError } from '../errors.js';
import {
  endMigration,
  liftCapture,
  type MigrationEnd,
  type MigrationStart,
  putBackCapture,
} from '../replication/application-migration.js';
import { shellWord } from '../shell-word.js';
import { enterMigration } from './enter-migration.js';
import type { Machine } from './machine.js';
import { MigrationImage } from './migration-image.js';
import type { MigrationReport, TableReport } from './migration-report.js';
import { findNodesBehind } from './nodes-behind.js';
import { type Operation, operationRecord } from './record-operation.js';
import type { FindDaemon } from './running-daemon.js';

/** A file that sqlsync keeps off, but for this process. */
export interface FileHold {
  /** Null: no daemon served the file, and none can start. */
  readonly daemonPid: number | null;
  /** Where a copy of the file can stand, beside it. */
  readonly scratchPath: string;
  /** What has been kept from working on the file goes on. */
  release(): Promise<void>;
}

export interface CommandExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

export interface MigrationRequest {
  /** Its name in the configuration, or one made of its path. */
  readonly database: string;
  readonly path: string;
  readonly node: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** Compare tables that nobody was seen to write to as well. */
  readonly all: boolean;
}

export interface MigrateDeps extends Pick<Machine, 'files' | 'now' | 'random' | 'operator'> {
  readonly findDaemon: FindDaemon;
  readonly limits: Limits;
  readonly hold: () => Promise<FileHold>;
  /** Runs the command to its end. Throws `usage` when it cannot be run. */
  readonly run: (command: readonly string[]) => Promise<CommandExit>;
  readonly onPhase: (phase: 'holding' | 'running' | 'comparing') => void;
  readonly onProgress: (table: string, rows: number) => void;
}

/** How often the triggers are tried to be put back, should somebody have the file locked for longer than a connection waits. */
const PUT_BACK_TRIES_MAX = 12;

export async function migrateDatabase(request: MigrationRequest, deps: MigrateDeps): Promise<MigrationReport> {
  deps.onPhase('holding');
  const hold = await deps.hold();
  let outcome: Outcome;
  try {
    outcome = await deps.files.withErrors(request.path, () => migrateHeld(request, hold, deps));
  } finally {
    await hold.release();
  }
  const { start, end, exit, tables } = outcome;
  const schemaChanged = start.schemaHash !== end.schemaHash;
  return {
    database: request.database,
    path: request.path,
    daemon: hold.daemonPid,
    ...exit,
    tables,
    refused: end.refused,
    schemaChanged,
    behind: schemaChanged ? await findNodesBehind(request.path, end.schemaHash, deps) : [],
  };
}

interface Outcome {
  readonly start: MigrationStart;
  readonly end: MigrationEnd;
  readonly exit: CommandExit;
  readonly tables: readonly TableReport[];
}

async function migrateHeld(request: MigrationRequest, hold: FileHold, deps: MigrateDeps): Promise<Outcome> {
  const { files, onPhase } = deps;
  const image = new MigrationImage(files.locate(request.path), hold.scratchPath, files);
  const db = files.open(request.path);
  try {
    const start = await lift(db, image, request.path);
    onPhase('running');
    // Whatever becomes of the command, what follows comes first.
    const ran = await deps.run(request.command).then(
      (exit) => ({ exit }),
      (failure: unknown) => ({ failure }),
    );
    onPhase('comparing');
    const end = putBack(db, start, image, request, deps);
    const tables = await enterMigration(end, { db, image, limits: deps.limits, onProgress: deps.onProgress });
    const operation = operationOf(request, 'exit' in ran ? ran.exit : null, tables);
    endMigration(db, operationRecord(request.node, operation, deps), deps.now().getTime());
    if ('failure' in ran) throw ran.failure;
    return { start, end, exit: ran.exit, tables };
  } finally {
    image.close();
    db.close();
  }
}

/** From the moment that the image shows, all that is written is found by comparing. */
async function lift(db: Database, image: MigrationImage, path: string): Promise<MigrationStart> {
  try {
    db.exec('BEGIN IMMEDIATE');
    await image.take();
    const start = liftCapture(db);
    db.exec('COMMIT');
    return start;
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    throw isBusy(error) ? locked(path, error) : error;
  }
}

function putBack(
  db: Database,
  start: MigrationStart,
  { probe }: MigrationImage,
  { path, all }: MigrationRequest,
  { now }: MigrateDeps,
): MigrationEnd {
  for (let tries = 1; ; tries += 1) {
    try {
      const end = putBackCapture(db, { start, probe, all, nowMs: () => now().getTime() });
      if (end !== null) return end;
      throw new SqlsyncError(
        'coverage-unknown',
        `somebody has put the triggers of ${path} back before the migration was over`,
        {
          hint: 'what is not known to be recorded is in `sqlsync status`: compare it with another node',
        },
      );
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (tries === PUT_BACK_TRIES_MAX) throw notPutBack(path, error);
    }
  }
}

/** The command's arguments may hold secrets: its name has to do. */
function operationOf(
  { database, command }: MigrationRequest,
  exit: CommandExit | null,
  tables: readonly TableReport[],
): Operation {
  const written = tables.filter(({ fate }) => fate !== 'untouched');
  return {
    command: `migrate ${shellWord(database)} -- ${shellWord(command[0] ?? '')}`,
    detail: { exit, tables: written },
  };
}

function isBusy(error: unknown): boolean {
  return String((error as { code?: unknown } | null)?.code).startsWith('SQLITE_BUSY');
}

function locked(path: string, cause: unknown): SqlsyncError {
  return new SqlsyncError('database-locked', `${path} is locked by another program; nothing was changed`, {
    hint: 'try again; find who holds it with `fuser`',
    cause,
  });
}

function notPutBack(path: string, cause: unknown): SqlsyncError {
  return new SqlsyncError('database-locked', `${path} is locked by another program: the triggers are not back yet`, {
    hint: `end that program; then \`sqlsync init ${shellWord(path)}\` or a daemon puts them back, and says what may be missing`,
    cause,
  });
}
