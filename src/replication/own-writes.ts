/**
 * What this node's engine writes by itself, having found out what no application could know: that two rows hold one
 * UNIQUE value, that a row's parent is gone. Each is a write like an application's, with a stamp of this node's.
 */
import type { ApplyContext } from './apply-context.js';
import { isSameValue } from './join-rows.js';
import { OP } from './metadata-schema.js';
import type { ReplicatedTable } from './replicated-table.js';
import type { SqlValue } from './row-version.js';
import type { Stamp } from './stamp.js';

/** A row that is to go, as it is in its table or would have come into it; the record that keeps it is the caller's. */
export interface RowToDelete {
  readonly table: ReplicatedTable;
  readonly key: readonly SqlValue[];
  readonly image: readonly SqlValue[];
}

/** Deletes a row. `cause` is the write for whose sake it goes: rows that refer to this one have lost it to that. */
export function deleteByItself({ table, key, image }: RowToDelete, cause: Stamp, context: ApplyContext): void {
  const hlc = context.logOwnWrite(table.captured.id, OP.delete, key);
  const arrival = context.state.get('arrival') + 1;
  if (table.referencedBy.length > 0) context.former.keep(table, key, image, { hlc, arrival, cause });
  table.rows.delete(key);
}

/** Inserts a row that is not there. Throws SQLite's constraint errors, and has then written nothing. */
export function insertByItself(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  image: readonly SqlValue[],
  context: ApplyContext,
): void {
  table.rows.write(image);
  context.former.forget(table, key);
  context.logOwnWrite(table.captured.id, OP.insert, key);
}

/** Puts another row in a row's place under its key, as a deletion and an insert do. Throws SQLite's constraint errors. */
export function takePlace(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  image: readonly SqlValue[],
  context: ApplyContext,
): void {
  table.rows.write(image);
  context.logOwnWrite(table.captured.id, OP.delete, key);
  context.logOwnWrite(table.captured.id, OP.insert, key);
}

/**
 * Writes some columns of an image to the row that is there, if they differ. Returns why not, in words; null: done, or
 * nothing to do.
 */
export function writeColumns(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  image: readonly SqlValue[],
  columns: readonly number[],
  context: ApplyContext,
): string | null {
  const current = table.rows.read(key);
  if (current === null) return 'the row is gone';
  const isChanged = (id: number, i: number) =>
    columns.includes(id) && !isSameValue(current[i] as SqlValue, image[i] as SqlValue);
  const changed = table.columnIds.filter(isChanged);
  if (changed.length === 0) return null;
  const next = current.map((value, i) => (isChanged(table.columnIds[i] as number, i) ? (image[i] as SqlValue) : value));
  return context.attempt(() => {
    table.rows.write(next);
    context.logOwnWrite(table.captured.id, OP.update, key, changed);
  });
}
