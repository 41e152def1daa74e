/** The rules of a data set, for people. */
import type { Ansis } from 'ansis';
import type { RecoveryReport, RuleReport } from '../operations/change-rules.js';
import type { InclusionReport } from '../operations/include-tables.js';
import type { RulesReport } from '../operations/list-rules.js';
import { renderTable } from '../render-table.js';
import type { EffectiveRule } from '../replication/rules.js';

export function renderRules({ items, inclusion, members, change }: RulesReport, paint: Ansis): string {
  const columns = ['table', 'strategy', 'order', 'key collision', 'orphan', 'rule'].map((title) => ({ title }));
  const rows = items.map(({ table, strategy, order, keyCollision, orphan, own }) => [
    table,
    strategy,
    order.join(', ') || '-',
    keyCollision,
    orphan,
    own ? 'own' : '-',
  ]);
  const adopted = members.map(({ name, adopted }) => [name, renderAdopted(adopted, paint)]);
  const parts = [
    rows.length === 0 ? 'no tables' : renderTable(columns, rows),
    renderTable([{ title: 'member' }, { title: 'goes by these rules' }], adopted),
  ];
  if (inclusion.length > 0) parts.splice(1, 0, renderInclusionRules(inclusion));
  if (change !== null) parts.unshift(paint.yellow(renderChange(change)));
  return parts.join('\n\n');
}

function renderInclusionRules(inclusion: RulesReport['inclusion']): string {
  const columns = ['tables', 'replicate', 'set on', 'at'].map((title) => ({ title }));
  return renderTable(
    columns,
    inclusion.map(({ glob, included, node, at }) => [glob, included ? 'yes' : 'no', node ?? '-', at ?? '-']),
  );
}

function renderAdopted(adopted: boolean | null, paint: Ansis): string {
  if (adopted === null) return 'not heard yet';
  return adopted ? paint.green('yes') : paint.red('no');
}

function renderChange({ tables, coordinator, since }: NonNullable<RulesReport['change']>): string {
  const when = since === null ? '' : ` since ${since}`;
  return `a change of the rules of ${tables.join(', ')} by ${coordinator} is under way${when}: until it ends nothing is applied here`;
}

/** What was done, in one line. */
export function renderChangedRule({ dryRun, changed, inEffect, rule }: RuleReport): string {
  if (changed) return `${rule.table} goes by ${inWords(rule)} now`;
  if (dryRun && !inEffect) return `${rule.table} would go by ${inWords(rule)}; nothing was changed`;
  return `nothing to change: ${rule.table} goes by ${inWords(rule)} already`;
}

/** Who has not said yet that it goes by the change; null: all have. */
export function renderWaiting({ changed, members }: Pick<RuleReport, 'changed' | 'members'>): string | null {
  const waiting = members.filter(({ adopted }) => adopted !== true).map(({ name }) => name);
  if (!changed || waiting.length === 0) return null;
  return `not heard yet from ${waiting.join(', ')}: decided it is, and they adopt it as soon as they hear of it (sqlsync rules)`;
}

function inWords({ strategy, order, keyCollision, orphan }: EffectiveRule): string {
  const ties = order.length === 0 ? '' : ` (ties: ${order.join(', ')})`;
  return `${strategy}${ties}, key collisions ${keyCollision}, orphans ${orphan}`;
}

export function renderRecovery({ outcome }: RecoveryReport): string {
  if (outcome === null) return 'no change of the rules waits here';
  return outcome === 'adopted'
    ? 'the change was decided: all go by it now'
    : 'the change was not decided: it is given up';
}

/** What the rule has done here, or would do. */
export function renderInclusion(report: InclusionReport): string {
  const { changed, inEffect, takenIn, leftOut, refused, otherwise } = report;
  const would = changed ? 'here' : 'here would be';
  const lines = [
    ...(takenIn.length === 0 ? [] : [`  ${would} taken in: ${takenIn.join(', ')}`]),
    ...(leftOut.length === 0 ? [] : [`  ${would} left out: ${leftOut.join(', ')}`]),
    ...refused.map(({ table, reason }) => `  cannot replicate: ${table}: ${reason}`),
    ...otherwise.map(({ table, by }) => `  stays as it is: ${table}: ${by}`),
  ];
  const isFound = takenIn.length + leftOut.length + refused.length + otherwise.length > 0;
  if (!isFound && (changed || !inEffect)) lines.push('  no table here is changed by that');
  return [headOf(report), ...lines].join('\n');
}

function headOf({ dryRun, changed, inEffect, glob, included }: InclusionReport): string {
  const verb = included ? 'taken in' : 'left out';
  if (changed) return `${glob} is ${verb} on every member`;
  return dryRun && !inEffect
    ? `${glob} would be ${verb}; nothing was changed`
    : `nothing to change: ${glob} is ${verb} already`;
}
