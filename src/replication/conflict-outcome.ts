/**
 * What a conflict's settlement left behind, and what an operator's decision would make of it: states of rows, before
 * anybody has looked at the tables. Pure.
 *
 * Where merge decided column by column, only the colliding columns are spoken of. Of a `unique` conflict two rows are:
 * the one that lost and was deleted, whose key is the record's, and the one that holds the value. An orphan is there as it
 * was, unless its table's rule is `delete`.
 */
import type { RecordedSide } from './conflict-record.js';
import type { JsonValue } from './json-values.js';
import type { JsonRow, RecordedConflict, RecordedResolution, RowState } from './recorded-conflict.js';

/** A state in which a row is to be: of a row that stays only the columns named. */
export interface WantedRow extends RowState {
  /** What a row that is not there any more is made of, beneath the columns that are wanted; null: it cannot be made. */
  readonly base: JsonRow | null;
}

/** States in which a row is expected: any of them; columns that are not named may hold anything. */
export interface ExpectedRow {
  readonly table: string;
  readonly key: JsonRow;
  readonly states: readonly (JsonRow | null)[];
}

/** One side of a conflict, as it was written, or `winner` as it was settled. */
export type ChosenSide = 'winner' | 'loser';

/** Did the rows merge, so that only columns collided? What a gap hid is told by columns too. */
export function isColumnConflict({
  strategy,
  kind,
  columns,
  winner,
  loser,
}: Pick<RecordedConflict, 'strategy' | 'kind' | 'columns'> & {
  readonly winner: Pick<RecordedSide, 'row'>;
  readonly loser: Pick<RecordedSide, 'row'>;
}): boolean {
  const isMerged = (strategy === 'merge' || strategy === 'gap') && kind === 'update-update';
  return isMerged && columns.length > 0 && winner.row !== null && loser.row !== null;
}

const pick = (row: JsonRow, columns: readonly string[]): JsonRow =>
  Object.fromEntries(columns.filter((name) => name in row).map((name) => [name, row[name] as JsonValue]));

/** The colliding columns as merge has settled them: each as it was written last. */
function settledColumns({ columns, winner, loser }: RecordedConflict): JsonRow {
  const stands = loser.stands ?? [];
  return {
    ...pick(winner.row ?? {}, columns),
    ...pick(
      loser.row ?? {},
      columns.filter((name) => stands.includes(name)),
    ),
  };
}

/** The key of a row that is told whole. */
function keyIn(row: JsonRow | null, keyColumns: readonly string[]): JsonRow | null {
  return row !== null && keyColumns.every((name) => name in row) ? pick(row, keyColumns) : null;
}

/** The key of the row that holds the value for which another had to go; null: one row is all that it is about. */
function otherKey({ table, key, kind, winner }: RecordedConflict, names: RowNames): JsonRow | null {
  const winnerKey = kind === 'unique' ? keyIn(winner.row, names.keyColumns) : null;
  return winnerKey === null || names.nameOf({ table, key: winnerKey }) === names.nameOf({ table, key })
    ? null
    : winnerKey;
}

function orphanStates({ loser, detail }: RecordedConflict): (JsonRow | null)[] {
  if (detail?.rule === undefined || detail.kept !== undefined) return [null, loser.row];
  return detail.rule === 'delete' ? [null] : [loser.row];
}

function settledRows(conflict: RecordedConflict, names: RowNames): ExpectedRow[] {
  const { table, key, kind, winner } = conflict;
  if (isColumnConflict(conflict)) return [{ table, key, states: [settledColumns(conflict)] }];
  if (kind === 'orphan') return [{ table, key, states: orphanStates(conflict) }];
  const winnerKey = otherKey(conflict, names);
  if (winnerKey === null) return [{ table, key, states: [winner.row] }];
  return [
    { table, key, states: [null] },
    { table, key: winnerKey, states: [winner.row] },
  ];
}

/** Tells rows apart: the same text for the same row, however its key is spelled. */
export interface RowNames {
  /** The columns of the table's key. */
  readonly keyColumns: readonly string[];
  nameOf(row: Pick<RowState, 'table' | 'key'>): string;
}

/** What is there if nobody has written since: the settlement, and over it what resolutions have left, oldest first. */
export function expectedRows(
  conflict: RecordedConflict,
  resolutions: readonly RecordedResolution[],
  names: RowNames,
): ExpectedRow[] {
  const rows = new Map(settledRows(conflict, names).map((row) => [names.nameOf(row), row]));
  for (const left of resolutions.flatMap(({ after }) => after)) {
    const name = names.nameOf(left);
    const states = rows.get(name)?.states ?? [];
    const [only = null] = states.length === 1 ? states : [];
    const state = left.row === null || only === null ? left.row : { ...only, ...left.row };
    rows.set(name, { table: left.table, key: left.key, states: [state] });
  }
  return [...rows.values()];
}

/**
 * What taking a side makes of the rows, in the order in which it is to be done.
 * @param isNamed the side was named by its node: as that node wrote it, not as it was settled
 */
export function wantedRows(
  conflict: RecordedConflict,
  side: ChosenSide,
  isNamed: boolean,
  names: RowNames,
): WantedRow[] {
  const { table, key, kind, columns, winner } = conflict;
  const chosen: RecordedSide = conflict[side];
  if (isColumnConflict(conflict)) {
    const isSettled = side === 'winner' && !isNamed;
    const row = isSettled ? settledColumns(conflict) : pick(chosen.row ?? {}, columns);
    return [{ table, key, row, base: chosen.row }];
  }
  if (kind === 'orphan') return side === 'winner' ? [] : [{ table, key, row: chosen.row, base: chosen.row }];
  const winnerKey = otherKey(conflict, names);
  if (winnerKey === null) return [{ table, key, row: chosen.row, base: chosen.row }];
  // First goes the row that holds the value, then comes the one that takes it.
  return side === 'winner'
    ? [
        { table, key, row: null, base: null },
        { table, key: winnerKey, row: pick(winner.row ?? {}, columns), base: winner.row },
      ]
    : [
        { table, key: winnerKey, row: null, base: null },
        { table, key, row: chosen.row, base: chosen.row },
      ];
}

/** What setting columns makes of the row; where there is none, of the one that lost. */
export function wantedValues({ table, key, winner, loser }: RecordedConflict, values: JsonRow): WantedRow[] {
  return [{ table, key, row: values, base: loser.row ?? winner.row }];
}

/** What undoing a resolution makes of the rows that it changed: the last first. A row that it deleted is told whole. */
export function wantedBefore({ before, after }: RecordedResolution): WantedRow[] {
  return before.map((state, i) => ({ ...state, base: after[i]?.row === null ? state.row : null })).toReversed();
}

/** What a resolution that nobody has written over has left. */
export function expectedAfter({ after }: RecordedResolution): ExpectedRow[] {
  return after.map(({ table, key, row }) => ({ table, key, states: [row] }));
}
