/**
 * From a definition's columns to the table's own: rows come with their columns in the sender's order, and with column
 * stamps by place.
 */
import type { ReplicatedTable } from './replicated-table.js';
import { type RowVersion, type SqlValue, type VersionedRow, withColumnIds } from './row-version.js';
import type { TableRules } from './table-schema.js';
import type { TableDefinition } from './wire-messages.js';

/** How rows of a definition go into the table that bears its name here. */
export interface Fit {
  readonly table: ReplicatedTable;
  /** Columns in the table's order, stamps by column id; NULL where the sender has no such column. */
  readonly toLocal: (row: VersionedRow) => VersionedRow;
  /** Places of the table's columns that the sender does not have. */
  readonly lacking: readonly number[];
}

/** What keeps rows of a definition out of this node's table, for an operator. */
export interface Misfit {
  readonly why: string;
}

/** Finds out whether rows of a definition can be held. A column more on this side is no hindrance, one less is. */
export function fitOf(table: ReplicatedTable | undefined, definition: TableDefinition): Fit | Misfit {
  if (table === undefined) return { why: 'the table is missing here, or does not replicate' };
  const own = table.definition;
  const isSameKey = sameJson(definition.key, own.key) && sameJson(definition.collations, own.collations);
  if (!isSameKey) return { why: 'the key is another one here' };
  const places = definition.columns.map((name) => own.columns.indexOf(name));
  const missing = definition.columns.filter((_, i) => (places[i] as number) < 0);
  if (missing.length > 0) return { why: `missing here: ${missing.join(', ')}` };
  const other = definition.columns.filter((_, i) => definition.affinities[i] !== own.affinities[places[i] as number]);
  if (other.length > 0) return { why: `of another type here: ${other.join(', ')}` };
  const lacking = own.columns.flatMap((name, place) => (definition.columns.includes(name) ? [] : [place]));
  return { table, toLocal: mapColumns(table, definition.columns), lacking };
}

function sameJson(x: readonly string[], y: readonly string[]): boolean {
  return JSON.stringify(x) === JSON.stringify(y);
}

function mapColumns(table: ReplicatedTable, columns: readonly string[]): (row: VersionedRow) => VersionedRow {
  const { definition, columnIds } = table;
  const places = definition.columns.map((name) => columns.indexOf(name));
  const idByPlace = columns.map((name) => columnIds[definition.columns.indexOf(name)] as number);
  const sameOrder = places.every((place, i) => place === i);
  const sameIds = idByPlace.every((id, place) => id === place);
  if (sameOrder && sameIds) return (row) => row;
  return ({ version, image }) => ({
    version: withColumnIds(version, (place) => idByPlace[place]),
    image: image === null || sameOrder ? image : places.map((place) => image[place] ?? null),
  });
}

/**
 * The same for a row that was kept while the table's columns changed: a column that is new takes its default, one that
 * is gone leaves nothing behind.
 */
export function mapKeptColumns(
  table: ReplicatedTable,
  columns: readonly string[],
): (row: VersionedRow) => VersionedRow {
  const { definition, columnIds } = table;
  const places = definition.columns.map((name) => columns.indexOf(name));
  const idByPlace = columns.map((name) => columnIds[definition.columns.indexOf(name)]);
  const added = places.flatMap((place, i) => (place < 0 ? [columnIds[i] as number] : []));
  return ({ version, image }) => ({
    version: withUnsaid(
      withColumnIds(version, (place) => idByPlace[place]),
      added,
      table.captured.rules,
    ),
    image:
      image === null ? null : places.map((place, i) => (place < 0 ? table.defaultOf(i) : (image[place] as SqlValue))),
  });
}

/** The version without a word of these columns. A merge goes by their own stamps. */
export function withUnsaid(
  version: RowVersion,
  columns: readonly number[],
  { strategy }: Pick<TableRules, 'strategy'>,
): RowVersion {
  if (strategy === 'merge' || columns.length === 0 || !version.alive) return version;
  const none = columns.map((id) => [id, null] as const);
  return { ...version, unsaid: new Map([...none, ...(version.unsaid ?? [])]) };
}
