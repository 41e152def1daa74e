/**
 * Capture after the application has changed its schema: a migration that rebuilt a table took its triggers along, one
 * that added a column made them blind to it. What can be put back is put back at once; what was written in between may
 * not have been recorded, and is remembered as a gap until somebody has compared the data.
 */
import type { Database } from 'better-sqlite3';
import { type CaptureInspection, inspectCapture } from './inspect-capture.js';
import { installCapture } from './install-capture.js';
import { isWatching } from './migration-watch.js';
import { type CapturePlan, planCapture } from './plan-capture.js';
import { isOurs } from './read-schema.js';
import { readRegistryEntries } from './registry.js';
import { restoreCapture, suspectTables } from './restore-capture.js';

/** Writes that may have gone unrecorded. Stored as JSON. */
export interface CaptureGap {
  /** Unix milliseconds: when it was found. */
  readonly since: number;
  /** The tables concerned. */
  readonly tables: readonly string[];
}

/** Tables whose triggers, columns or metadata are not as they should be. */
function damagedTables({ tables, hasLog }: CaptureInspection): string[] {
  const isDamaged = (table: CaptureInspection['tables'][number]) =>
    table.missing.length + table.changed.length > 0 || table.columnsChanged || !table.hasMetadata;
  return tables.filter((table) => !hasLog || isDamaged(table)).map((table) => table.name);
}

/** Has a captured table gone elsewhere with its triggers? They go on recording under its number. */
function hasRenamed({ lost, extra }: CaptureInspection): boolean {
  return lost.length > 0 && extra.length > 0;
}

/** The plan that only keeps up what is captured: whether to take new tables in is for the operator to say. */
function planForCaptured(db: Database, captured: ReadonlySet<string>): CapturePlan {
  const plan = planCapture(db, { include: [], exclude: [] });
  return { tables: plan.tables.filter((table) => captured.has(table.name)) };
}

/**
 * Puts the triggers of captured tables right, in a transaction of its own on an ordinary connection. Returns the tables
 * of which writes may have been missed; empty when all was as it should be. Throws SQLite's busy error.
 */
export function repairCapture(db: Database, nowMs: number): string[] {
  if (isWatching(db)) return endCutShort(db, nowMs);
  const inspection = inspectCapture(db);
  const damaged = damagedTables(inspection);
  if (damaged.length === 0 && !hasRenamed(inspection)) return [];
  const captured = new Set(inspection.tables.map((table) => table.name));
  const { repaired, logRecreated } = installCapture(db, planForCaptured(db, captured), { nowMs, facts: {} });
  return logRecreated ? damaged : [...repaired];
}

/**
 * A migration was cut short: nobody compares its tables any more. The watch goes on in name until what may be missing is
 * written down.
 */
function endCutShort(db: Database, nowMs: number): string[] {
  const captured = new Set(readRegistryEntries(db).map(({ name }) => name));
  const { watched, logRecreated } = restoreCapture(db, planForCaptured(db, captured), { nowMs });
  return logRecreated ? [...captured].filter((name) => !isOurs(name)) : suspectTables(watched);
}

/** The gap with more tables in it: it began when it was first found. */
export function widenGap(stored: string, tables: readonly string[], nowMs: number): string {
  const gap = stored === '' ? { since: nowMs, tables: [] } : (JSON.parse(stored) as CaptureGap);
  const all = [...new Set([...gap.tables, ...tables])].sort();
  return JSON.stringify({ since: gap.since, tables: all } satisfies CaptureGap);
}
