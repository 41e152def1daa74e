/**
 * Capture put back after a migration during which tables were watched: registry, metadata and triggers follow what has
 * become of them. What was written meanwhile is then to be found in the tables that are marked as touched.
 */
import type { Database } from 'better-sqlite3';
import { type InstallResult, installCapture } from './install-capture.js';
import { PREFIX } from './metadata-schema.js';
import { keepTouched, markTouched, readWatch, type WatchedTable } from './migration-watch.js';
import type { CapturePlan } from './plan-capture.js';
import { readRegistryEntries } from './registry.js';

export interface RestoreOptions {
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** Old name → new name of columns that were renamed in tables which were made anew, by the table's number. */
  readonly renamed?: ReadonlyMap<number, ReadonlyMap<string, string>>;
}

export interface RestoreResult extends InstallResult {
  /** As they were found. */
  readonly watched: readonly WatchedTable[];
}

/** In one transaction on an ordinary connection, or within the caller's. */
export function restoreCapture(db: Database, plan: CapturePlan, { nowMs, renamed }: RestoreOptions): RestoreResult {
  return db
    .transaction(() => {
      const watched = readWatch(db);
      for (const { id, renamed: seen } of watched)
        renameColumns(db, id, new Map([...seen, ...(renamed?.get(id) ?? [])]));
      markTouched(
        db,
        watched.filter(({ nameNow }) => nameNow === null).map(({ id }) => id),
      );
      const result = installCapture(db, plan, { nowMs, facts: {} });
      keepTouched(db);
      return { watched, ...result };
    })
    .immediate();
}

/** A column that was renamed keeps its number, and with it what log and metadata say of it. */
function renameColumns(db: Database, id: number, renamed: ReadonlyMap<string, string>): void {
  const entry = readRegistryEntries(db).find((one) => one.id === id);
  if (entry === undefined || renamed.size === 0) return;
  const columns = entry.columns.map((name) => (name === null ? null : (renamed.get(name) ?? name)));
  db.prepare(`UPDATE ${PREFIX}table SET columns = ? WHERE id = ?`).run(JSON.stringify(columns), BigInt(id));
}

/** Tables of which nobody knows what was written to them while they were watched; by the names that they have now. */
export function suspectTables(watched: readonly WatchedTable[]): string[] {
  return watched
    .filter(({ touched, nameNow }) => touched || nameNow === null)
    .map(({ name, nameNow }) => nameNow ?? name);
}
