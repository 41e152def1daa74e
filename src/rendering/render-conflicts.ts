/** Lists and counts of conflicts, for people. */
import type { Ansis } from 'ansis';
import type { ConflictReport, ConflictSummary, SideReport, StateCounts } from '../operations/conflict-report.js';
import { renderSeconds } from '../render-figures.js';
import { renderTable, type TableColumn } from '../render-table.js';
import type { ConflictState } from '../replication/conflict-state.js';
import { printable, renderKey } from './render-value.js';

/** So much of an id is shown: more than enough to tell thousands apart. */
const ID_CHARS_SHOWN = 12;

export const shortId = (id: string): string => id.slice(0, ID_CHARS_SHOWN);

const STATE_PAINT: Record<ConflictState, 'red' | 'yellow' | 'green'> = {
  open: 'red',
  auto: 'yellow',
  resolved: 'green',
};

export const paintState = (state: ConflictState, paint: Ansis): string => paint[STATE_PAINT[state]](state);

/** A node, or that nobody knows any more which. */
export const nodeName = ({ node }: Pick<SideReport, 'node'>): string => node ?? '-';

export function renderConflicts(
  conflicts: readonly ConflictReport[],
  { paint, now }: { readonly paint: Ansis; readonly now: Date },
): string {
  return renderTable(
    ['id', 'state', 'kind', 'table', 'key', 'columns', 'winner', 'loser', 'found'].map((title) => ({ title })),
    conflicts.map((conflict) => [
      shortId(conflict.id),
      paintState(conflict.state, paint),
      conflict.kind,
      printable(conflict.table),
      renderKey(conflict.key),
      conflict.columns.map(printable).join(', ') || '-',
      nodeName(conflict.winner),
      nodeName(conflict.loser),
      `${renderSeconds((now.getTime() - Date.parse(conflict.detectedAt)) / 1000)} ago`,
    ]),
  );
}

export function renderSummary(summary: ConflictSummary, paint: Ansis): string {
  const { byTable, byKind, byNode, byDay } = summary;
  const won: TableColumn[] = [
    { title: 'won', align: 'right' },
    { title: 'lost', align: 'right' },
  ];
  return [
    countsTable('table', byTable, ({ table }) => printable(table), paint),
    countsTable('kind', byKind, ({ kind }) => kind, paint),
    countsTable('node', byNode, nodeName, paint, won, (count) => [figure(count.won), figure(count.lost)]),
    countsTable('day', byDay, ({ day }) => day, paint),
  ].join('\n\n');
}

function countsTable<Counts extends StateCounts>(
  title: string,
  rows: readonly Counts[],
  nameOf: (counts: Counts) => string,
  paint: Ansis,
  columns: readonly TableColumn[] = [],
  cellsOf: (counts: Counts) => string[] = () => [],
): string {
  const figures = ['conflicts', 'open', 'auto', 'resolved'].map((name) => ({ title: name, align: 'right' as const }));
  return renderTable(
    [{ title }, ...figures, ...columns],
    rows.map((counts) => [
      nameOf(counts),
      figure(counts.total),
      counts.open === 0 ? '0' : paint.red(figure(counts.open)),
      figure(counts.auto),
      figure(counts.resolved),
      ...cellsOf(counts),
    ]),
  );
}

const figure = (value: number): string => value.toLocaleString('en');
