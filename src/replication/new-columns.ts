/**
 * Writes to a column between the moment an application has added it and the moment its table's trigger compares it. Only
 * they can have gone unseen, and they can be told: a row whose value is not the default has been written.
 */
import type { Database } from 'better-sqlite3';
import { ChangeLog } from './change-log.js';
import { nextHlc } from './hlc.js';
import { keyColumn, MASK_BITS, maskColumn, OP, PREFIX } from './metadata-schema.js';
import { quoteIdentifier } from './sql-text.js';
import type { CapturedTable } from './table-schema.js';

/** Enters updates of the rows that have other values in these columns than the defaults. The table is read once. */
export function enterNewValues(db: Database, table: CapturedTable, columns: readonly string[], nowMs: number): void {
  const added = table.columns.filter(({ name }) => columns.includes(name));
  if (added.length === 0) return;
  const log = new ChangeLog(db);
  const masks = Array.from({ length: log.maskCount }, (_, i) => maskOf(added, i));
  const keys = table.schema.identity.columns.map(({ name }) => quoteIdentifier(name));
  const into = ['hlc', 'tbl', 'op', ...masks.map((_, i) => maskColumn(i)), ...keys.map((_, i) => keyColumn(i))];
  const differs = added.map(({ name }) => `${quoteIdentifier(name)} IS NOT (${defaultOf(table, name)})`);
  db.prepare(
    `INSERT INTO ${PREFIX}log(${into.join(', ')}) SELECT ? + row_number() OVER (), ?, ?, ${[...masks, ...keys].join(', ')} ` +
      `FROM ${quoteIdentifier(table.name)} WHERE ${differs.join(' OR ')}`,
  ).run(BigInt(nextHlc(log.last(), nowMs)), BigInt(table.id), BigInt(OP.update));
}

function maskOf(columns: CapturedTable['columns'], index: number): string {
  const bits = columns.filter(({ id }) => Math.floor(id / MASK_BITS) === index);
  return bits.reduce((mask, { id }) => mask | (1n << BigInt(id % MASK_BITS)), 0n).toString();
}

function defaultOf({ schema }: CapturedTable, name: string): string {
  return schema.columns.find((column) => column.name === name)?.defaultSql ?? 'NULL';
}
