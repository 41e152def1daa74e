/**
 * What log entries make of a row's version: pure, one row at a time. The rules are design.md's, section 3 ("Fold").
 */
import { OP } from './metadata-schema.js';
import { emptiedBy, OTHER_COLUMNS, type RowVersion, vectorOf } from './row-version.js';
import { type Stamp, settledStamp } from './stamp.js';

/** One log entry of one row. `columns` null: all of them. */
export interface RowEntry {
  readonly hlc: number;
  readonly op: number;
  readonly columns: readonly number[] | null;
}

export interface FoldContext {
  /** The session that folds: the author of every entry. */
  readonly session: string;
  readonly horizon: number;
  /** Where edit counts go on for a row whose metadata is gone. */
  readonly editsFloor: number;
  /** Are the table's rows joined whole? */
  readonly isWhole: boolean;
  /** Ids of the table's columns. */
  readonly columnIds: readonly number[];
  /** Is the row in its table now? Asked for `check` entries only. */
  rowExists(): boolean;
}

/** A version with the write `stamp` added to all that went into it before, but for what every member has anyway. */
function writtenOver(
  old: RowVersion | undefined,
  stamp: Stamp,
  context: FoldContext,
): Pick<RowVersion, 'stamp' | 'vector' | 'edits'> {
  const edits = (old?.edits ?? context.editsFloor) + 1;
  if (old === undefined) return { stamp, vector: null, edits };
  const vector = new Map([...vectorOf(old)].filter(([, hlc]) => hlc > context.horizon));
  vector.set(stamp.session, stamp.hlc);
  return { stamp, vector, edits };
}

/** A write says all of the columns that its node has. Of others it says no more than a deletion before it. */
function emptied(old: RowVersion | undefined, { isWhole, horizon }: FoldContext): Pick<RowVersion, 'unsaid'> {
  const by = isWhole && old !== undefined ? emptiedBy(old) : null;
  return by === null || by.stamp.hlc <= horizon ? {} : { unsaid: new Map([[OTHER_COLUMNS, by]]) };
}

function inserted(old: RowVersion | undefined, stamp: Stamp, context: FoldContext): RowVersion {
  if (old?.alive) return updated(old, stamp, null, context);
  return {
    alive: true,
    life: stamp,
    columnStamps: null,
    ...writtenOver(old, stamp, context),
    ...emptied(old, context),
  };
}

function deleted(old: RowVersion | undefined, stamp: Stamp, context: FoldContext): RowVersion | undefined {
  if (old !== undefined && !old.alive) return old;
  return { alive: false, life: stamp, columnStamps: null, ...writtenOver(old, stamp, context) };
}

function updated(
  old: RowVersion | undefined,
  stamp: Stamp,
  columns: readonly number[] | null,
  context: FoldContext,
): RowVersion {
  if (old !== undefined && !old.alive) return inserted(old, stamp, context);
  const columnStamps = new Map(old?.columnStamps ?? []);
  for (const column of columns ?? context.columnIds) columnStamps.set(column, stamp);
  const life = old?.life ?? settledStamp(context.horizon);
  return { alive: true, life, columnStamps, ...writtenOver(old, stamp, context), ...emptied(old, context) };
}

/**
 * The version of a row after its log entries, in their order; undefined when they left it as it was and nothing was
 * known of it. `old` undefined: the row is settled or new.
 */
export function foldRow(
  old: RowVersion | undefined,
  entries: readonly RowEntry[],
  context: FoldContext,
): RowVersion | undefined {
  let version = old;
  for (const { hlc, op, columns } of entries) {
    const stamp: Stamp = { hlc, session: context.session };
    if (op === OP.insert) version = inserted(version, stamp, context);
    else if (op === OP.update) version = updated(version, stamp, columns, context);
    else if (op === OP.delete) version = deleted(version, stamp, context);
    else if (op === OP.check && !context.rowExists()) version = deleted(version, stamp, context);
  }
  return version;
}

/** The column ids a mask stands for; null for all. `masks` are the entry's mask columns. */
export function columnsOfMasks(masks: readonly (bigint | null)[], bitsPerMask: number): number[] | null {
  if (masks[0] === null || masks[0] === undefined) return null;
  const columns: number[] = [];
  for (const [index, mask] of masks.entries()) {
    if (mask === null || mask === 0n) continue;
    for (let bit = 0; bit < bitsPerMask; bit += 1)
      if ((mask >> BigInt(bit)) & 1n) columns.push(index * bitsPerMask + bit);
  }
  return columns;
}
