/** The changes that wait in a node's quarantine, read from its file whoever serves it. */
import type { DatabaseConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { cursorOf, type Page, placeOf } from '../page.js';
import { readNodeIdentity } from '../replication/file-contents.js';
import { type KeptChange, keptIds, keptIdsLike, readKeptChange, readKeptChanges } from '../replication/kept-changes.js';
import { notInitialised } from './assert-initialised.js';
import type { Machine } from './machine.js';

/** A change as `--json` prints it. Times are RFC 3339 UTC. */
export interface QuarantinedChange
  extends Pick<KeptChange, 'id' | 'table' | 'key' | 'reason' | 'error' | 'node' | 'row'> {
  readonly database: string;
  /** When a version of the row was first kept aside here. */
  readonly since: string;
  /** When `node` wrote it. */
  readonly at: string;
}

export interface QuarantineQuery {
  readonly table: string | undefined;
  readonly cursor: string | undefined;
  readonly limit: number;
}

type Deps = Pick<Machine, 'files'>;

/** By table, then by key. */
export function listQuarantine(
  { name, path }: DatabaseConfig,
  { table, cursor, limit }: QuarantineQuery,
  { files }: Deps,
): Page<QuarantinedChange> {
  const [tbl, key] = cursor === undefined ? [] : placeOf(cursor, ['number', 'string']);
  const after = cursor === undefined ? null : { tbl: tbl as number, key: key as string };
  return files.withSnapshot(path, (db) => {
    if (readNodeIdentity(db) === null) throw notInitialised(path);
    const { changes, total, next } = readKeptChanges(db, { table: table ?? null, after, limit });
    return {
      items: changes.map((change) => toReport(name, change)),
      total,
      nextCursor: next === null ? null : cursorOf([next.tbl, next.key]),
    };
  });
}

function toReport(database: string, { sinceMs, atMs, ...change }: KeptChange): QuarantinedChange {
  const { id, table, key, reason, error, node, row } = change;
  const [since, at] = [sinceMs, atMs].map((ms) => new Date(ms).toISOString()) as [string, string];
  return { id, database, table, key, reason, error, since, node, at, row };
}

/** A change that is meant, without its image: there may be many. */
export type ChosenChange = Omit<QuarantinedChange, 'row'>;

/** Which changes are meant. */
export interface QuarantineChoice {
  /** Ids, or beginnings of ids that only one has. */
  readonly ids: readonly string[];
  readonly all: boolean;
  /** With `all`: of this table only. */
  readonly table: string | undefined;
}

/** Fewer digits might soon be another's too. */
const DIGITS_MIN = 4;

/**
 * The changes that are meant, in their order. Throws `usage` when nothing is said or too much, and `quarantine-unknown`,
 * before anything is done, when one of them is not there.
 */
export function chooseQuarantined(
  { name, path }: DatabaseConfig,
  choice: QuarantineChoice,
  { files }: Deps,
): ChosenChange[] {
  assertChoice(choice);
  return files.withSnapshot(path, (db) => {
    if (readNodeIdentity(db) === null) throw notInitialised(path);
    const ids = choice.all
      ? keptIds(db, choice.table ?? null)
      : [...new Set(choice.ids.map((digits) => onlyOne(digits, keptIdsLike(db, digits))))];
    return ids.flatMap((id) => {
      const change = readKeptChange(db, id);
      if (change === undefined) return [];
      const { row: _, ...chosen } = toReport(name, change);
      return chosen;
    });
  });
}

function assertChoice({ ids, all, table }: QuarantineChoice): void {
  if (all && ids.length > 0) throw new SqlsyncError('usage', 'either ids or --all, not both');
  if (!all && ids.length === 0) {
    throw new SqlsyncError('usage', 'which changes? Name their ids, or all of them with --all', {
      hint: '`sqlsync quarantine` lists them.',
    });
  }
  if (table !== undefined && !all) throw new SqlsyncError('usage', '--table goes with --all');
  const bad = ids.find((id) => !/^[0-9a-f]+$/.test(id) || id.length < DIGITS_MIN);
  if (bad === undefined) return;
  throw new SqlsyncError('usage', `"${bad}" is no id: at least ${DIGITS_MIN} of the digits 0 to 9 and a to f`);
}

function onlyOne(digits: string, found: readonly string[]): string {
  const [id] = found;
  if (id === undefined) {
    throw new SqlsyncError('quarantine-unknown', `no quarantined change has the id ${digits}`, {
      hint: 'It may have gone in by itself, or a newer change has taken its place: `sqlsync quarantine` shows what waits.',
    });
  }
  if (found.length === 1) return id;
  throw new SqlsyncError('usage', `more than one id begins with ${digits}`, { hint: 'Type more of it.' });
}
