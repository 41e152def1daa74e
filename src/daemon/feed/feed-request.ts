/** What a subscriber of the feed asks for, in the query of its address. */
import { z } from 'zod';
import { SqlsyncError } from '../../errors.js';
import { parseMoment } from '../../list-flags.js';
import type { FeedQuery } from './change-feed.js';

const TEXT_CHARS_MAX = 10_000;
const TABLES_MAX = 1_000;

const text = z.string().max(TEXT_CHARS_MAX);

const querySchema = z.strictObject({
  /** May be left out where a node serves one database only. */
  database: text.optional(),
  /** Once for each table; none: all. */
  table: z.union([text, z.array(text).max(TABLES_MAX)]).optional(),
  key: text.optional(),
  /** A cursor or an HLC. */
  after: text.optional(),
  /** A time, or so long ago. */
  since: text.optional(),
});

export interface FeedRequest {
  readonly database: string | null;
  readonly query: FeedQuery;
}

/**
 * @param lastEventId what an event source sends when it connects again: goes before `after`
 * Throws `usage`.
 */
export function parseFeedRequest(query: unknown, lastEventId: string | undefined): FeedRequest {
  const parsed = querySchema.safeParse(query);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new SqlsyncError('usage', `the query is wrong: ${issue?.path.join('.') ?? ''} ${issue?.message}`, {
      hint: 'docs/feed.md says what may be asked for',
    });
  }
  const { database = null, table = [], key, after, since } = parsed.data;
  const sinceMs = since === undefined ? undefined : parseMoment(since, Date.now());
  if (sinceMs === null) throw new SqlsyncError('usage', `"${since}" is no time`, { hint: 'as in 2h or in RFC 3339' });
  const from = lastEventId ?? after ?? null;
  return { database, query: { tables: [table].flat(), key, sinceMs, from } };
}
