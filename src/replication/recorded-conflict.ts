/** Conflicts and their resolutions as they are read back from their tables. */
import type { ConflictDetail, ConflictKind, RecordedSide, SettledBy } from './conflict-record.js';
import type { ConflictState, ResolutionChoice } from './conflict-state.js';
import type { JsonValue } from './json-values.js';

/** Column name → value: a row, or some columns of one. */
export type JsonRow = Readonly<Record<string, JsonValue>>;

/** A row of the application as it was at some time; null: there was none. */
export interface RowState {
  readonly table: string;
  readonly key: JsonRow;
  readonly row: JsonRow | null;
}

/** Who decided, and what. */
export interface ResolutionMark {
  readonly choice: ResolutionChoice;
  readonly node: string;
  readonly operator: string;
  readonly atMs: number;
}

export interface RecordedResolution extends ResolutionMark {
  readonly id: string;
  /** The rows that it changed, as they were and as it left them, in the order in which it did. */
  readonly before: readonly RowState[];
  readonly after: readonly RowState[];
}

export interface RecordedConflict {
  readonly id: string;
  readonly table: string;
  /** The row both wrote; of a `unique` conflict the row that lost. */
  readonly key: JsonRow;
  readonly kind: ConflictKind;
  readonly strategy: SettledBy;
  /** The colliding columns; empty when whole rows collided. */
  readonly columns: readonly string[];
  readonly winner: RecordedSide;
  readonly loser: RecordedSide;
  /** What the kind needs beyond that; null: nothing. */
  readonly detail: ConflictDetail | null;
  readonly detectedAtMs: number;
  readonly state: ConflictState;
  /** The latest resolution; null: nobody has decided. */
  readonly latest: ResolutionMark | null;
}

/** A row of CONFLICT_COLUMNS (conflict-inbox.ts). */
export interface ConflictRow {
  readonly id: string;
  readonly tbl: string;
  readonly key: string;
  readonly kind: ConflictKind;
  readonly strategy: SettledBy;
  readonly columns: string;
  readonly winner: string;
  readonly loser: string;
  readonly detail: string | null;
  readonly detected_at: number;
  readonly state: ConflictState;
  readonly choice: ResolutionChoice | null;
  readonly node: string;
  readonly operator: string;
  readonly at: number;
}

export function toConflict(row: ConflictRow): RecordedConflict {
  const { id, tbl, kind, strategy, state, choice, node, operator, at } = row;
  return {
    id,
    table: tbl,
    key: JSON.parse(row.key) as JsonRow,
    kind,
    strategy,
    columns: JSON.parse(row.columns) as string[],
    winner: JSON.parse(row.winner) as RecordedSide,
    loser: JSON.parse(row.loser) as RecordedSide,
    detail: row.detail === null ? null : (JSON.parse(row.detail) as ConflictDetail),
    detectedAtMs: row.detected_at,
    state,
    latest: choice === null ? null : { choice, node, operator, atMs: at },
  };
}

/** A row of the resolution table. */
export interface ResolutionRow {
  readonly id: string;
  readonly choice: ResolutionChoice;
  readonly before: string;
  readonly after: string;
  readonly node: string;
  readonly operator: string;
  readonly at: number;
}

export function toResolution({ id, choice, before, after, node, operator, at }: ResolutionRow): RecordedResolution {
  const rows = (text: string) => JSON.parse(text) as RowState[];
  return { id, choice, node, operator, atMs: at, before: rows(before), after: rows(after) };
}
