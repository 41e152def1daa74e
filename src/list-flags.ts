/** Flags of commands that list: how much, from where on, since when. */
import { Flags } from '@oclif/core';
import { parseDurationMs } from './duration.js';
import { SqlsyncError } from './errors.js';

/** What one document holds at most. */
const ITEMS_MAX = 10_000;

/** RFC 3339 with its zone (https://www.rfc-editor.org/rfc/rfc3339, section 5.6), or a day, which begins in UTC. */
const TIMESTAMP = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/i;

/** A moment in Unix milliseconds: a time as in RFC 3339, or so long before now. */
export function parseMoment(text: string, nowMs: number): number | null {
  const agoMs = parseDurationMs(text);
  if (agoMs !== null) return nowMs - agoMs;
  const atMs = TIMESTAMP.test(text) ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
  return Number.isNaN(atMs) ? null : atMs;
}

/** A flag that takes a moment and gives Unix milliseconds. */
export const momentFlag = Flags.custom<number>({
  helpValue: 'TIME',
  parse: async (text) => {
    const atMs = parseMoment(text, Date.now());
    if (atMs !== null) return atMs;
    throw new SqlsyncError('usage', `"${text}" is no time`, {
      hint: 'Write it like 2026-05-01T12:00:00Z, or like 2h for two hours ago.',
    });
  },
});

export const pageFlags = {
  limit: Flags.integer({
    summary: 'List no more than this many.',
    helpValue: 'N',
    min: 1,
    max: ITEMS_MAX,
    default: 50,
  }),
  cursor: Flags.string({ summary: 'Go on where an earlier list ended: its nextCursor.', helpValue: 'CURSOR' }),
};
