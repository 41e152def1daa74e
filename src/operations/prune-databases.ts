/**
 * What of the history can go, who holds the rest, and removing it: by the daemon that serves the file, or by this process.
 * The room that becomes free stays in the file until it is vacuumed.
 */
import type { DatabaseConfig } from '../config.js';
import { assertInitialised } from './assert-initialised.js';
import type { DatabaseFiles } from './database-files.js';
import { findAnyDaemon } from './find-any-daemon.js';
import type { FindDaemon, PrunedHistory, PruneOrder } from './running-daemon.js';

export interface PruneDeps {
  readonly files: DatabaseFiles;
  readonly findDaemon: FindDaemon;
  /** Prunes by this process, which takes the files' locks for it. */
  readonly pruneOnce: (databases: readonly DatabaseConfig[], order: PruneOrder) => Promise<PrunedHistory[]>;
}

export interface PruneReport {
  readonly database: string;
  readonly path: string;
  readonly dryRun: boolean;
  /** Members that were evicted, since they have been silent for longer than prune.peerTimeout. */
  readonly evicted: readonly string[];
  /** Members that have been silent for as long, and that this node may not evict alone. */
  readonly undecided: readonly string[];
  /** What went, or would go. Bytes are about right before they have gone. */
  readonly removed: HistoryReport;
  readonly left: HistoryReport & { readonly sessions: number };
  readonly holders: readonly HolderReport[];
  readonly fileBytes: number;
  /** Room in the file that is free for what is written next. */
  readonly freeBytes: number;
  /** What vacuuming gave back to the disk; null: it was not asked for. */
  readonly vacuumedBytes: number | null;
}

export interface HistoryReport {
  readonly logEntries: number;
  /** Rows with metadata. */
  readonly rows: number;
  readonly bytes: number;
}

export interface HolderReport {
  readonly member: string;
  readonly why: PrunedHistory['before']['holders'][number]['why'];
  readonly changes: number;
  readonly bytes: number;
  readonly lastHeardAt: string | null;
}

export async function pruneDatabases(
  databases: readonly DatabaseConfig[],
  order: PruneOrder & { readonly vacuum: boolean },
  deps: PruneDeps,
): Promise<PruneReport[]> {
  assertInitialised(databases, deps.files);
  const { vacuum, ...asked } = order;
  const daemon = await findAnyDaemon(databases, deps);
  const names = databases.map(({ name }) => name);
  const pruned = await (daemon === null ? deps.pruneOnce(databases, asked) : daemon.prune(names, asked));
  return pruned.map((history) => {
    const vacuumedBytes = vacuum && !order.dryRun ? vacuumFile(history.path, deps.files) : null;
    return reportOf(history, order.dryRun, vacuumedBytes);
  });
}

function reportOf(
  { database, path, before, after, evicted, undecided }: PrunedHistory,
  dryRun: boolean,
  vacuumedBytes: number | null,
): PruneReport {
  const now = after ?? before;
  const gone = (name: keyof HistoryReport) =>
    after === null ? before.removable[name] : Math.max(0, before.history[name] - after.history[name]);
  const left = (name: keyof HistoryReport) =>
    after === null ? before.history[name] - before.removable[name] : after.history[name];
  const fileBytes = now.fileBytes - (vacuumedBytes ?? 0);
  return {
    ...{ database, path, dryRun, evicted, undecided },
    removed: { logEntries: gone('logEntries'), rows: gone('rows'), bytes: gone('bytes') },
    left: { logEntries: left('logEntries'), rows: left('rows'), bytes: left('bytes'), sessions: now.history.sessions },
    holders: now.holders.map(({ lastHeardMs, ...holder }) => ({
      ...holder,
      lastHeardAt: lastHeardMs === null ? null : new Date(lastHeardMs).toISOString(),
    })),
    ...{ fileBytes, freeBytes: vacuumedBytes === null ? now.freeBytes : 0, vacuumedBytes },
  };
}

/** Bytes that the file has become smaller by. Applications wait meanwhile. */
function vacuumFile(path: string, files: DatabaseFiles): number {
  return files.withConnection(path, (db) => {
    const size = () =>
      (db.pragma('page_count', { simple: true }) as number) * (db.pragma('page_size', { simple: true }) as number);
    const before = size();
    db.exec('VACUUM');
    db.pragma('wal_checkpoint(TRUNCATE)');
    return before - size();
  });
}
