/** What has not crossed between this node and the other members, as far as this node has heard. */
import type { Engine } from './engine.js';
import type { Member } from './member-table.js';
import type { Slices } from './slices.js';
import { standingOf } from './staleness.js';

export interface MemberBacklog {
  /** Rows and unfolded log entries that the member has not acknowledged. */
  readonly changes: number;
  /** HLC of the oldest of them; null when there are none. */
  readonly oldestHlc: number | null;
  /** Has the member told of something that this node lacks? */
  readonly isAhead: boolean;
}

export interface Backlog {
  /** Rows and unfolded log entries that some member has not acknowledged. */
  readonly pendingChanges: number;
  readonly byMember: Readonly<Record<string, MemberBacklog>>;
  /** Rows of the application with metadata: not settled yet. */
  readonly unsettledRows: number;
}

/** Rows looked at in one go. */
const SLICE_ROWS_MAX = 10_000;

/**
 * Looks at every row with metadata, in slices: between two of them others may have their turn. What is written meanwhile
 * may be counted twice, and is never left out.
 * @param others the members but for this node
 */
export function* readBacklog(engine: Engine, others: readonly Member[]): Slices<Backlog> {
  const { state, log, tables, acknowledgements } = engine;
  const unfolded = log.changesAfter(state.get('folded'));
  const counted = others.map(({ name, nodeId }) => {
    const told = acknowledgements.latest(nodeId);
    const { vector, horizon } = told ?? { vector: {}, horizon: 0 };
    // It has everything up to its horizon, whether or not its vector still names the session.
    const standing = standingOf({ vector, horizon, dropped: horizon });
    const isAhead = Object.entries(vector).some(([session, hlc]) => state.has(session) < hlc);
    return { name, standing, isAhead, ...unfolded };
  });
  let pendingChanges = others.length === 0 ? 0 : unfolded.changes;
  let unsettledRows = 0;
  /** Session number → what each of the counted has acknowledged of it. */
  const acknowledged = new Map<number, number[]>();
  const acknowledgedOf = (id: number): number[] => {
    const found = acknowledged.get(id);
    if (found !== undefined) return found;
    const session = state.sessionNameOf(id);
    const entries = counted.map(({ standing }) => standing.has(session));
    acknowledged.set(id, entries);
    return entries;
  };
  const count = (session: number, hlc: number) => {
    let lacks = false;
    for (const [i, entry] of acknowledgedOf(session).entries()) {
      if (entry >= hlc) continue;
      lacks = true;
      const member = counted[i] as (typeof counted)[number];
      member.changes += 1;
      if (member.oldestHlc === null || hlc < member.oldestHlc) member.oldestHlc = hlc;
    }
    if (lacks) pendingChanges += 1;
  };
  for (const table of tables.all) {
    if (table.captured.internal) continue;
    for (let after = 0; ; ) {
      const rows = table.metadata.stampsAfter(after, SLICE_ROWS_MAX);
      for (const [, hlc, session] of rows) count(session, hlc);
      unsettledRows += rows.length;
      const last = rows.at(-1);
      if (last === undefined || rows.length < SLICE_ROWS_MAX) break;
      [after] = last;
      yield;
    }
  }
  const byMember = counted.map(({ name, changes, oldestHlc, isAhead }) => [name, { changes, oldestHlc, isAhead }]);
  return { pendingChanges, byMember: Object.fromEntries(byMember), unsettledRows };
}
