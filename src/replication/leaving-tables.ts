/**
 * What has to be so before a change of the rules may leave out tables that replicate: all that this node's applications
 * have written to them is with every member, and nothing that came for them is kept aside. From then on their rows are
 * each node's own. Asked of every member when it freezes, and of the coordinator when it decides.
 */
import { SqlsyncError } from '../errors.js';
import { ConflictInbox } from './conflict-inbox.js';
import type { Engine } from './engine.js';
import type { Members } from './members.js';
import { leftOutBy } from './release-tables.js';
import { type RuleChange, type RuleRow, rowsAfter } from './rules.js';
import { unsentChanges } from './unsent-changes.js';

/** Does the change take tables in, or leave them out? */
export function decidesTables({ rules }: RuleChange, rows: readonly RuleRow[]): boolean {
  const before = new Map(rows.map(({ tbl, included }) => [tbl, included]));
  return rules.some(
    ({ table, included }) => (included === null ? null : Number(included)) !== (before.get(table) ?? null),
  );
}

/** Captured tables that the change leaves out. */
export function leavingTables(engine: Engine, rows: readonly RuleRow[], change: RuleChange): string[] {
  if (!decidesTables(change, rows)) return [];
  const captured = engine.tables.all
    .filter(({ captured: { internal } }) => !internal)
    .map((table) => table.captured.name);
  const globs = change.rules.map(({ table }) => table);
  return leftOutBy(rowsAfter(rows, change), globs, captured);
}

/**
 * Throws why this node cannot let go of them before an operator or its daemon has done something about it: changes that
 * wait in quarantine, writes that may have gone unrecorded, and conflicts that nobody could decide afterwards.
 */
export function refuseIfInQuestion(engine: Engine, names: readonly string[]): void {
  if (names.length === 0) return;
  const node = engine.state.get('node');
  const kept = engine.quarantine.names().find(({ table }) => names.includes(table.captured.name));
  if (kept !== undefined) {
    const { name } = kept.table.captured;
    throw new SqlsyncError('changes-aside', `${node} keeps changes of ${name} in quarantine`, {
      hint: `\`sqlsync quarantine\` on ${node} shows them: retry or discard them first`,
    });
  }
  const gap = names.find((name) => engine.state.isInGap(name));
  if (gap !== undefined) {
    throw new SqlsyncError('coverage-unknown', `writes to ${gap} may have gone unrecorded on ${node}`, {
      hint: `\`sqlsync status\` on ${node}: it compares itself with a peer and goes on by itself`,
    });
  }
  const inbox = new ConflictInbox(engine.options.writer);
  const open = names.find((name) => inbox.count({ table: name, states: ['open'] }) > 0);
  if (open !== undefined) {
    throw new SqlsyncError('conflicts-open', `conflicts of ${open} wait for a decision`, {
      hint: `decide them while it replicates: \`sqlsync conflicts --table ${open} --state open\``,
    });
  }
}

/** What passes by itself, and keeps this node from letting go of them now; null: nothing. */
export function reasonToWait(engine: Engine, members: Members, names: readonly string[]): string | null {
  if (names.length === 0) return null;
  const node = engine.state.get('node');
  if (engine.newTables.isRebuilding(engine.clock.nowMs())) return `a table is being rebuilt on ${node}`;
  // Nobody takes what a read-only member writes.
  if (members.isReader) return null;
  for (const { name, nodeId } of members.belonging()) {
    if (name === node) continue;
    const [table] = Object.keys(unsentChanges(engine, nodeId, names));
    if (table !== undefined) return `${name} has not received all that was written to ${table} on ${node}`;
  }
  return null;
}
