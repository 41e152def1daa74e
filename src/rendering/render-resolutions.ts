/** What became of conflicts, or would become of them, for people. */
import type { Ansis } from 'ansis';
import type { ResolvedConflict, ResolveReport } from '../operations/conflict-report.js';
import { renderCount } from '../render-figures.js';
import type { RowChange } from '../replication/place-rows.js';
import type { JsonRow } from '../replication/recorded-conflict.js';
import { shortId } from './render-conflicts.js';
import { printable, renderKey, renderValue } from './render-value.js';

/** More lines than these say less than their number; --json tells all. */
const LINES_MAX = 200;
/** So many values of a row that comes back are told. */
const VALUES_MAX = 4;

/** Said where a decision stays on this node for now. */
export const NOT_SERVED = 'no daemon runs: the other nodes hear of it with `sqlsync start` or `sqlsync sync`';

/** Text without a final newline. `isEach`: tell of those that went well one by one, too. */
export function renderResolutions(report: ResolveReport, isEach: boolean, paint: Ansis): string {
  const { items, dryRun } = report;
  const told = items.filter(({ status }) => isEach || status !== 'resolved');
  const lines = told.slice(0, LINES_MAX).map((item) => renderItem(item, dryRun, paint));
  const more = told.length - lines.length;
  const rest = more > 0 ? [`… and ${renderCount(more, 'more', 'more')}: --json tells all`] : [];
  return [...lines, ...rest, totals(report, paint)].join('\n');
}

function totals({ resolved, skipped, failed, dryRun, items }: ResolveReport, paint: Ansis): string {
  if (items.length === 0) return 'no conflict is meant';
  const isUndo = resolved > 0 && items.every(({ choice }) => choice === 'undo');
  const done = isUndo ? renderCount(resolved, 'decision') : renderCount(resolved, 'conflict');
  const verb = isUndo ? 'taken back' : 'resolved';
  const parts = [
    `${done} ${dryRun ? 'would be ' : ''}${verb}`,
    ...(skipped > 0 ? [paint.yellow(`${skipped.toLocaleString('en')} skipped`)] : []),
    ...(failed > 0 ? [paint.red(`${failed.toLocaleString('en')} failed`)] : []),
  ];
  return `${parts.join(', ')}${dryRun ? '; nothing was changed' : ''}`;
}

export function renderItem(
  { id, status, choice, changes, error, table, key }: ResolvedConflict,
  dryRun: boolean,
  paint: Ansis,
): string {
  const where = table === null || key === null ? '' : ` ${rowName(table, key)}`;
  if (status !== 'resolved') {
    const mark = status === 'skipped' ? paint.yellow('skipped') : paint.red('failed');
    const hint = error?.hint ? `\n  ${printable(error.hint)}` : '';
    return `${shortId(id)}${where}  ${mark}: ${printable(error?.message ?? '')}${hint}`;
  }
  const own = table !== null && key !== null ? rowName(table, key) : null;
  const effect =
    changes.length === 0 ? 'nothing to write' : changes.map((change) => renderChange(change, own)).join('; ');
  return `${shortId(id)}${where}  ${paint.green(choice ?? '')}: ${dryRun && changes.length > 0 ? 'would ' : ''}${effect}`;
}

/** What a decision about many is about to do, ending in a question mark. */
export function renderBulkQuestion(
  ids: readonly string[],
  { name }: { readonly name: string },
  decision: { readonly use: string } | { readonly set: JsonRow },
): string {
  const what = 'use' in decision ? `by taking ${decision.use}` : `by setting ${Object.keys(decision.set).join(', ')}`;
  return `Resolve ${renderCount(ids.length, 'conflict')} of ${name} ${what}?`;
}

/** ` (mail=ann@example, name=NULL …)`: what a row holds beside its key, the first of it. */
function rowValues(key: JsonRow, row: JsonRow): string {
  const others = Object.entries(row).filter(([column]) => !(column in key));
  const told = others.slice(0, VALUES_MAX).map(([column, value]) => `${printable(column)}=${renderValue(value)}`);
  const more = others.length > VALUES_MAX ? ' …' : '';
  return told.length === 0 ? '' : ` (${told.join(', ')}${more})`;
}

const rowName = (table: string, key: JsonRow): string => `${printable(table)} ${renderKey(key)}`;

/** `set price 4.9 → 4.5`; the row is named unless it is the conflict's own. */
function renderChange({ table, key, before, after }: RowChange, own: string | null): string {
  const name = rowName(table, key);
  if (after === null) return `delete ${name}`;
  if (before === null) return `put back ${name}${rowValues(key, after)}`;
  const columns = Object.keys(after).map(
    (column) => `${printable(column)} ${renderValue(before[column])} → ${renderValue(after[column])}`,
  );
  return `set ${columns.join(', ')}${name === own ? '' : ` in ${name}`}`;
}
