/**
 * Makes a node of an application's file, or brings one up to date: capture by plan, the node's identity, and its
 * membership in a data set of which it is the first member. One transaction, on an ordinary connection.
 */
import type { Database } from 'better-sqlite3';
import { widenGap } from './capture-gap.js';
import { ChangeLog } from './change-log.js';
import { enterExistingRows } from './existing-rows.js';
import { nextHlc } from './hlc.js';
import { type InstallResult, installCapture } from './install-capture.js';
import { insertMember } from './member-table.js';
import { PREFIX } from './metadata-schema.js';
import { endWatch, isWatching } from './migration-watch.js';
import { initialFacts } from './node-state.js';
import { enterOperation, type OperationRecord } from './operation-record.js';
import { assertNoneRefused, type CapturePlan } from './plan-capture.js';
import { readRegistry } from './registry.js';
import { restoreCapture, suspectTables } from './restore-capture.js';
import { type RuleChange, writeRules } from './rules.js';

export interface FirstMember {
  /** 32 hex digits, random. */
  readonly dataset: string;
  readonly node: string;
  /** 32 hex digits, random. */
  readonly nodeId: string;
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** The rules that the data set begins with; null: the defaults. Nobody else is there who would have to agree. */
  readonly rules?: RuleChange | null;
}

/**
 * Throws 'table-refused', and changes nothing, when the plan refuses a table. In a file that is a node already the
 * identity stays what it was: capture is repaired and extended.
 * @param operation what the operator typed, to be entered if anything was changed; the detail is what was
 */
export function initialiseNode(
  db: Database,
  first: FirstMember,
  plan: CapturePlan,
  operation: Omit<OperationRecord, 'detail'> | null = null,
): InstallResult {
  assertNoneRefused(plan);
  const facts = { ...initialFacts({ ...first, folded: 0 }) };
  return db
    .transaction(() => {
      const result = isWatching(db)
        ? endCutShort(db, plan, first.nowMs)
        : installCapture(db, plan, { nowMs: first.nowMs, facts });
      if (result.wasInstalled) {
        enterExistingRows(db, result.added, first.nowMs);
        rememberGap(db, result, first.nowMs);
      } else {
        enterFirstMember(db, first);
        if (first.rules) writeRules(db, first.rules);
      }
      if (operation !== null && result.changed) {
        const { added, repaired } = result;
        enterOperation(db, { ...operation, detail: { added, repaired } }, first.nowMs);
      }
      return result;
    })
    .immediate();
}

/** A migration was cut short: of what was written while its tables were watched nobody knows any more. */
function endCutShort(db: Database, plan: CapturePlan, nowMs: number): InstallResult {
  const { watched, ...result } = restoreCapture(db, plan, { nowMs });
  endWatch(db);
  return { ...result, repaired: suspectTables(watched) };
}

function enterFirstMember(db: Database, first: FirstMember): void {
  const log = new ChangeLog(db);
  const member = { name: first.node, nodeId: first.nodeId, access: 'write' } as const;
  insertMember(db, log, nextHlc(log.last(), first.nowMs), member, first.nowMs);
}

/** What was written while triggers or the log were missing is not known. */
function rememberGap(db: Database, { repaired, logRecreated }: InstallResult, nowMs: number): void {
  const captured = readRegistry(db).filter((table) => !table.internal);
  const tables = logRecreated ? captured.map((table) => table.name) : repaired;
  if (tables.length === 0) return;
  const select = db.prepare(`SELECT value FROM ${PREFIX}state WHERE name = 'gap'`).pluck();
  const gap = widenGap((select.get() as string | undefined) ?? '', tables, nowMs);
  db.prepare(
    `INSERT INTO ${PREFIX}state(name, value) VALUES('gap', ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value`,
  ).run(gap);
}
