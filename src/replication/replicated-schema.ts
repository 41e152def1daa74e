/** What a file replicates, read as one: its captured tables, the triggers that stay on the applier, and their hashes. */
import type { Database } from 'better-sqlite3';
import { classifyTriggers } from './classify-triggers.js';
import { readRegistry } from './registry.js';
import { readRuleRows, rulesHash } from './rules.js';
import { schemaHash } from './schema-hash.js';
import type { CapturedTable } from './table-schema.js';
import type { Hello } from './wire-messages.js';

export interface ReplicatedSchema {
  readonly tables: readonly CapturedTable[];
  /** Names of the application's triggers that write only to tables that do not replicate: they fire on applied rows. */
  readonly localTriggers: readonly string[];
  /** Over the application's replicated tables: what two nodes must have alike. */
  readonly schemaHash: string;
  readonly rulesHash: string;
  readonly encoding: Hello['encoding'];
}

/** Reads it through an ordinary connection, one that sees the application's triggers. */
export function readReplicatedSchema(db: Database): ReplicatedSchema {
  const tables = readRegistry(db);
  const own = tables.filter((table) => !table.internal);
  const triggers = classifyTriggers(
    db,
    tables.map((table) => table.name),
  );
  return {
    tables,
    localTriggers: triggers.filter((trigger) => trigger.verdict === 'local').map((trigger) => trigger.name),
    schemaHash: schemaHash(own.map((table) => table.schema)),
    rulesHash: rulesHash(readRuleRows(db)),
    encoding: db.pragma('encoding', { simple: true }) as Hello['encoding'],
  };
}
