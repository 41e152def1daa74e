/** What the doctor has found, for people: the worst first, each with what to type or do. */
import type { Ansis } from 'ansis';
import type { DoctorReport } from '../operations/doctor/diagnose.js';
import type { Finding } from '../operations/doctor/finding.js';
import { renderCount } from '../render-figures.js';

const PAINT: Record<Finding['severity'], 'red' | 'yellow' | 'cyan'> = { error: 'red', warning: 'yellow', info: 'cyan' };

export function renderDoctor({ items }: DoctorReport, paint: Ansis): string {
  const lines = items.map(({ code, severity, database, message, what }) => {
    const where = database === null ? '' : ` [${database}]`;
    const line = `${paint[PAINT[severity]].bold(severity)} ${code}${where}: ${message}`;
    return what === null ? line : `${line}\n  ${paint.bold('→')} ${what}`;
  });
  const count = (severity: Finding['severity']) => items.filter((item) => item.severity === severity).length;
  const sums = `${renderCount(count('error'), 'error')}, ${renderCount(count('warning'), 'warning')}, ${count('info')} to know`;
  return [...lines, sums].join('\n');
}
