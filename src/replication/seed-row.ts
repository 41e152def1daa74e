/** A row of a file that is about to be replaced, and the same row in the seed that replaces it, in one shape. */
import type { LeftRow, TableOfFile } from './left-behind.js';
import type { ReplicatedTable } from './replicated-table.js';
import { columnStampOf, type RowVersion, type SqlValue, type VersionedRow, withColumnIds } from './row-version.js';
import type { SeedKnowledge } from './seed-knowledge.js';
import { type Stamp, settledStamp } from './stamp.js';

/** In the order of the seed's columns. Undefined: the file had no such column. */
export type PartialImage = readonly (SqlValue | undefined)[];

export interface RowOfFile {
  readonly version: RowVersion;
  /** Null: a deletion. */
  readonly image: PartialImage | null;
  readonly stamps: readonly Stamp[];
  /** Has a write of this node's no column in the seed, or one of another type? Then the seed's table cannot hold it as it is. */
  readonly lost: boolean;
}

/** A row of the file as the seed's table has it: columns in its order, stamps by its numbers. */
export function asInSeed(
  { table: before, version, image }: LeftRow,
  table: ReplicatedTable,
  knowledge: SeedKnowledge,
): RowOfFile {
  const places = table.definition.columns.map((name) => before.definition.columns.indexOf(name));
  const ids = places.map((place) => before.columnIds[place]);
  const idOf = new Map(ids.flatMap((id, i) => (id === undefined ? [] : [[id, table.columnIds[i] as number] as const])));
  const isOwn = (id: number) => knowledge.whereabouts(columnStampOf(version, id)) === 'only-here';
  const isLost = (id: number, place: number) => {
    // A new row says nothing with a NULL.
    const isSaid = image?.[place] !== null || columnStampOf(version, id) !== version.life;
    return isSaid && !isHeldBy(table, before, place) && isOwn(id);
  };
  return {
    version: withColumnIds(version, (id) => idOf.get(id)),
    image: image === null ? null : places.map((place) => (place < 0 ? undefined : (image[place] as SqlValue))),
    stamps: ids.map((id) => (id === undefined ? version.life : columnStampOf(version, id))),
    lost: image !== null && before.columnIds.some(isLost),
  };
}

/** Can the seed's table hold what is at this place of the file's? */
function isHeldBy({ definition: there }: ReplicatedTable, { definition: here }: TableOfFile, place: number): boolean {
  const at = there.columns.indexOf(here.columns[place] as string);
  return at >= 0 && there.affinities[at] === here.affinities[place];
}

/** What the seed has of a row; null: neither the row nor metadata of it. */
export function rowOfSeed(table: ReplicatedTable, key: readonly SqlValue[], horizon: number): VersionedRow | null {
  const version = table.metadata.get(key);
  const image = table.rows.read(key);
  if (version === undefined && image === null) return null;
  return { version: version ?? settledVersion(horizon), image };
}

export function settledVersion(horizon: number): RowVersion {
  const life = settledStamp(horizon);
  return { alive: true, life, stamp: life, vector: new Map(), columnStamps: null, edits: 0 };
}

/** Of a row that is not there, and of which nothing is known. */
export function nothingThere(horizon: number): VersionedRow {
  return { version: { ...settledVersion(horizon), alive: false }, image: null };
}

/** Columns that the file did not have keep what is there, else take their defaults. */
export function wholeImage(table: ReplicatedTable, image: PartialImage, theirs: VersionedRow | null): SqlValue[] {
  return table.definition.columns.map((_, place) => {
    const values = [image[place], theirs?.image?.[place]];
    const known = values.find((value) => value !== undefined);
    return known === undefined ? table.defaultOf(place) : known;
  });
}
