/**
 * Retention of what is closed: conflict records with their resolutions, and what operators did. A record goes when it has
 * been closed for long enough and every member has it: then nobody ships it any more, so removing it is this node's own
 * affair and no change that travels. What is open stays, however old.
 */
import type { Statement } from 'better-sqlite3';
import { addTo, type ConflictGroup } from './conflict-count.js';
import { CONFLICT_STATE } from './conflict-state.js';
import type { Engine } from './engine.js';
import { INTERNAL_TABLES, metadataTable } from './metadata-schema.js';

const [, , CONFLICT_TABLE, RESOLUTION_TABLE, OPERATION_TABLE, , ABSENCE_TABLE] = INTERNAL_TABLES;

/** What is older goes: Unix milliseconds. */
export interface RecordAges {
  readonly conflictsBeforeMs: number;
  readonly operationsBeforeMs: number;
}

/** Is the row with this id settled: has every member acknowledged it? */
const isSettled = (tableId: number, id: string): string =>
  `NOT EXISTS (SELECT 1 FROM ${metadataTable(tableId)} AS m WHERE m.k1 = ${id})`;

const RESOLUTIONS_OF = `FROM ${RESOLUTION_TABLE.name} AS r WHERE r.conflict = c.id`;

/** Records of one table in order of age; `goes` judges those that are old enough. */
interface Phase {
  readonly age: keyof RecordAges;
  readonly table: string;
  readonly time: string;
  readonly goes: string;
  readonly sort: string;
}

const PHASES: readonly Phase[] = [
  {
    age: 'conflictsBeforeMs',
    table: CONFLICT_TABLE.name,
    time: 'detected_at',
    // A decision closes a conflict anew, and so does taking one back.
    goes:
      `${CONFLICT_STATE} <> 'open' AND ${isSettled(CONFLICT_TABLE.id, 'c.id')} AND NOT EXISTS ` +
      `(SELECT 1 ${RESOLUTIONS_OF} AND (r.at >= @before OR NOT ${isSettled(RESOLUTION_TABLE.id, 'r.id')}))`,
    sort: 'c.kind, c.strategy',
  },
  {
    age: 'conflictsBeforeMs',
    table: RESOLUTION_TABLE.name,
    time: 'at',
    // Another node decided about a conflict that had gone here already.
    goes:
      `${isSettled(RESOLUTION_TABLE.id, 'c.id')} AND NOT EXISTS ` +
      `(SELECT 1 FROM ${CONFLICT_TABLE.name} AS o WHERE o.id = c.conflict)`,
    sort: 'NULL, NULL',
  },
  {
    age: 'operationsBeforeMs',
    table: OPERATION_TABLE.name,
    time: 'at',
    goes: isSettled(OPERATION_TABLE.id, 'c.id'),
    sort: 'NULL, NULL',
  },
  {
    age: 'operationsBeforeMs',
    table: ABSENCE_TABLE.name,
    time: 'at',
    // Settled with all that was written before: no node holds any of the rows that it was said about.
    goes: isSettled(ABSENCE_TABLE.id, 'c.id'),
    sort: 'NULL, NULL',
  },
];

type Row = readonly [time: number, id: string, goes: 0 | 1, kind: string, strategy: string];
type Range = { readonly before: number; readonly afterMs: number; readonly afterId: string; readonly limit: number };

export class RecordPruning {
  private phases = [...PHASES];
  private after = { afterMs: -1, afterId: '' };

  constructor(
    private readonly engine: Engine,
    private readonly ages: RecordAges,
  ) {}

  /** Looks at a bounded number of records, in a transaction of its own, and removes those that may go. */
  step(limit: number): { removed: number; more: boolean } {
    const [phase] = this.phases;
    if (phase === undefined) return { removed: 0, more: false };
    const rows = this.engine.writeTransaction(() => {
      // What is not folded yet has no metadata either, and would pass for settled.
      if (!this.engine.foldBeforeApply()) return null;
      const seen = this.select(phase).all({ before: this.ages[phase.age], ...this.after, limit });
      this.remove(
        phase,
        seen.filter(([, , goes]) => goes === 1),
      );
      return seen;
    });
    if (rows === null) return { removed: 0, more: true };
    const last = rows.at(-1);
    if (last === undefined || rows.length < limit) this.phases.shift();
    this.after =
      last === undefined || rows.length < limit ? { afterMs: -1, afterId: '' } : { afterMs: last[0], afterId: last[1] };
    return { removed: rows.filter(([, , goes]) => goes === 1).length, more: this.phases.length > 0 };
  }

  private select({ table, time, goes, sort }: Phase): Statement<[Range], Row> {
    return this.engine.options.writer
      .prepare(
        `SELECT c.${time}, c.id, ${goes}, ${sort} FROM ${table} AS c ` +
          `WHERE c.${time} < @before AND (c.${time}, c.id) > (@afterMs, @afterId) ORDER BY c.${time}, c.id LIMIT @limit`,
      )
      .raw() as unknown as Statement<[Range], Row>;
  }

  private remove({ table }: Phase, rows: readonly Row[]): void {
    const { writer } = this.engine.options;
    const removeOne = writer.prepare<[string]>(`DELETE FROM ${table} WHERE id = ?`);
    const removeResolutions = writer.prepare<[string]>(`DELETE FROM ${RESOLUTION_TABLE.name} WHERE conflict = ?`);
    for (const [, id] of rows) {
      removeOne.run(id);
      if (table === CONFLICT_TABLE.name) removeResolutions.run(id);
    }
    if (table === CONFLICT_TABLE.name) this.countRemoved(rows);
  }

  /** How many conflicts there have been must not shrink. */
  private countRemoved(rows: readonly Row[]): void {
    if (rows.length === 0) return;
    const { state } = this.engine;
    const groups = removedConflicts(state.get('removed_conflicts'));
    for (const [, , , kind, strategy] of rows) addTo(groups, { kind, strategy, count: 1 });
    state.set('removed_conflicts', JSON.stringify(groups));
  }
}

/** What the fact `removed_conflicts` says. */
export function removedConflicts(fact: string | undefined): ConflictGroup[] {
  return fact === undefined || fact === '' ? [] : (JSON.parse(fact) as ConflictGroup[]);
}
