/**
 * What was written over in a gap of capture, judged when the gap is closed: where the row holds all of it by then, nothing
 * is lost, and it is forgotten. The rest goes into conflict records, since it may have been written unseen.
 */
import type { ApplyParts } from './apply-context.js';
import type { StoredConflict } from './conflict-record.js';
import { fromJsonValue, isSameJson, type JsonValue, toJsonValue } from './json-values.js';
import type { ReplicatedTables } from './replicated-table.js';
import type { SqlValue } from './row-version.js';

/** Rows judged between two looks whether there are more. */
const ROWS_AT_ONCE = 500;

export interface JudgingParts extends Pick<ApplyParts, 'gapRows' | 'records' | 'clock'> {
  readonly tables: ReplicatedTables;
}

/** Judges some, inside the caller's transaction. Says how many went into records, and whether there may be more. */
export function judgeReplaced({ gapRows, records, tables, clock }: JudgingParts): { recorded: number; more: boolean } {
  const waiting = gapRows.waiting(ROWS_AT_ONCE);
  let recorded = 0;
  for (const row of waiting) {
    if (!isThere(row.conflict, tables) && records.put(row.conflict, clock.nowMs())) recorded += 1;
    gapRows.settle(row);
  }
  return { recorded, more: waiting.length === ROWS_AT_ONCE };
}

/** Judges all that is left, and forgets how rows were left: the gap is closed, or its tables replicate no more. */
export function judgeAllReplaced(parts: JudgingParts): number {
  let recorded = 0;
  for (let more = true; more; ) {
    const judged = judgeReplaced(parts);
    recorded += judged.recorded;
    more = judged.more;
  }
  parts.gapRows.clear();
  return recorded;
}

/** Does the row hold the values that were written over? */
function isThere({ table: name, key, columns, loser }: StoredConflict, tables: ReplicatedTables): boolean {
  const table = tables.named(name);
  const values = table?.definition.key.map((column) => fromJsonValue(key[column]));
  if (table === undefined || values === undefined || values.includes(undefined)) return false;
  const image = table.rows.read(values as SqlValue[]);
  if (image === null || loser.row === null) return image === null && loser.row === null;
  const now = new Map<string, JsonValue>(
    table.definition.columns.map((column, i) => [column, toJsonValue(image[i] as SqlValue)]),
  );
  const lost = columns.length > 0 ? columns : Object.keys(loser.row);
  return lost.every((column) => isSameJson(now.get(column), loser.row?.[column]));
}
