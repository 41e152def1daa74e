/**
 * A change of another node meets a row of a table in which writes here may have gone unrecorded. Where it brings a value
 * that this node has had already, the row must hold that value: what it holds instead the application has written unseen.
 * That becomes a write of this node's now; nobody could find it by comparing once it is overwritten. A row that this node
 * has had, and that is not there, was deleted unseen: it comes back, and a record tells of it.
 */
import type { ApplyContext } from './apply-context.js';
import { isSameValue } from './join-rows.js';
import { OP } from './metadata-schema.js';
import type { ReplicatedTable } from './replicated-table.js';
import { columnStampOf, RawText, type SqlValue, type VersionedRow } from './row-version.js';
import { isHad, keepDeletion, keepTheirs } from './unseen-writes.js';

/** What came, with the values that were written here unseen in place of those that they replaced. */
export function keepUnrecorded(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  row: VersionedRow,
  context: ApplyContext,
): VersionedRow {
  const { version, image } = row;
  if (image === null || !context.state.isInGap(table.captured.name)) return row;
  const mine = table.metadata.get(key);
  if (mine?.alive === false) return row;
  const here = table.rows.read(key);
  if (here === null) {
    if (wasHere(table, { key, row }, mine !== undefined, context)) keepDeletion(table, key, row, context);
    return row;
  }
  const { columns, key: keyColumns } = table.definition;
  const isUnseen = (id: number, i: number) =>
    !keyColumns.includes(columns[i] as string) &&
    !isAlike(here[i] as SqlValue, image[i] as SqlValue) &&
    isHad(columnStampOf(version, id), mine === undefined ? null : columnStampOf(mine, id), context);
  const unseen = table.columnIds.filter(isUnseen);
  if (unseen.length === 0) return row;
  keepTheirs(table, { key, theirs: row, here }, unseen, context);
  context.logOwnWrite(table.captured.id, OP.update, key, unseen);
  const kept = image.map((value, i) => (unseen.includes(table.columnIds[i] as number) ? (here[i] as SqlValue) : value));
  return { version, image: kept };
}

/** Has the row been in its table? One that is kept aside is not. */
function wasHere(
  table: ReplicatedTable,
  { key, row }: { readonly key: readonly SqlValue[]; readonly row: VersionedRow },
  isAlive: boolean,
  context: ApplyContext,
): boolean {
  if (context.quarantine.get(table, key) !== undefined) return false;
  return isAlive || isHad(row.version.life, null, context);
}

/** Nodes whose columns are declared differently have one value in different storage classes. */
function isAlike(x: SqlValue, y: SqlValue): boolean {
  return isSameValue(x, y) || (isPlain(x) && isPlain(y) && String(x) === String(y));
}

function isPlain(value: SqlValue): boolean {
  return value !== null && !Buffer.isBuffer(value) && !(value instanceof RawText);
}
