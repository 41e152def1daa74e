/** What a node can say of itself without asking anybody. */
import type { CatchUp } from './application.js';
import type { CaptureGap } from './capture-repair.js';
import type { Engine } from './engine.js';
import type { Members } from './members.js';
import { INTERNAL_TABLES, PREFIX } from './metadata-schema.js';
import { standingOf } from './staleness.js';

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
  readonly conflictsOpen: number;
  readonly conflicts: number;
  readonly merged: number;
  readonly quarantined: number;
  readonly horizon: number;
  readonly catchUp: CatchUp | null;
  /** Writes that may have gone unrecorded; null: none are known. */
  readonly gap: CaptureGap | null;
  /** Log entries met since the start that name rows whose key is NULL: they have no identity and do not replicate. */
  readonly withoutIdentity: number;
}

function countOf(engine: Engine, sql: string): number {
  return engine.options.writer.prepare(sql).pluck().get() as number;
}

/** Rows whose version some member does not cover, as far as this node has heard. */
function pendingRows(engine: Engine, members: readonly string[]): number {
  const others = members.filter((member) => member !== engine.state.get('node'));
  const standings = others.map((member) => {
    const told = engine.acknowledgements.all.get(member);
    return standingOf({ vector: told?.vector ?? {}, horizon: told?.horizon ?? 0, dropped: 0 });
  });
  if (standings.length === 0) return 0;
  let pending = 0;
  for (const table of engine.tables.all) {
    if (table.captured.internal) continue;
    pending += table.metadata.countWhere((session, hlc) => standings.some((standing) => standing.has(session) < hlc));
  }
  return pending;
}

export function readReplicaStatus(engine: Engine, membership: Members): ReplicaStatus {
  const { state, tables, log, quarantine } = engine;
  const members = membership.names();
  const own = tables.all.filter((table) => !table.captured.internal);
  const unfolded = log.countAfter(state.get('folded'));
  const catchUp = state.get('catch_up');
  const gap = state.get('gap') ?? '';
  const [, , conflict, resolution] = INTERNAL_TABLES;
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
    pendingChanges: members.length > 1 ? unfolded + pendingRows(engine, members) : 0,
    conflictsOpen: countOf(
      engine,
      `SELECT count(*) FROM ${conflict.name} WHERE strategy = 'manual' AND id NOT IN (SELECT conflict FROM ${resolution.name})`,
    ),
    conflicts: countOf(engine, `SELECT count(*) FROM ${conflict.name}`),
    merged: state.get('merged'),
    quarantined: quarantine.counts().kept,
    horizon: state.get('horizon'),
    catchUp: catchUp === '' ? null : (JSON.parse(catchUp) as CatchUp),
    gap: gap === '' ? null : (JSON.parse(gap) as CaptureGap),
    withoutIdentity: engine.withoutIdentity,
  };
}
