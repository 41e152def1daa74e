/**
 * Capture after the application has changed its schema: a migration that rebuilt a table took its triggers along, one
 * that added a column made them blind to it. What can be put back is put back at once; what was written in between may
 * not have been recorded, and is remembered as a gap until somebody has compared the data.
 */
import type { Database } from 'better-sqlite3';
import { enterExistingRows } from './existing-rows.js';
import { type CaptureInspection, inspectCapture } from './inspect-capture.js';
import { installCapture } from './install-capture.js';
import { PREFIX } from './metadata-schema.js';
import { isWatching } from './migration-watch.js';
import { isPassing, type NewTables } from './new-tables.js';
import { type CapturePlan, type PlannedTable, planCapture } from './plan-capture.js';
import { isOurs } from './read-schema.js';
import { readRegistryEntries } from './registry.js';
import { readLeaving } from './release-tables.js';
import { restoreCapture, suspectTables } from './restore-capture.js';

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

/** The plan that keeps up what is captured, and decides about new tables by the rules: one that is refused stays undecided. */
function planFor(db: Database, captured: ReadonlySet<string>, added: ReadonlySet<string> = new Set()): CapturePlan {
  const { tables } = planCapture(db, { include: [], exclude: [] });
  const isMeant = ({ name, status }: PlannedTable) => captured.has(name) || (added.has(name) && status !== 'refused');
  return { tables: tables.filter(isMeant) };
}

/**
 * Puts the triggers of captured tables right, and takes in new ones that have been there for long enough, in a transaction
 * of its own on an ordinary connection. Returns the tables of which writes may have been missed; empty when all was as it
 * should be. Throws SQLite's busy error.
 */
export function repairCapture(db: Database, nowMs: number, newTables: NewTables): string[] {
  if (isWatching(db)) return endCutShort(db, nowMs);
  if (workIn(db, nowMs, newTables) === null) return [];
  // Looked at once more with everybody else kept out: a migration may have gone on, and rebuild a table just now.
  return db
    .transaction(() => {
      const work = workIn(db, nowMs, newTables);
      return work === null ? [] : putRight(db, work, nowMs);
    })
    .immediate();
}

interface RepairWork {
  readonly plan: CapturePlan;
  /** Tables of which writes may have been missed. */
  readonly damaged: readonly string[];
  /** Tables that the rules take in by now: nobody says any more that they are left out, also when they cannot be captured. */
  readonly included: readonly string[];
}

/** Null: all is as it should be, or has to wait. */
function workIn(db: Database, nowMs: number, newTables: NewTables): RepairWork | null {
  const inspection = inspectCapture(db);
  const captured = new Set(inspection.tables.map((table) => table.name));
  // A table that is rebuilt may just not be there.
  const fresh = inspection.undecided.filter((name) => !inspection.included.includes(name));
  newTables.see(fresh, [...captured, ...inspection.lost], nowMs);
  const ripe = newTables.ripe(nowMs);
  newTables.noteTried(ripe);
  const leaving = readLeaving(db);
  const { included } = inspection;
  const damaged = damagedTables(inspection).filter((name) => !leaving.has(name));
  const isDecided = included.length + leaving.size > 0;
  if (damaged.length + ripe.length === 0 && !hasRenamed(inspection) && !isDecided) return null;
  if (newTables.isRebuilding(nowMs)) return null;
  const settled = ripe.filter((name) => !isPassing(name, captured));
  const plan = planFor(db, captured, new Set([...settled, ...included]));
  const isNew = plan.tables.some(({ name }) => !captured.has(name));
  return damaged.length > 0 || hasRenamed(inspection) || isNew || isDecided ? { plan, damaged, included } : null;
}

function putRight(db: Database, { plan, damaged, included }: RepairWork, nowMs: number): string[] {
  const forget = db.prepare<[string]>(`DELETE FROM ${PREFIX}excluded WHERE name = ?`);
  for (const name of included) forget.run(name);
  const { added, repaired, logRecreated } = installCapture(db, plan, { nowMs, facts: {} });
  enterExistingRows(db, added, nowMs);
  return logRecreated ? [...damaged] : [...repaired];
}

/**
 * A migration was cut short: nobody compares its tables any more. The watch goes on in name until what may be missing is
 * written down.
 */
function endCutShort(db: Database, nowMs: number): string[] {
  const captured = new Set(readRegistryEntries(db).map(({ name }) => name));
  const { watched, logRecreated } = restoreCapture(db, planFor(db, captured), { nowMs });
  return logRecreated ? [...captured].filter((name) => !isOurs(name)) : suspectTables(watched);
}
