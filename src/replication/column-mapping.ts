/**
 * From a definition's columns to the table's own: rows come with their columns in the sender's order, and with column
 * stamps by place.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import type { ReplicatedTable } from './replicated-table.js';
import type { RowVersion, SqlValue, VersionedRow } from './row-version.js';
import type { Stamp } from './stamp.js';

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

/**
 * The same for a row that was kept while the table's columns changed: a column that is new takes its default, one that
 * is gone leaves nothing behind.
 */
export function mapKeptColumns(
  table: ReplicatedTable,
  columns: readonly string[],
  defaultOf: (column: string) => SqlValue,
): (row: VersionedRow) => VersionedRow {
  const { definition, columnIds } = table;
  const places = definition.columns.map((name) => columns.indexOf(name));
  const idByPlace = columns.map((name) => columnIds[definition.columns.indexOf(name)]);
  return ({ version, image }) => ({
    version: withColumnIds(version, idByPlace),
    image:
      image === null
        ? null
        : places.map((place, i) =>
            place < 0 ? defaultOf(definition.columns[i] as string) : (image[place] as SqlValue),
          ),
  });
}

/** The value that a column takes when a row does not give one. */
export function columnDefault(db: Database, { captured }: ReplicatedTable, column: string): SqlValue {
  const sql = captured.schema.columns.find(({ name }) => name === column)?.defaultSql ?? 'NULL';
  return db.prepare(`SELECT ${sql}`).pluck().safeIntegers().get() as SqlValue;
}

function withColumnIds(version: RowVersion, idByPlace: readonly (number | undefined)[]): RowVersion {
  if (version.columnStamps === null) return version;
  const columnStamps = new Map<number, Stamp>();
  for (const [place, stamp] of version.columnStamps) {
    const id = idByPlace[place];
    if (id !== undefined) columnStamps.set(id, stamp);
  }
  return { ...version, columnStamps };
}
