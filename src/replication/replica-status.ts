/** What a node can say of itself without asking anybody. */

import { type MemberBacklog, readBacklog } from './backlog.js';
import type { CaptureGap } from './capture-repair.js';
import { type CatchUp, catchUpOf } from './catch-up.js';
import { CONFLICT_TABLE } from './conflict-record.js';
import { countOpenConflicts } from './conflict-state.js';
import type { Engine } from './engine.js';
import type { HeldSummary } from './held-rows.js';
import type { Members } from './members.js';
import { PREFIX } from './metadata-schema.js';

export interface ReplicaStatus {
  readonly node: string;
  readonly nodeId: string;
  readonly dataset: string;
  readonly session: string | null;
  readonly formatVersion: number;
  /** Replicated tables of the application. */
  readonly tables: number;
  readonly excludedTables: readonly string[];
  readonly members: readonly string[];
  readonly logEntries: number;
  readonly unfolded: number;
  /** Rows with metadata: not settled yet. */
  readonly unsettledRows: number;
  /** Rows and unfolded entries that some member has not acknowledged. */
  readonly pendingChanges: number;
  /** What each other member has not acknowledged, by its name. */
  readonly backlogs: Readonly<Record<string, MemberBacklog>>;
  readonly conflictsOpen: number;
  readonly conflicts: number;
  readonly merged: number;
  readonly quarantined: number;
  /** Rows that wait for the application's migration on this node. */
  readonly held: Omit<HeldSummary, 'hold'>;
  readonly horizon: number;
  readonly catchUp: CatchUp | null;
  /** Writes that may have gone unrecorded; null: none are known. */
  readonly gap: CaptureGap | null;
  /** Tables with rows whose key holds NULL: they have no identity and do not replicate. */
  readonly withoutIdentity: readonly string[];
}

function countOf(engine: Engine, sql: string): number {
  return engine.options.writer.prepare(sql).pluck().get() as number;
}

export function readReplicaStatus(engine: Engine, membership: Members): ReplicaStatus {
  const { state, tables, log, quarantine, held } = engine;
  const members = membership.names();
  const own = tables.all.filter((table) => !table.captured.internal);
  const unfolded = log.countAfter(state.get('folded'));
  const others = members.filter((member) => member !== state.get('node'));
  const { pendingChanges, byMember } = readBacklog(engine, others);
  const gap = state.get('gap') ?? '';
  return {
    node: state.get('node'),
    nodeId: state.get('node_id'),
    dataset: state.get('dataset'),
    session: state.session,
    formatVersion: state.get('format'),
    tables: own.length,
    excludedTables: engine.options.writer
      .prepare(`SELECT name FROM ${PREFIX}excluded ORDER BY name`)
      .pluck()
      .all() as string[],
    members,
    logEntries: log.countAfter(0),
    unfolded,
    unsettledRows: own.reduce((sum, table) => sum + table.metadata.count(), 0),
    pendingChanges,
    backlogs: byMember,
    conflictsOpen: countOpenConflicts(engine.options.writer),
    conflicts: countOf(engine, `SELECT count(*) FROM ${CONFLICT_TABLE.name}`),
    merged: state.get('merged'),
    quarantined: quarantine.counts().kept,
    held: { rows: held.summary().rows, tables: held.summary().tables },
    horizon: state.get('horizon'),
    catchUp: catchUpOf(state),
    gap: gap === '' ? null : (JSON.parse(gap) as CaptureGap),
    withoutIdentity: engine.tablesWithNullKeys(),
  };
}
