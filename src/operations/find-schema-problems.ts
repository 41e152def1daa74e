/** What a status finds of rows that wait for tables: here, or on other nodes. Pure. */
import { renderCount } from '../render-figures.js';
import type { HeldTableStatus } from '../replication/gone-tables.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import type { DatabaseStatus, Finding } from './status-report.js';

/** A message tells of so many tables, and counts the others. */
const TABLES_TOLD_MAX = 5;

export function inSchema(
  { heldRows, schemaBehind }: Pick<DatabaseStatus, 'heldRows' | 'schemaBehind'>,
  held: ReplicaStatus['held'] | undefined,
): Finding[] {
  const isBehind = (heldRows ?? 0) > 0;
  const others = isBehind ? schemaBehind.slice(1) : schemaBehind;
  return [
    ...(isBehind ? [heldHere(heldRows ?? 0, held?.tables ?? [])] : []),
    ...(others.length > 0 ? [heldOn(others)] : []),
  ];
}

function heldHere(rows: number, tables: readonly HeldTableStatus[]): Finding {
  const told = tables.slice(0, TABLES_TOLD_MAX).map(describe);
  const more = tables.length - told.length;
  const rest = more > 0 ? [`and those of ${renderCount(more, 'table')} more`] : [];
  const message = `${renderCount(rows, 'row')} of other nodes found no place here, and ${rows === 1 ? 'is' : 'are'} kept aside: ${[...told, ...rest].join('; ')}`;
  const since = tables.length === 0 ? null : new Date(Math.min(...tables.map(({ sinceMs }) => sinceMs))).toISOString();
  return { code: 'schema-differs', severity: 'error', message, command: null, since };
}

/** Which table, how many rows, from whom, and what becomes of them. */
function describe(table: HeldTableStatus): string {
  return `${table.rows} of ${table.name} from ${table.nodes.join(', ')} (${outlook(table)})`;
}

function outlook({ fate, why, renamedTo, droppedBy, waitsFor, nodes }: HeldTableStatus): string {
  const migrate = "run the application's migration on this node, and they go in by themselves";
  // Whoever wrote them offers them without such columns once it has dropped them: unless its file is another now.
  const dropped = 'if it has taken columns out that no node has any more: add them, and drop them when the rows are in';
  if (fate === 'present') return `${why}: ${migrate}; ${dropped}`;
  if (fate === 'renamed') {
    return `it is called ${renamedTo} here: they go in by themselves when ${nodes.join(', ')} has renamed it too`;
  }
  if (fate === 'never' && droppedBy.length === 0) return `${why}: ${migrate}`;
  const gone = fate === 'dropped' ? 'it has been dropped here' : `it has been dropped on ${droppedBy.join(', ')}`;
  const waits =
    waitsFor.length === 0
      ? 'as soon as every member is known to have heard that all have'
      : `when it is gone on ${waitsFor.join(', ')} too`;
  return `${gone}: they are given up by themselves, and entered among the operations, ${waits}`;
}

function heldOn(nodes: readonly string[]): Finding {
  const message = `the tables of ${nodes.join(', ')} are others than here: rows from here wait there, and its status says for what`;
  return { code: 'schema-differs', severity: 'warning', message, command: null };
}
