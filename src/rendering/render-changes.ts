/** Changes, for people. */
import type { ChangeEvent } from '../operations/change-follower.js';
import type { ChangeReport } from '../operations/change-report.js';
import type { Page } from '../page.js';
import { renderTable } from '../render-table.js';

export function renderChanges({ items }: Page<ChangeReport>): string {
  if (items.length === 0) return 'no changes';
  return renderTable(
    [{ title: 'at' }, { title: 'node' }, { title: 'op' }, { title: 'table' }, { title: 'key' }, { title: 'columns' }],
    items.map((change) => [
      change.at,
      change.node ?? 'unknown',
      change.op,
      change.table,
      JSON.stringify(change.key),
      change.columns?.join(', ') ?? '',
    ]),
  );
}

/** One line for each thing that happens. */
export function renderChangeEvent(event: ChangeEvent): string | null {
  if (event.type === 'ready') return null;
  if (event.type === 'missed')
    return `some changes are remembered no more: read the tables anew (from ${event.cursor} on all is told)`;
  const columns = event.columns === null ? '' : `  ${event.columns.join(', ')}`;
  return `${event.at}  ${event.node ?? 'unknown'}  ${event.op}  ${event.table}  ${JSON.stringify(event.key)}${columns}`;
}
