/** Which conflicts are meant: flags that the commands about conflicts share. */
import { Flags, type Interfaces } from '@oclif/core';
import { parseDurationMs } from '../duration.js';
import { SqlsyncError } from '../errors.js';
import type { ConflictFilter } from '../replication/conflict-filter.js';
import { CONFLICT_KINDS, type ConflictKind } from '../replication/conflict-record.js';
import { CONFLICT_STATES, type ConflictState } from '../replication/conflict-state.js';

/** A date, or a date and time with its zone. */
const RFC3339 = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d))?$/;

/** A flag that takes a time, or how long ago it was, and gives Unix milliseconds. */
const timeFlag = Flags.custom<number>({
  helpValue: 'TIME',
  parse: async (text) => {
    const agoMs = parseDurationMs(text);
    const ms =
      agoMs !== null ? Date.now() - agoMs : RFC3339.test(text) ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
    if (Number.isFinite(ms)) return ms;
    throw new SqlsyncError('usage', `"${text}" is no time`, {
      hint: 'Write it like 2026-01-31T12:00:00Z, or how long ago it was: 30m, 7d.',
    });
  },
});

const helpGroup = 'FILTER';

export const conflictFilterFlags = {
  table: Flags.string({ summary: 'Of this table.', helpGroup }),
  kind: Flags.custom<ConflictKind>({ options: [...CONFLICT_KINDS] })({ summary: 'Of this kind.', helpGroup }),
  column: Flags.string({ summary: 'In which this column collided.', helpGroup }),
  node: Flags.string({ summary: 'In which this node wrote a side.', helpValue: 'NODE', helpGroup }),
  state: Flags.custom<ConflictState>({ options: [...CONFLICT_STATES] })({
    summary: 'open: a person must decide; auto: the strategy has; resolved: a person has.',
    helpGroup,
  }),
  since: timeFlag({ summary: 'Found at this time or later: a time, or how long ago.', helpGroup }),
  until: timeFlag({ summary: 'Found before this time.', helpGroup }),
};

type FilterFlags = Interfaces.InferredFlags<typeof conflictFilterFlags>;

export function filterFrom({ table, kind, column, node, state, since, until }: FilterFlags): ConflictFilter {
  return { table, kind, column, node, states: state && [state], sinceMs: since, untilMs: until };
}

/** Names of those filters that were given. */
export function filtersGiven(flags: FilterFlags): string[] {
  const names = Object.keys(conflictFilterFlags) as (keyof FilterFlags)[];
  return names.filter((name) => flags[name] !== undefined).map((name) => `--${name}`);
}
