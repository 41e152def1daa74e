/** How many conflicts there are of each sort. */
import type { Database, Statement } from 'better-sqlite3';
import { CONFLICT_KINDS, CONFLICT_TABLE } from './conflict-record.js';
import { CONFLICT_STATE, CONFLICT_STATES, type ConflictState } from './conflict-state.js';
import type { Slices } from './slices.js';

/** Records that are here. Every kind and strategy that there is has its number, also where that is none. */
export interface ConflictCounts extends Readonly<Record<ConflictState, number>> {
  readonly byKind: Readonly<Record<string, number>>;
  readonly byStrategy: Readonly<Record<string, number>>;
}

/** How many have one kind and strategy. */
export interface ConflictGroup {
  readonly kind: string;
  readonly strategy: string;
  readonly count: number;
}

const STRATEGIES = ['merge', 'lww', 'version', 'manual'] as const;

/** Records looked at in one go. */
const SLICE_ROWS_MAX = 5_000;

/** In the order of an index that holds all but the state, so that no image is looked at. */
const SELECT_SLICE = `SELECT c.detected_at, c.id, c.kind, c.strategy, ${CONFLICT_STATE} FROM ${CONFLICT_TABLE.name} AS c
  WHERE (c.detected_at, c.id) > (?, ?) ORDER BY c.detected_at, c.id LIMIT ?`;

type SliceRow = readonly [detectedAt: number, id: string, kind: string, strategy: string, state: ConflictState];

/** Counts in slices; also in groups, which tell of each kind by what strategy it was settled. */
export function* countConflicts(db: Database): Slices<{ counts: ConflictCounts; groups: ConflictGroup[] }> {
  const select = db.prepare(SELECT_SLICE).raw() as unknown as Statement<[number, string, number], SliceRow>;
  const states = Object.fromEntries(CONFLICT_STATES.map((state) => [state, 0])) as Record<ConflictState, number>;
  const groups: ConflictGroup[] = [];
  for (let [atMs, id] = [-1, '']; ; ) {
    const slice = select.all(atMs, id, SLICE_ROWS_MAX);
    for (const [, , kind, strategy, state] of slice) {
      states[state] += 1;
      addTo(groups, { kind, strategy, count: 1 });
    }
    const last = slice.at(-1);
    if (last === undefined || slice.length < SLICE_ROWS_MAX) break;
    [atMs, id] = last;
    yield;
  }
  return { counts: { ...states, ...sums(groups) }, groups };
}

/** Adds a group's count to the groups. */
export function addTo(groups: ConflictGroup[], added: ConflictGroup): void {
  const at = groups.findIndex(({ kind, strategy }) => kind === added.kind && strategy === added.strategy);
  const known = groups[at];
  if (known === undefined) groups.push(added);
  else groups[at] = { ...known, count: known.count + added.count };
}

function sums(groups: readonly ConflictGroup[]): Pick<ConflictCounts, 'byKind' | 'byStrategy'> {
  const none = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 0]));
  const byKind: Record<string, number> = none(CONFLICT_KINDS);
  const byStrategy: Record<string, number> = none(STRATEGIES);
  for (const { kind, strategy, count } of groups) {
    byKind[kind] = (byKind[kind] ?? 0) + count;
    byStrategy[strategy] = (byStrategy[strategy] ?? 0) + count;
  }
  return { byKind, byStrategy };
}
