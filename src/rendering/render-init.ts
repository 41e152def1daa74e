/** What `init` finds in a file, table by table, for people. */
import type { Ansis } from 'ansis';
import type { InitReport } from '../operations/init-database.js';
import { renderCount } from '../render-figures.js';
import { renderTable } from '../render-table.js';
import type { CapturePlan, PlannedTable } from '../replication/plan-capture.js';

const STATUS_PAINT: Record<PlannedTable['status'], 'green' | 'yellow' | 'red'> = {
  captured: 'green',
  excluded: 'yellow',
  refused: 'red',
};

/** The plan of one file, as text without a final newline. */
export function renderPlan(
  { database, path, tables }: CapturePlan & { database: string; path: string },
  paint: Ansis,
): string {
  const title = `${paint.bold(database)}  ${path}`;
  if (tables.length === 0) return `${title}\nno tables`;
  const rows = tables.map((table) => [
    table.name,
    paint[STATUS_PAINT[table.status]](table.status),
    table.key.join(', ') || '-',
    remarksOn(table).join('\n') || '',
  ]);
  return `${title}\n${renderTable([{ title: 'table' }, { title: 'status' }, { title: 'key' }, { title: 'remarks' }], rows)}`;
}

function remarksOn({ reason, keyRisk, warnings, status }: PlannedTable): string[] {
  return [
    ...(reason === null ? [] : [reason]),
    ...warnings,
    ...(keyRisk && status === 'captured' ? ['SQLite gives out its keys'] : []),
  ];
}

/** What an operator should know of tables whose keys two nodes will allocate twice; null: there are none. */
export function renderKeyRisk(plans: readonly CapturePlan[]): string | null {
  const names = plans.flatMap(({ tables }) =>
    tables.filter(({ keyRisk, status }) => keyRisk && status === 'captured').map(({ name }) => name),
  );
  if (names.length === 0) return null;
  return (
    `SQLite gives out the keys of ${names.join(', ')}. Two nodes that insert at once will give one key to two rows: ` +
    'then the later row stays, and the other is kept whole in a conflict record. Keys that the application makes itself ' +
    '(UUIDs) or ranges of its own for each node avoid that.'
  );
}

/** What was done to one file, in one line. */
export function renderReport({ database, node, changed, added, repaired }: InitReport): string {
  if (!changed) return `${database}: installed already, nothing to repair`;
  const done = [
    ...(added.length > 0 ? [`${renderCount(added.length, 'table')} captured`] : []),
    ...(repaired.length > 0 ? [`triggers of ${repaired.join(', ')} put right`] : []),
  ];
  return `${database}: ${done.join(', ') || 'brought up to date'}, as node ${node}`;
}
