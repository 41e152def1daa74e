/**
 * A change of another node meets a row of a table in which writes here may have gone unrecorded. Where it brings a value
 * that this node has had already, the row must hold that value: what it holds instead the application has written unseen.
 * That becomes a write of this node's now; nobody could find it by comparing once it is overwritten.
 */
import type { ApplyContext } from './apply-context.js';
import { isSameValue } from './join-rows.js';
import { OP } from './metadata-schema.js';
import type { ReplicatedTable } from './replicated-table.js';
import { columnStampOf, RawText, type SqlValue, type VersionedRow } from './row-version.js';
import { SETTLED_SESSION, type Stamp } from './stamp.js';

/** What came, with the values that were written here unseen in place of those that they replaced. */
export function keepUnrecorded(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  row: VersionedRow,
  context: ApplyContext,
): VersionedRow {
  const { version, image } = row;
  if (image === null || table.captured.internal || !context.state.isInGap(table.captured.name)) return row;
  const mine = table.metadata.get(key);
  const here = mine?.alive === false ? null : table.rows.read(key);
  if (here === null) return row;
  const { columns, key: keyColumns } = table.definition;
  const isUnseen = (id: number, i: number) =>
    !keyColumns.includes(columns[i] as string) &&
    !isAlike(here[i] as SqlValue, image[i] as SqlValue) &&
    isHad(columnStampOf(version, id), mine === undefined ? null : columnStampOf(mine, id), context);
  const unseen = table.columnIds.filter(isUnseen);
  if (unseen.length === 0) return row;
  context.logOwnWrite(table.captured.id, OP.update, key, unseen);
  const kept = image.map((value, i) => (unseen.includes(table.columnIds[i] as number) ? (here[i] as SqlValue) : value));
  return { version, image: kept };
}

/** Is the write that `theirs` names the one that this node has in the column? `mine` null: all of the row is settled. */
function isHad(theirs: Stamp, mine: Stamp | null, { state, senderHorizon }: ApplyContext): boolean {
  const horizon = Math.max(state.get('horizon'), senderHorizon);
  const isSettled = ({ hlc, session }: Stamp) => session === SETTLED_SESSION || hlc <= horizon;
  if (mine === null) return isSettled(theirs) || state.has(theirs.session) >= theirs.hlc;
  if (isSettled(mine)) return isSettled(theirs);
  return mine.hlc === theirs.hlc && mine.session === theirs.session;
}

/** Nodes whose columns are declared differently have one value in different storage classes. */
function isAlike(x: SqlValue, y: SqlValue): boolean {
  return isSameValue(x, y) || (isPlain(x) && isPlain(y) && String(x) === String(y));
}

function isPlain(value: SqlValue): boolean {
  return value !== null && !Buffer.isBuffer(value) && !(value instanceof RawText);
}
