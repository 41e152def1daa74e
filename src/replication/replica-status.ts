/** What a node can say of itself without asking anybody. */

import { type MemberBacklog, readBacklog } from './backlog.js';
import type { CaptureGap } from './capture-gap.js';
import { type CatchUp, catchUpOf } from './catch-up.js';
import { addTo, type ConflictCounts, type ConflictGroup, countConflicts } from './conflict-count.js';
import type { Engine } from './engine.js';
import { type HeldTableStatus, heldTables } from './gone-tables.js';
import { type MemberFigures, memberFigures } from './member-figures.js';
import type { Members } from './members.js';
import { PREFIX } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import { removedConflicts } from './prune-records.js';
import { countUnsent } from './read-only.js';
import type { RuleChanges } from './rule-changes.js';
import { type RulesStatus, readRulesStatus } from './rules-status.js';
import type { Slices } from './slices.js';
import { type VerifiedPeers, verifiedPeersOf } from './verified-peers.js';

export interface ReplicaStatus {
  readonly node: string;
  readonly nodeId: string;
  readonly dataset: string;
  readonly session: string | null;
  readonly formatVersion: number;
  /** Replicated tables of the application. */
  readonly tables: number;
  readonly excludedTables: readonly string[];
  /** Names of the members that belong. */
  readonly members: readonly string[];
  /** Who belonged before this node began a data set of its own, and has not joined it yet. */
  readonly mustJoin: readonly string[];
  /** Every membership there has been. */
  readonly memberships: readonly MemberFigures[];
  readonly logEntries: number;
  readonly unfolded: number;
  /** Rows with metadata: not settled yet. */
  readonly unsettledRows: number;
  /** Rows and unfolded entries that some member has not acknowledged. */
  readonly pendingChanges: number;
  /** What each other member has not acknowledged, by its name. */
  readonly backlogs: Readonly<Record<string, MemberBacklog>>;
  /** Does nobody take what is written here? */
  readonly isReadOnly: boolean;
  /** Rows of a reader in which something is that nobody else has. */
  readonly unsentRows: number;
  /** Conflict records that are here, by state, kind and strategy. */
  readonly conflicts: ConflictCounts;
  /** How many there have ever been, those that retention has removed among them. */
  readonly conflictsEver: readonly ConflictGroup[];
  /** Rows in which writes to different columns met and merged without a conflict. */
  readonly merged: number;
  readonly quarantined: number;
  /** Rows that are in no table until the catch-up under way is whole. */
  readonly parked: number;
  /** Rows that wait for the application's migration on this node. */
  readonly held: { readonly rows: number; readonly tables: readonly HeldTableStatus[] };
  readonly horizon: number;
  readonly catchUp: CatchUp | null;
  /** Writes that may have gone unrecorded; null: none are known. */
  readonly gap: CaptureGap | null;
  /** Tables with rows whose key holds NULL: they have no identity and do not replicate. */
  readonly withoutIdentity: readonly string[];
  /** How the last comparisons with other nodes ended, by their names. */
  readonly verified: VerifiedPeers;
  /** The rules of the data set, and who has adopted them. */
  readonly rules: RulesStatus;
}

/** What takes long in a large file is done in slices. */
export function* readReplicaStatus(engine: Engine, membership: Members, rules: RuleChanges): Slices<ReplicaStatus> {
  const { state, tables, log, quarantine, held } = engine;
  const members = membership.belonging();
  const own = tables.all.filter((table) => !table.captured.internal);
  const others = members.filter(({ nodeId }) => nodeId !== state.get('node_id'));
  const { pendingChanges, byMember, unsettledRows } = yield* readBacklog(engine, others);
  const isReadOnly = membership.isReader;
  const { counts, groups } = yield* countConflicts(engine.options.writer);
  for (const removed of removedConflicts(state.get('removed_conflicts'))) addTo(groups, removed);
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
    members: members.map(({ name }) => name),
    mustJoin: readMustJoin(state, membership),
    memberships: memberFigures(engine, membership),
    logEntries: log.count(),
    unfolded: log.countAfter(state.get('folded')),
    unsettledRows,
    pendingChanges,
    backlogs: byMember,
    isReadOnly,
    unsentRows: isReadOnly ? countUnsent(engine) : 0,
    conflicts: counts,
    conflictsEver: groups,
    merged: state.get('merged'),
    quarantined: quarantine.counts().kept,
    parked: quarantine.counts().parked,
    held: { rows: held.summary().rows, tables: heldTables(engine, membership.known) },
    horizon: state.get('horizon'),
    catchUp: catchUpOf(state),
    gap: state.captureGap,
    withoutIdentity: engine.tablesWithNullKeys(),
    verified: verifiedPeersOf(state.get('verified')),
    rules: readRulesStatus(
      rules,
      members.map(({ name }) => name),
      state.get('node'),
    ),
  };
}

function readMustJoin(state: NodeState, membership: Members): string[] {
  const stored = state.get('must_join') ?? '';
  const names = stored === '' ? [] : (JSON.parse(stored) as string[]);
  return names.filter((name) => !membership.all().some((member) => member.name === name));
}
