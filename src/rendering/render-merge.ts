/** What a merge would come to, and what it came to, for people. */
import type { MergeReport } from '../operations/merge-database.js';
import { renderTable } from '../render-table.js';

export function renderMerge({ forecast, outcome }: MergeReport): string {
  const right = 'right' as const;
  const columns = [
    { title: 'table' },
    { title: 'equal', align: right },
    { title: 'only here', align: right },
    { title: 'only there', align: right },
    { title: 'in conflict', align: right },
    ...(outcome === null
      ? []
      : [
          { title: 'inserted', align: right },
          { title: 'here stands', align: right },
          { title: 'recorded', align: right },
        ]),
  ];
  const outcomes = new Map(outcome?.map((table) => [table.name, table]));
  const rows = forecast.map(({ name, equal, onlyHere, onlyThere, conflicts }) => {
    const done = outcomes.get(name);
    const became = done === undefined ? [] : [done.inserted, done.overwritten, done.recorded];
    return [name, ...[equal, onlyHere, onlyThere, conflicts, ...became].map(String)];
  });
  return forecast.length === 0 ? 'no table has rows to merge' : renderTable(columns, rows);
}
