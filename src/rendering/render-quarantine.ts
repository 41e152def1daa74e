/** Changes in quarantine, and what was decided about them, for people. */
import type { Ansis } from 'ansis';
import type { QuarantineReport } from '../operations/decide-quarantine.js';
import type { ChosenChange, QuarantinedChange } from '../operations/list-quarantine.js';
import type { Page } from '../page.js';
import { renderCount, renderSeconds } from '../render-figures.js';
import { renderTable } from '../render-table.js';

/** So much of an id is enough to type; of a row's values so much fits beside it. */
const ID_CHARS = 12;
const ROW_CHARS_MAX = 100;
/** Control and format characters: what could drive a terminal, or turn the direction of text. */
const STEERING = /[\p{Cc}\p{Cf}]/u;

export function renderQuarantine(
  page: Page<QuarantinedChange>,
  { paint, now }: { readonly paint: Ansis; readonly now: Date },
): string {
  if (page.items.length === 0) return 'nothing is in quarantine';
  const ageOf = (at: string) => `${renderSeconds((now.getTime() - Date.parse(at)) / 1000)} ago`;
  return renderTable(
    [
      { title: 'id' },
      { title: 'table' },
      { title: 'key' },
      { title: 'from' },
      { title: 'since' },
      { title: 'error, row' },
    ],
    page.items.map(({ id, table: name, key, node, since, error, row }) => [
      shortId(id),
      name,
      keyText(key),
      node,
      ageOf(since),
      `${paint.red(error)}\n${row === null ? '(deletes the row)' : cut(JSON.stringify(row))}`,
    ]),
  );
}

/** The changes that are meant, a line each. */
export function renderChosen(changes: readonly ChosenChange[], fate: string): string {
  if (changes.length === 0) return 'nothing is in quarantine';
  const lines = changes.map(({ id, table, key, error }) => `${shortId(id)}  ${table} ${keyText(key)}: ${error}`);
  return [...lines, `${renderCount(changes.length, 'change')} ${fate}`].join('\n');
}

const OUTCOMES: Record<
  QuarantineReport['outcome'],
  { readonly text: string; readonly color: 'green' | 'red' | 'yellow' }
> = {
  applied: { text: 'applied', color: 'green' },
  refused: { text: 'refused again', color: 'red' },
  discarded: { text: 'given up', color: 'green' },
  gone: { text: 'not there any more: it has gone in, or a newer change has taken its place', color: 'yellow' },
};

export function renderDecisions(reports: readonly QuarantineReport[], paint: Ansis): string {
  if (reports.length === 0) return 'nothing is in quarantine';
  return reports
    .map(({ id, table, key, outcome, error }) => {
      const { text, color } = OUTCOMES[outcome];
      return `${shortId(id)}  ${table} ${keyText(key)}: ${paint[color](text)}${error === null ? '' : `: ${error}`}`;
    })
    .join('\n');
}

const shortId = (id: string): string => id.slice(0, ID_CHARS);

function keyText(key: QuarantinedChange['key']): string {
  return cut(
    Object.entries(key)
      .map(([name, value]) => `${name}=${isPrintable(value) ? value : JSON.stringify(value)}`)
      .join(' '),
  );
}

/** Text that neither breaks a line nor drives a terminal. */
function isPrintable(value: unknown): value is string {
  return typeof value === 'string' && !STEERING.test(value);
}

function cut(text: string): string {
  const shown = text.length <= ROW_CHARS_MAX ? text : `${text.slice(0, ROW_CHARS_MAX - 1)}…`;
  return shown.replaceAll(
    new RegExp(STEERING, 'gu'),
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
