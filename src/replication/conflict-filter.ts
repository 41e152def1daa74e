/** Which conflicts are meant: what filters select, as SQL over the record `c`. */
import type { ConflictKind } from './conflict-record.js';
import { CONFLICT_STATE, type ConflictState } from './conflict-state.js';

/** What is undefined is not asked for. */
export interface ConflictFilter {
  readonly table?: string | undefined;
  readonly kind?: ConflictKind | undefined;
  /** One of the colliding columns. */
  readonly column?: string | undefined;
  /** The node that wrote one of the sides. */
  readonly node?: string | undefined;
  readonly states?: readonly ConflictState[] | undefined;
  /** When it was found, in Unix milliseconds: from the first on, before the second. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

export interface FilterSql {
  /** A condition; `true` when everything is meant. */
  readonly where: string;
  readonly parameters: Readonly<Record<string, string | number>>;
}

const CONDITIONS = {
  table: 'c.tbl = @table',
  kind: 'c.kind = @kind',
  column: 'EXISTS(SELECT 1 FROM temp.json_each(c.columns) AS named WHERE named.value = @column)',
  node: `@node IN (c.winner ->> '$.node', c.loser ->> '$.node')`,
  sinceMs: 'c.detected_at >= @sinceMs',
  untilMs: 'c.detected_at < @untilMs',
} as const;

export function filterSql({ states, ...filter }: ConflictFilter): FilterSql {
  const asked = Object.entries(filter).filter((entry): entry is [string, string | number] => entry[1] !== undefined);
  const conditions: string[] = asked.map(([name]) => CONDITIONS[name as keyof typeof CONDITIONS]);
  const parameters: Record<string, string | number> = Object.fromEntries(asked);
  if (states !== undefined) {
    const names = states.map((_, i) => `@state${i}`);
    conditions.push(`${CONFLICT_STATE} IN (${names.join(', ')})`);
    for (const [i, state] of states.entries()) parameters[`state${i}`] = state;
  }
  return { where: conditions.join(' AND ') || 'true', parameters };
}
