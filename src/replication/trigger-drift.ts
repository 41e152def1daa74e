/** The difference between the triggers that captured tables should have and those that the file has. */
import type { Database } from 'better-sqlite3';
import { captureTriggers } from './capture-triggers.js';
import { isOurs } from './read-schema.js';
import type { CapturedTable } from './table-schema.js';
import type { TriggerOnTable } from './write-triggers.js';

export interface TriggerDrift {
  /** To be made. */
  readonly missing: readonly TriggerOnTable[];
  /** There, but not as they should be. */
  readonly changed: readonly TriggerOnTable[];
  /** Names of triggers of ours that no captured table should have, and the tables that have them. */
  readonly extra: readonly { readonly name: string; readonly table: string }[];
}

/** The triggers in the file that bear our prefix. */
export function existingTriggers(db: Database): TriggerOnTable[] {
  const sql = `SELECT name, tbl_name AS "table", sql FROM main.sqlite_schema WHERE type = 'trigger'`;
  return db
    .prepare<[], TriggerOnTable>(sql)
    .all()
    .filter((trigger) => isOurs(trigger.name));
}

/** Compares text with text: SQLite keeps what it was given, and rewrites it when a table or column is renamed. */
export function triggerDrift(db: Database, tables: readonly CapturedTable[]): TriggerDrift {
  const existing = new Map(existingTriggers(db).map((trigger) => [trigger.name, trigger]));
  const missing: TriggerOnTable[] = [];
  const changed: TriggerOnTable[] = [];
  for (const table of tables) {
    if (table.internal) continue;
    for (const trigger of captureTriggers(table)) {
      const found = existing.get(trigger.name);
      existing.delete(trigger.name);
      if (found === undefined) missing.push({ ...trigger, table: table.name });
      else if (found.sql !== trigger.sql || found.table !== table.name) changed.push({ ...trigger, table: table.name });
    }
  }
  return { missing, changed, extra: [...existing.values()].map(({ name, table }) => ({ name, table })) };
}
