/** What a node knows of tables that are not there under the name that they had. Read with the schema. */
import type { Database } from 'better-sqlite3';
import { tableNames } from './inspect-capture.js';
import { metadataTable } from './metadata-schema.js';
import { isOurs } from './read-schema.js';
import { readRegistryEntries } from './registry.js';

export interface TableHistory {
  /** Is a table of this name there, replicated or not, in whatever case? */
  readonly has: (name: string) => boolean;
  /** Names of captured tables that are gone → their numbers, if what is known of their rows is still there. */
  readonly dropped: ReadonlyMap<string, number | null>;
  /** A name that no table has any more → the one that the table has now. */
  readonly renamed: ReadonlyMap<string, string>;
}

export function readTableHistory(db: Database): TableHistory {
  const names = tableNames(db);
  const present = new Set([...names].map((name) => name.toLowerCase()));
  const has = (name: string) => present.has(name.toLowerCase());
  const entries = readRegistryEntries(db).filter(({ name }) => !isOurs(name));
  return {
    has,
    dropped: new Map(
      entries
        .filter(({ name }) => !has(name))
        .map(({ name, id }) => [name, names.has(metadataTable(id)) ? id : null] as const),
    ),
    renamed: new Map(
      entries
        .filter(({ name }) => has(name))
        .flatMap(({ name, former }) => former.filter((old) => !has(old)).map((old) => [old, name] as const)),
    ),
  };
}

/** The table's name, and those that it had before it was renamed, here or on another node. */
export function namesOf(
  table: string,
  { has, renamed }: TableHistory,
  renamedThere: Readonly<Record<string, string>>,
): string[] {
  const former = [...renamed, ...Object.entries(renamedThere)]
    .filter(([name, now]) => now === table && !has(name))
    .map(([name]) => name);
  return [table, ...new Set(former)];
}
