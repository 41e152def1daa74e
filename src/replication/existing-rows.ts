/** A table taken in later: the other members know nothing of the rows it holds, so they are this node's writes. */
import type { Database } from 'better-sqlite3';
import { ChangeLog } from './change-log.js';
import { nextHlc } from './hlc.js';
import { keyColumn, OP, PREFIX } from './metadata-schema.js';
import { readRegistry } from './registry.js';
import { quoteIdentifier } from './sql-text.js';

/** Enters them into the log as inserts, inside the caller's transaction. */
export function enterExistingRows(db: Database, names: readonly string[], nowMs: number): void {
  if (names.length === 0) return;
  const registry = new Map(readRegistry(db).map((table) => [table.name, table]));
  for (const name of names) {
    const table = registry.get(name);
    if (table === undefined) throw new Error(`table ${name} was added to the registry and is not in it`);
    const keys = table.schema.identity.columns.map((column) => quoteIdentifier(column.name));
    const first = nextHlc(new ChangeLog(db).last(), nowMs);
    db.prepare(
      `INSERT INTO ${PREFIX}log(hlc, tbl, op, ${keys.map((_, i) => keyColumn(i)).join(', ')}) ` +
        `SELECT ? + row_number() OVER (), ?, ?, ${keys.join(', ')} FROM ${quoteIdentifier(name)}`,
    ).run(BigInt(first), BigInt(table.id), BigInt(OP.insert));
  }
}
