/** The rows of a conflict as they are now, in a snapshot on any connection. */
import type { Database } from 'better-sqlite3';
import { expectedRows } from './conflict-outcome.js';
import { type OperatorRows, OperatorTables } from './operator-rows.js';
import { isAsExpected } from './place-rows.js';
import type { JsonRow, RecordedConflict, RecordedResolution } from './recorded-conflict.js';
import { readRegistry } from './registry.js';

export interface ConflictNow {
  /** The columns of the table, in order; null: it does not replicate here (any more). */
  readonly columns: readonly string[] | null;
  /** The row of the record's key; null: there is none. */
  readonly row: JsonRow | null;
  /** Of a `unique` conflict the row of the winner's key; null: there is none. */
  readonly winnerRow: JsonRow | null;
  /** Has anybody written the rows since the settlement, or since the latest resolution? Null: that cannot be told. */
  readonly changed: boolean | null;
}

/** @param resolutions of the conflict, the latest first */
export function readConflictNow(
  db: Database,
  conflict: RecordedConflict,
  resolutions: readonly RecordedResolution[],
): ConflictNow {
  const tables = new OperatorTables(db, readRegistry(db));
  const table = tables.named(conflict.table);
  if (table === null) return { columns: null, row: null, winnerRow: null, changed: null };
  const expected = expectedRows(conflict, resolutions.toReversed(), tables.namesFor(table));
  const own = expected.filter(({ table: name }) => name === conflict.table);
  const changed = own.some((row) => !isAsExpected(table, imageOf(table, row.key), row));
  const { row: winner } = conflict.winner;
  const row = jsonOf(table, conflict.key);
  const winnerRow = conflict.kind === 'unique' && winner !== null ? jsonOf(table, winner) : null;
  return { columns: table.table.columns.map(({ name }) => name), row, winnerRow, changed };
}

function imageOf(table: OperatorRows, row: JsonRow) {
  const key = table.keyFrom(row);
  return key === null ? null : table.read(key);
}

function jsonOf(table: OperatorRows, row: JsonRow): JsonRow | null {
  const image = imageOf(table, row);
  return image === null ? null : table.toJson(image);
}
