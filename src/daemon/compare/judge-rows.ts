/**
 * Whether rows that may differ do. Each side reads them out of a snapshot in which all is folded, and says what had gone
 * into them and what it had at all. Where each had what went into the other's row, both rows are made of the same writes,
 * and must be equal: if they are not, they differ for good. Otherwise a write is on its way, and nothing is known yet;
 * save for what a read-only node has written, which it does not claim to have, since it never goes anywhere.
 */
import { SqlsyncError } from '../../errors.js';
import { type AnsweredRow, type ComparedTable, KEY_CHARS_MAX } from '../../replication/compare-messages.js';
import {
  type ComparedValue,
  hashOfValues,
  isSameCompared,
  packValues,
  unpackRow,
} from '../../replication/compared-values.js';
import type { JudgedRow } from '../../replication/comparison.js';
import type { SqlValue } from '../../replication/row-version.js';
import { type Standing, standingOf } from '../../replication/staleness.js';
import { nodeOf } from '../../replication/version-vector.js';
import { type Hello, TABLES_BEHIND_MAX } from '../../replication/wire-messages.js';
import { ask, type CompareChannel } from './compare-channel.js';
import type { ComparisonAnswers } from './comparison-answers.js';
import type { Key } from './find-candidates.js';

/** A row that two nodes have unlike. */
export interface DifferingRow {
  readonly key: Key;
  /** Names of the columns that differ; empty where one side has no row. */
  readonly columns: readonly string[];
  /** In the order of the compared columns; null: no row. */
  readonly here: readonly SqlValue[] | null;
  readonly there: readonly ComparedValue[] | null;
  /** The side that has written it and is read-only: nobody takes that. */
  readonly keptBy: 'here' | 'there' | null;
  /** Another node's write went into it that one side at least does not know to be everywhere. */
  readonly isRecent: boolean;
}

export interface Judgement {
  readonly differing: readonly DifferingRow[];
  /** Keys of rows on which a write is on its way. */
  readonly unsettled: readonly Key[];
  /** What the other node had when it was asked. */
  readonly hello: Hello;
}

/** A judgement, or why none of the rows can be judged: those of this table, or of any. */
export type JudgementOrReason = Judgement | { readonly reason: string; readonly ofTable: boolean };

export async function judgeRows(
  own: ComparisonAnswers,
  channel: CompareChannel,
  table: ComparedTable,
  keys: readonly Key[],
): Promise<JudgementOrReason> {
  const differing: DifferingRow[] = [];
  const unsettled: Key[] = [];
  for (let from = 0; ; ) {
    const packed = firstThatFit(keys.slice(from).map(packValues));
    const rest = keys.slice(from, from + packed.length);
    const here = await own.judge(table, rest);
    const there = await ask(channel, { kind: 'rows', table, keys: packed });
    const reason = whyNotComparable(here.hello) ?? whyNotComparable(there.hello);
    if (reason !== null) return { reason, ofTable: false };
    const ofTable = whyNotTable(table.name, here.hello, there.hello);
    if (ofTable !== null) return { reason: ofTable, ofTable: true };
    if (there.rows.length > rest.length) throw new SqlsyncError('batch-damaged', 'more rows came than were asked for');
    const [mine, theirs] = [standingOf(here.hello), standingOf(there.hello)];
    for (const [i, answered] of there.rows.entries()) {
      const judged = here.rows[i] as JudgedRow;
      const key = rest[i] as Key;
      if (isSameRow(judged, answered)) continue;
      const isSettled = isKnown(answered.dots, theirs, mine) && isKnown(judged.vector ?? [], mine, theirs);
      const isKeptHere = !claims(mine, judged.vector ?? []);
      const keptBy = isKeptHere ? 'here' : claims(theirs, answered.dots) ? null : 'there';
      const isRecent = [...(judged.vector ?? []), ...answered.dots].some(
        ([session]) => nodeOf(session) !== here.hello.node,
      );
      if (isSettled) differing.push({ ...unlikeRow(table, judged, answered), key, keptBy, isRecent });
      else unsettled.push(key);
    }
    from += there.rows.length;
    if (from >= keys.length) return { differing, unsettled, hello: there.hello };
  }
}

/** As many keys as a question holds, at least one. */
function firstThatFit(keys: readonly string[]): string[] {
  let room = KEY_CHARS_MAX;
  const end = keys.findIndex((key) => {
    room -= key.length;
    return room < 0;
  });
  return keys.slice(0, end < 0 ? keys.length : Math.max(1, end));
}

/** Why a node's rows say nothing of what it holds; null: they do, but for those of single tables. */
export function whyNotComparable({ node, hold, aside, catchingUp }: Hello): string | null {
  if (catchingUp) return `${node} is in the middle of a large catch-up`;
  // Those beyond the bound are not told.
  if (hold !== null && aside.length >= TABLES_BEHIND_MAX) return `${node} keeps changes of many tables aside`;
  return null;
}

/**
 * Why rows of one table say nothing: of what a node claims to have, some is not in that table. All that it claims of other
 * tables is in those. A table that was renamed may lack what is kept under its former name.
 */
export function whyNotTable(table: string, here: Hello, there: Hello): string | null {
  const renamed = [here, there].flatMap((hello) => Object.entries(hello.renamed));
  for (const { node, aside } of [here, there]) {
    const own = aside.find((name) => name === table || renamed.some(([was, now]) => was === name && now === table));
    if (own !== undefined)
      return `${node} keeps changes of ${own} aside that it could not apply (sqlsync status there)`;
  }
  return null;
}

/** Has `other` all that went into a row of `owner`, as far as `owner` claims to have it? */
function isKnown(dots: Iterable<readonly [session: string, hlc: number]>, owner: Standing, other: Standing): boolean {
  for (const [session, hlc] of dots) if (owner.has(session) >= hlc && other.has(session) < hlc) return false;
  return true;
}

/** Does a node claim to have all that went into a row of its own? */
function claims(owner: Standing, dots: Iterable<readonly [session: string, hlc: number]>): boolean {
  return [...dots].every(([session, hlc]) => owner.has(session) >= hlc);
}

function isSameRow({ image }: JudgedRow, { row }: AnsweredRow): boolean {
  if (image === null || row === null) return image === row;
  return hashOfValues(image) === row.hash;
}

function unlikeRow(
  { columns }: ComparedTable,
  { image }: JudgedRow,
  { row }: AnsweredRow,
): Pick<DifferingRow, 'columns' | 'here' | 'there'> {
  const there = row === null ? null : unpackRow(row, columns.length);
  if (image === null || there === null) return { columns: [], here: image, there };
  const unlike = columns.filter((_, i) => !isSameCompared(image[i] as SqlValue, there[i] as ComparedValue));
  return { columns: unlike, here: image, there };
}
