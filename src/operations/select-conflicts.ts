/** Which conflicts a decision is about: those named, or all that filters select. */
import type { DatabaseConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import type { ConflictFilter } from '../replication/conflict-filter.js';
import type { DatabaseFiles } from './database-files.js';
import { conflictIds, expandConflictIds } from './read-conflicts.js';

export interface ConflictSelection {
  /** Ids or their beginnings, as they were given; null: none are named, all that the filter selects are meant. */
  readonly ids: readonly string[] | null;
  readonly filter: ConflictFilter;
  /** At most so many, the newest; undefined: all. */
  readonly limit: number | undefined;
}

/** Whole ids. Unless a state is asked for, what somebody has decided is left alone. */
export function selectConflicts(
  database: DatabaseConfig,
  { ids, filter, limit }: ConflictSelection,
  files: DatabaseFiles,
): string[] {
  if (ids !== null) return expandConflictIds(database, ids, files);
  return conflictIds(database, { states: ['open', 'auto'], ...definedOf(filter) }, files).slice(0, limit);
}

function definedOf(filter: ConflictFilter): ConflictFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

/** Throws `usage` unless conflicts are meant in one way: by their ids, or by --all. */
export function assertOneSelection(given: {
  readonly ids: number;
  readonly all: boolean;
  /** Goes through all when none is named. */
  readonly interactive: boolean;
  readonly filters: readonly string[];
}): void {
  const { ids, all, interactive, filters } = given;
  if (ids > 0 && (all || filters.length > 0)) {
    throw new SqlsyncError('usage', `ids and ${all ? '--all' : filters.join(' ')} exclude each other`, {
      hint: 'Name conflicts by their ids, or by --all and filters.',
    });
  }
  if (ids === 0 && !all && !interactive) {
    throw new SqlsyncError('usage', filters.length > 0 ? 'filters need --all' : 'no conflict is named', {
      hint: 'Give ids, here or on standard input, or --all with filters; `sqlsync conflicts` lists them.',
    });
  }
}
