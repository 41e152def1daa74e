/** What `sqlsync conflicts` and its verbs print with --json: an interface for programs. Times are RFC 3339 UTC. */
import type { ErrorBody } from '../errors.js';
import type {
  ConflictKind,
  ConflictDetail as RecordedDetail,
  RecordedSide,
  SettledBy,
} from '../replication/conflict-record.js';
import type { ConflictState, ResolutionChoice } from '../replication/conflict-state.js';
import { hlcToMs } from '../replication/hlc.js';
import type { RowChange } from '../replication/place-rows.js';
import type {
  JsonRow,
  RecordedConflict,
  RecordedResolution,
  ResolutionMark,
  RowState,
} from '../replication/recorded-conflict.js';

export interface ConflictReport {
  readonly id: string;
  readonly database: string;
  readonly table: string;
  readonly key: JsonRow;
  readonly kind: ConflictKind;
  readonly state: ConflictState;
  readonly detectedAt: string;
  readonly strategy: SettledBy;
  readonly columns: readonly string[];
  readonly winner: SideReport;
  readonly loser: SideReport;
  /** Of the latest resolution, an undo too; null: nobody has decided. */
  readonly resolvedBy: ResolutionMarkReport | null;
}

export interface SideReport {
  /** Node and time are null where every member has the write: whose it was is not known any more. */
  readonly node: string | null;
  readonly at: string | null;
  /** Null: the row was deleted. */
  readonly row: JsonRow | null;
}

export interface ResolutionMarkReport {
  readonly node: string;
  readonly operator: string;
  readonly at: string;
  readonly choice: ResolutionChoice;
}

export interface ResolutionReport extends ResolutionMarkReport {
  readonly before: readonly RowState[];
  readonly after: readonly RowState[];
}

export type DetailReport = Omit<RecordedDetail, 'gap'> & { readonly gap?: GapReport };

/** A gap of capture in which a side was written over: on which node, when it was found, and is the write a certain one? */
export interface GapReport {
  readonly node: string;
  readonly since: string;
  readonly certain: boolean;
}

/** One conflict with all that is known of it. */
export interface ConflictDetail extends ConflictReport {
  /** Columns of the table in order; null: it does not replicate here. */
  readonly tableColumns: readonly string[] | null;
  /** `orphan`: the parent that is not there, and the rule; `key-collision`: the loser's new key; a gap; null: nothing to add. */
  readonly detail: DetailReport | null;
  /** Colliding columns in which the loser's value is the later one, and stands. */
  readonly loserStands: readonly string[];
  /** The row of the key as it is now; null: there is none. */
  readonly now: JsonRow | null;
  /** Of a `unique` conflict the row of the winner's key as it is now. */
  readonly winnerNow: JsonRow | null;
  /** Has anybody written the rows since they were settled or resolved? Null: not known. */
  readonly changed: boolean | null;
  /** The latest first. */
  readonly resolutions: readonly ResolutionReport[];
}

export interface StateCounts {
  readonly total: number;
  readonly open: number;
  readonly auto: number;
  readonly resolved: number;
}

export interface ConflictSummary extends StateCounts {
  readonly database: string;
  readonly byTable: readonly (StateCounts & { readonly table: string })[];
  readonly byKind: readonly (StateCounts & { readonly kind: ConflictKind })[];
  /** Conflicts in which the node wrote a side, and in how many it wrote which. Null: whose it was is not known. */
  readonly byNode: readonly (StateCounts & {
    readonly node: string | null;
    readonly won: number;
    readonly lost: number;
  })[];
  /** Days of their detection in UTC, the latest first. */
  readonly byDay: readonly (StateCounts & { readonly day: string })[];
}

/** What became of one conflict, or would. `skipped`: its rows have changed since. */
export interface ResolvedConflict {
  readonly id: string;
  /** Null: there is no such conflict. */
  readonly table: string | null;
  readonly key: JsonRow | null;
  readonly kind: ConflictKind | null;
  readonly status: 'resolved' | 'skipped' | 'failed';
  /** Null unless it is resolved. */
  readonly choice: ResolutionChoice | null;
  /** Rows that changed; empty where all was as decided already. */
  readonly changes: readonly RowChange[];
  readonly error: ErrorBody | null;
}

export interface ResolveReport {
  readonly items: readonly ResolvedConflict[];
  readonly total: number;
  readonly nextCursor: null;
  readonly database: string;
  /** Nothing was changed: this is what would be. */
  readonly dryRun: boolean;
  readonly resolved: number;
  readonly skipped: number;
  readonly failed: number;
}

const rfc3339 = (ms: number): string => new Date(ms).toISOString();

function sideReport({ node, hlc, row }: RecordedSide): SideReport {
  return { node, at: node === null ? null : rfc3339(hlcToMs(hlc)), row };
}

function markReport({ node, operator, atMs, choice }: ResolutionMark): ResolutionMarkReport {
  return { node, operator, at: rfc3339(atMs), choice };
}

export function conflictReport(database: string, conflict: RecordedConflict): ConflictReport {
  const { id, table, key, kind, state, detectedAtMs, strategy, columns, winner, loser, latest } = conflict;
  return {
    id,
    database,
    table,
    key,
    kind,
    state,
    detectedAt: rfc3339(detectedAtMs),
    strategy,
    columns,
    winner: sideReport(winner),
    loser: sideReport(loser),
    resolvedBy: latest === null ? null : markReport(latest),
  };
}

export function detailReport(detail: RecordedDetail | null): DetailReport | null {
  if (detail === null) return null;
  const { gap, ...rest } = detail;
  return gap === undefined ? rest : { ...rest, gap: { ...gap, since: rfc3339(gap.since) } };
}

export function resolutionReport(resolution: RecordedResolution): ResolutionReport {
  const { before, after } = resolution;
  return { ...markReport(resolution), before, after };
}
