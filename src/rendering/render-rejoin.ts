/** What a rejoin would do, and has done, for people. */
import type { RejoinPlan, RejoinReport } from '../operations/rejoin-database.js';
import { renderBytes, renderCount } from '../render-figures.js';

/** `3 changes, as far as is known here (sale 2, product 1)` */
export function describeUnsent({ unsent, peers }: Pick<RejoinPlan, 'unsent' | 'peers'>): string {
  if (unsent === null) return 'the file cannot tell what only it has';
  const total = Object.values(unsent).reduce((sum, count) => sum + count, 0);
  if (total === 0) return `no changes that ${peers[0]} has not acknowledged`;
  return `${renderCount(total, 'change')} that ${peers[0]} has not acknowledged, as far as is known here (${renderCounts(unsent)})`;
}

/** Text without a final newline. */
export function renderRejoin({ path, database, node, peer, bytes, setAside, kept }: RejoinReport): string {
  const lines = [`${path} is database ${database} of node ${node}, seeded by ${peer}: ${renderBytes(bytes)}`];
  if (kept !== null) {
    const total = Object.values(kept.rows).reduce((sum, count) => sum + count, 0);
    const which = total === 0 ? '' : ` (${renderCounts(kept.rows)})`;
    lines.push(`${renderCount(total, 'row')} that only this node had are written again${which}`);
    if (kept.rekeyed > 0) {
      lines.push(`${renderCount(kept.rekeyed, 'row')} of them under another key, with what refers to them`);
    }
    if (kept.conflicts > 0) {
      lines.push(`${renderCount(kept.conflicts, 'conflict record')} came of it: see sqlsync conflicts`);
    }
    if (kept.compared) {
      lines.push(`${peer} and this node had each let go of what the other lacked: rows were compared one by one,`);
      lines.push('and of those that only one had nothing tells whether the other had deleted them: they are there');
    }
  }
  lines.push(`the file that was there is ${setAside}`);
  const left = kept?.tablesLeftBehind ?? [];
  if (left.length > 0)
    lines.push(`only in there, since ${peer} has no such tables of a node's own: ${left.join(', ')}`);
  return lines.join('\n');
}

/** `sale 2, product 1` */
export function renderCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([table, count]) => `${table} ${count}`)
    .join(', ');
}
