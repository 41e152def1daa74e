/**
 * From a definition's columns to the table's own: rows come with their columns in the sender's order, and with column
 * stamps by place.
 */
import { SqlsyncError } from '../errors.js';
import type { ReplicatedTable } from './replicated-table.js';
import type { RowVersion, SqlValue, VersionedRow } from './row-version.js';

/**
 * How a row that came with these columns looks in the table: columns in the table's order, stamps by column id.
 * Throws when the columns are not the table's.
 */
export function mapColumns(table: ReplicatedTable, columns: readonly string[]): (row: VersionedRow) => VersionedRow {
  const { definition, columnIds } = table;
  const places = definition.columns.map((name) => columns.indexOf(name));
  if (places.includes(-1) || columns.length !== definition.columns.length) {
    throw new SqlsyncError('batch-refused', `the columns sent for table ${definition.name} are not those it has here`);
  }
  const idByPlace = columns.map((name) => columnIds[definition.columns.indexOf(name)] as number);
  const sameOrder = places.every((place, i) => place === i);
  const sameIds = idByPlace.every((id, place) => id === place);
  if (sameOrder && sameIds) return (row) => row;
  return ({ version, image }) => ({
    version: withColumnIds(version, idByPlace),
    image: image === null || sameOrder ? image : places.map((place) => image[place] as SqlValue),
  });
}

function withColumnIds(version: RowVersion, idByPlace: readonly number[]): RowVersion {
  if (version.columnStamps === null) return version;
  const entries = [...version.columnStamps].map(([place, stamp]) => [idByPlace[place] as number, stamp] as const);
  return { ...version, columnStamps: new Map(entries) };
}
