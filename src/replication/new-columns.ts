/**
 * Columns that an application has added to a captured table. Writes to one between that moment and the moment its table's
 * trigger compares it are all that can have gone unseen, and they can be told: a row whose value is not the default has
 * been written. And what has been written to rows before says nothing of it.
 */
import type { Database } from 'better-sqlite3';
import { ChangeLog } from './change-log.js';
import type { ColumnSurvey } from './column-survey.js';
import { nextHlc } from './hlc.js';
import { keyColumn, MASK_BITS, maskColumn, metadataTable, OP, PREFIX } from './metadata-schema.js';
import { type RegistryEntry, shippedColumns } from './registry.js';
import { quoteIdentifier } from './sql-text.js';
import type { CapturedTable, TableSchema } from './table-schema.js';

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

/** Which columns the registry's table has got. None where they may as well be others under new names. */
export function addedColumns(
  entry: RegistryEntry,
  schema: TableSchema,
  survey: ColumnSurvey | undefined,
): readonly string[] {
  if (survey !== undefined) return survey.added;
  const present = shippedColumns(schema);
  const isOneGone = entry.columns.some((name) => name !== null && !present.includes(name));
  return isOneGone ? [] : present.filter((name) => !entry.columns.includes(name));
}

/**
 * Notes that no version of a row says anything of these columns, where rows are joined whole: so do those of nodes that
 * lack them, to which the same versions have come.
 */
export function leaveUnsaid(db: Database, table: CapturedTable, columns: readonly string[]): void {
  const added = table.columns.filter(({ name }) => columns.includes(name));
  if (added.length === 0 || table.rules.strategy === 'merge') return;
  const entries = added.map(({ id }) => `[${id}]`).join(',');
  db.prepare(
    `UPDATE ${metadataTable(table.id)} SET unsaid =
      CASE WHEN unsaid IS NULL THEN '[' ELSE substr(unsaid, 1, length(unsaid) - 1) || ',' END || ? || ']' WHERE alive = 1`,
  ).run(entries);
}

function maskOf(columns: CapturedTable['columns'], index: number): string {
  const bits = columns.filter(({ id }) => Math.floor(id / MASK_BITS) === index);
  return bits.reduce((mask, { id }) => mask | (1n << BigInt(id % MASK_BITS)), 0n).toString();
}

function defaultOf({ schema }: CapturedTable, name: string): string {
  return schema.columns.find((column) => column.name === name)?.defaultSql ?? 'NULL';
}
