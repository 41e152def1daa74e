/** How nodes compare, for people: a line a table, and the rows that differ. */
import type { Ansis } from 'ansis';
import type {
  DifferenceReport,
  RepairReport,
  RowReport,
  VerifiedPeer,
  VerifyReport,
} from '../operations/verify-report.js';
import { renderTable } from '../render-table.js';

/** Rows shown of each table: --json has more of them. */
const SHOWN_MAX = 10;
const VALUE_CHARS_MAX = 60;

export function renderVerify({ peers }: VerifyReport, paint: Ansis): string {
  return peers.map((peer) => renderPeer(peer, paint)).join('\n\n');
}

export function renderRepair(report: RepairReport, paint: Ansis): string {
  const { dryRun, equal, use, name, rowsWritten } = report;
  if (equal === true && rowsWritten === 0) return `${paint.bold(name)}: ${paint.green('equal')}, nothing to repair`;
  const would =
    dryRun && equal === false ? [`these rows would be as ${use === 'here' ? 'this node' : name} has them`] : [];
  return [renderPeer(report, paint), ...would].join('\n');
}

function renderPeer(peer: VerifiedPeer, paint: Ansis): string {
  const { name, tables, rowsWritten, gapClosed } = peer;
  const rows = tables.map((table) => [table.name, table.rows.toLocaleString('en'), verdict(table.equal, paint)]);
  const columns = [{ title: 'table' }, { title: 'rows', align: 'right' as const }, { title: 'result' }];
  return [
    `${paint.bold(name)}: ${headline(peer, paint)}`,
    ...(rows.length > 0 ? [renderTable(columns, rows)] : []),
    ...tables
      .filter(({ differences }) => differences.length > 0)
      .map(({ name: table, differences }) => renderDifferences(table, differences, name)),
    ...(peer.truncated ? [`${peer.differencesTotal.toLocaleString('en')} rows differ in all`] : []),
    ...(rowsWritten > 0 ? [`${rowsWritten.toLocaleString('en')} rows were written again`] : []),
    ...(gapClosed ? ['the gap of capture is closed: what went unrecorded is this node’s own writes now'] : []),
  ].join('\n');
}

function headline({ equal, reason, error, differencesTotal }: VerifiedPeer, paint: Ansis): string {
  if (error !== null) return paint.red(`${error.code}: ${error.message}`);
  if (equal === null) return paint.yellow(`not known: ${reason}`);
  return equal ? paint.green('equal') : paint.red(`${differencesTotal.toLocaleString('en')} rows differ`);
}

function verdict(equal: boolean | null, paint: Ansis): string {
  if (equal === null) return paint.yellow('not known');
  return equal ? paint.green('equal') : paint.red('differs');
}

function renderDifferences(table: string, differences: readonly DifferenceReport[], peer: string): string {
  const width = Math.max('here'.length, peer.length);
  const shown = differences
    .slice(0, SHOWN_MAX)
    .flatMap(({ key, here, there }) => [
      `  ${table} ${renderRow(key)}`,
      `    ${'here'.padEnd(width)}  ${here === null ? 'no row' : renderRow(unlike(here, there))}`,
      `    ${peer.padEnd(width)}  ${there === null ? 'no row' : renderRow(unlike(there, here))}`,
    ]);
  return shown.join('\n');
}

/** The columns in which two rows differ; all of a row that the other side lacks. */
function unlike(row: RowReport, other: RowReport | null): RowReport {
  if (other === null) return row;
  const isUnlike = ([name, value]: [string, unknown]) => JSON.stringify(value) !== JSON.stringify(other[name]);
  return Object.fromEntries(Object.entries(row).filter(isUnlike));
}

function renderRow(row: RowReport): string {
  return Object.entries(row)
    .map(([name, value]) => `${name}=${shorten(JSON.stringify(value))}`)
    .join(' ');
}

function shorten(text: string): string {
  return text.length <= VALUE_CHARS_MAX ? text : `${text.slice(0, VALUE_CHARS_MAX)}…`;
}
