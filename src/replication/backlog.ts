/** What has not crossed between this node and the other members, as far as this node has heard. */
import type { Engine } from './engine.js';
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
}

/** @param others the members but for this node. Every row with metadata is looked at. */
export function readBacklog(engine: Engine, others: readonly string[]): Backlog {
  const { state, log, tables, acknowledgements } = engine;
  const folded = state.get('folded');
  const unfolded = log.countAfter(folded);
  const oldestUnfolded = log.after(folded, 1)[0]?.hlc ?? null;
  const counted = others.map((name) => {
    const told = acknowledgements.all.get(name);
    const vector = told?.vector ?? {};
    const standing = standingOf({ vector, horizon: told?.horizon ?? 0, dropped: 0 });
    const isAhead = Object.entries(vector).some(([session, hlc]) => state.has(session) < hlc);
    return { name, standing, isAhead, changes: unfolded, oldestHlc: oldestUnfolded };
  });
  let pendingChanges = others.length === 0 ? 0 : unfolded;
  for (const table of tables.all) {
    if (table.captured.internal || others.length === 0) continue;
    table.metadata.forEachStamp((session, hlc) => {
      const lacking = counted.filter(({ standing }) => standing.has(session) < hlc);
      if (lacking.length > 0) pendingChanges += 1;
      for (const member of lacking) {
        member.changes += 1;
        member.oldestHlc = Math.min(member.oldestHlc ?? hlc, hlc);
      }
    });
  }
  const byMember = counted.map(({ name, changes, oldestHlc, isAhead }) => [name, { changes, oldestHlc, isAhead }]);
  return { pendingChanges, byMember: Object.fromEntries(byMember) };
}
