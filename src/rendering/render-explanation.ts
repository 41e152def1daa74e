/** An explanation for people: cause by cause, with what to type. */
import type { Ansis } from 'ansis';
import type { Cause, Explanation } from '../operations/explain-status.js';
import type { Problem } from '../operations/status-report.js';
import { renderCount } from '../render-figures.js';

export function renderExplanation({ node, healthy, causes }: Explanation, paint: Ansis): string {
  if (causes.length === 0) return `${paint.bold(node)} is ${paint.green.bold('healthy')}: there is nothing to explain`;
  const seen = causes.reduce((sum, { alsoSeen }) => sum + 1 + alsoSeen.length, 0);
  const verdict = healthy ? paint.green.bold('healthy') : paint.red.bold('UNHEALTHY');
  const sum = `${renderCount(seen, 'thing')} to look at, ${renderCount(causes.length, 'cause')}`;
  return [
    `${paint.bold(node)} is ${verdict}: ${sum}`,
    ...causes.map((cause, i) => renderCause(cause, i + 1, paint)),
  ].join('\n\n');
}

function renderCause(cause: Cause, number: number, paint: Ansis): string {
  const { meaning, remedy, command, alsoSeen } = cause;
  const lines = [
    `${number}. ${paint.bold(describe(cause))}`,
    `   why:  ${plain(meaning)}`,
    `   do:   ${plain(remedy)}`,
    ...(command === null ? [] : [`   type: ${paint.cyan(command)}`]),
    ...alsoSeen.map((symptom, i) => `   ${i === 0 ? 'seen because of it: ' : ' '.repeat(20)}${describe(symptom)}`),
  ];
  return lines.join('\n');
}

function describe({ code, database, peer, message }: Problem): string {
  const where = [database, peer].filter((name) => name !== null).join(', ');
  return `${code}${where === '' ? '' : ` [${where}]`}: ${message}`;
}

/** Links keep their words. */
function plain(markdown: string): string {
  return markdown.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1');
}
