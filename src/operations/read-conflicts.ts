/** The conflicts of a database: a page of them, one with all that is known of it, or how many of what. */
import type { DatabaseConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { cursorOf, type Page, placeOf } from '../page.js';
import type { ConflictFilter } from '../replication/conflict-filter.js';
import { type ConflictCount, ConflictInbox, type InboxPlace } from '../replication/conflict-inbox.js';
import { readConflictNow } from '../replication/conflict-now.js';
import { identityIn } from './assert-initialised.js';
import {
  type ConflictDetail,
  type ConflictReport,
  type ConflictSummary,
  conflictReport,
  detailReport,
  resolutionReport,
  type StateCounts,
} from './conflict-report.js';
import type { DatabaseFiles } from './database-files.js';

const ID_CHARS = 32;
/** Shorter beginnings of an id are too likely to mean another. */
const ID_CHARS_MIN = 4;
/** Named where the beginning of an id fits several. */
const CANDIDATES_MAX = 3;
const DAY_MS = 86_400_000;

type Files = Pick<DatabaseFiles, 'withSnapshot'>;

export type ConflictPage = Page<ConflictReport>;

function withInbox<Result>({ path }: DatabaseConfig, files: Files, read: (inbox: ConflictInbox) => Result): Result {
  return files.withSnapshot(path, (db) => {
    identityIn(db, path);
    return read(new ConflictInbox(db));
  });
}

export function listConflicts(
  database: DatabaseConfig,
  query: { readonly filter: ConflictFilter; readonly limit: number; readonly cursor: string | undefined },
  files: Files,
): ConflictPage {
  const after = query.cursor === undefined ? null : inboxPlace(query.cursor);
  return withInbox(database, files, (inbox) => {
    // One more than asked for tells whether there is another page.
    const found = inbox.page(query.filter, after, query.limit + 1);
    const shown = found.slice(0, query.limit);
    const last = shown.at(-1);
    return {
      items: shown.map((conflict) => conflictReport(database.name, conflict)),
      total: inbox.count(query.filter),
      nextCursor: found.length > shown.length && last !== undefined ? cursorOf([last.detectedAtMs, last.id]) : null,
    };
  });
}

function inboxPlace(cursor: string): InboxPlace {
  const [detectedAtMs, id] = placeOf(cursor, ['number', 'string']);
  return { detectedAtMs: detectedAtMs as number, id: id as string };
}

/** The ids of all that the filter selects, newest first. */
export function conflictIds(database: DatabaseConfig, filter: ConflictFilter, files: Files): string[] {
  return withInbox(database, files, (inbox) => inbox.ids(filter));
}

/**
 * The whole ids of those given, each once: their beginnings will do. Throws `usage` for what cannot be an id and for a
 * beginning that fits several; what fits none stays as it is.
 */
export function expandConflictIds(database: DatabaseConfig, given: readonly string[], files: Files): string[] {
  return withInbox(database, files, (inbox) => [...new Set(given.map((text) => expandId(inbox, text)))]);
}

function expandId(inbox: ConflictInbox, given: string): string {
  const text = given.toLowerCase();
  if (!/^[0-9a-f]+$/.test(text) || text.length < ID_CHARS_MIN || text.length > ID_CHARS) {
    throw new SqlsyncError('usage', `"${given}" is no conflict's id`, {
      hint: `Ids have ${ID_CHARS} hexadecimal digits, of which the first ${ID_CHARS_MIN} or more will do; \`sqlsync conflicts\` lists them.`,
    });
  }
  if (text.length === ID_CHARS) return text;
  const found = inbox.idsBeginning(text, CANDIDATES_MAX + 1);
  if (found.length < 2) return found[0] ?? text;
  const more = found.length > CANDIDATES_MAX ? ' …' : '';
  throw new SqlsyncError(
    'usage',
    `several conflicts begin with ${given}: ${found.slice(0, CANDIDATES_MAX).join(' ')}${more}`,
    {
      hint: 'Give more of the id.',
    },
  );
}

/** Throws `conflict-unknown`. */
export function showConflict(database: DatabaseConfig, given: string, files: Files): ConflictDetail {
  const { name, path } = database;
  return files.withSnapshot(path, (db) => {
    identityIn(db, path);
    const inbox = new ConflictInbox(db);
    const conflict = inbox.get(expandId(inbox, given));
    if (conflict === null) {
      throw new SqlsyncError('conflict-unknown', `${name} has no conflict ${given}`, {
        hint: 'Type `sqlsync conflicts` for those that there are.',
      });
    }
    const resolutions = inbox.resolutions(conflict.id);
    const { columns, row, winnerRow, changed } = readConflictNow(db, conflict, resolutions);
    return {
      ...conflictReport(name, conflict),
      tableColumns: columns,
      detail: detailReport(conflict.detail),
      loserStands: conflict.loser.stands ?? [],
      now: row,
      winnerNow: winnerRow,
      changed,
      resolutions: resolutions.map(resolutionReport),
    };
  });
}

export function summariseConflicts(database: DatabaseConfig, filter: ConflictFilter, files: Files): ConflictSummary {
  const counts = withInbox(database, files, (inbox) => inbox.counts(filter));
  const byTable = groupBy(counts, ({ table }) => table);
  const byKind = groupBy(counts, ({ kind }) => kind);
  const byDay = groupBy(counts, ({ day }) => day);
  return {
    database: database.name,
    ...stateCounts(counts),
    byTable: [...byTable].map(([table, group]) => ({ table, ...stateCounts(group) })).sort(mostFirst),
    byKind: [...byKind].map(([kind, group]) => ({ kind, ...stateCounts(group) })).sort(mostFirst),
    byNode: nodeCounts(counts).sort(mostFirst),
    byDay: [...byDay]
      .sort(([x], [y]) => y - x)
      .map(([day, group]) => ({ day: new Date(day * DAY_MS).toISOString().slice(0, 10), ...stateCounts(group) })),
  };
}

function nodeCounts(counts: readonly ConflictCount[]) {
  const nodes = new Set(counts.flatMap(({ winnerNode, loserNode }) => [winnerNode, loserNode]));
  return [...nodes].map((node) => {
    const won = counts.filter(({ winnerNode }) => winnerNode === node);
    const lost = counts.filter(({ loserNode }) => loserNode === node);
    const either = counts.filter(({ winnerNode, loserNode }) => winnerNode === node || loserNode === node);
    return { node, ...stateCounts(either), won: sum(won), lost: sum(lost) };
  });
}

function stateCounts(counts: readonly ConflictCount[]): StateCounts {
  const inState = (state: ConflictCount['state']) => sum(counts.filter((count) => count.state === state));
  return { total: sum(counts), open: inState('open'), auto: inState('auto'), resolved: inState('resolved') };
}

function sum(counts: readonly ConflictCount[]): number {
  return counts.reduce((total, { conflicts }) => total + conflicts, 0);
}

function mostFirst(x: StateCounts, y: StateCounts): number {
  return y.total - x.total;
}

function groupBy<Key>(
  counts: readonly ConflictCount[],
  keyOf: (count: ConflictCount) => Key,
): Map<Key, ConflictCount[]> {
  const groups = new Map<Key, ConflictCount[]>();
  for (const count of counts) {
    const group = groups.get(keyOf(count));
    if (group === undefined) groups.set(keyOf(count), [count]);
    else group.push(count);
  }
  return groups;
}
