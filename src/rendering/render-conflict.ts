/** One conflict for people: who wrote what and when, both sides beside what is there now, what was decided, what to type. */
import type { Ansis } from 'ansis';
import type { ConflictDetail, GapReport, ResolutionReport, SideReport } from '../operations/conflict-report.js';
import { renderCount } from '../render-figures.js';
import { renderTable } from '../render-table.js';
import { isColumnConflict } from '../replication/conflict-outcome.js';
import { isSameJson } from '../replication/json-values.js';
import type { JsonRow } from '../replication/recorded-conflict.js';
import { shellWord } from '../shell-word.js';
import { paintState, shortId } from './render-conflicts.js';
import { printable, renderKey, renderValue } from './render-value.js';

/** Seen without colors too: a column that collided, and one that differs but merged. */
const COLLIDED = '*';
const MERGED = '~';

export interface RenderConflictOptions {
  readonly paint: Ansis;
  /** What names the database on a command line; '' where there is but one. */
  readonly target: string;
}

/** Text without a final newline. */
export function renderConflict(conflict: ConflictDetail, { paint, target }: RenderConflictOptions): string {
  return [
    heading(conflict, paint),
    [sideLine('winner', conflict.winner, conflict), sideLine('loser', conflict.loser, conflict), knewOf(conflict)].join(
      '\n',
    ),
    comparison(conflict, paint),
    ...nowNote(conflict, paint),
    settlement(conflict),
    whatToType(conflict, target, paint),
  ].join('\n\n');
}

function heading(
  { id, database, table, key, kind, state, strategy, detectedAt }: ConflictDetail,
  paint: Ansis,
): string {
  const what = `${paint.bold(kind)} in ${printable(table)} ${renderKey(key)}`;
  return `${what}  ${paintState(state, paint)}\n${id}, database ${database}, strategy ${strategy}, found ${detectedAt}`;
}

function sideLine(name: 'winner' | 'loser', side: SideReport, conflict: ConflictDetail): string {
  const what = deedOf(name, side, conflict);
  const stands = conflict.loserStands.map(printable).join(', ');
  const also = name === 'loser' && stands !== '' ? `, and was the later in ${stands}` : '';
  const who = side.node === null ? `what every member has: ${what}` : `${side.node} ${what} at ${side.at}`;
  return `${name.padEnd(6)}  ${who}${also}`;
}

function deedOf(
  name: 'winner' | 'loser',
  { row, node }: SideReport,
  { kind, strategy, detail }: ConflictDetail,
): string {
  if (strategy === 'repair') return row === null ? 'did not have the row' : 'had it so';
  if (detail?.gap?.node === node) return row === null ? 'had deleted the row' : 'had it so';
  if (kind === 'orphan' && name === 'winner') return row === null ? 'deleted the parent' : 'wrote the parent';
  return row === null ? 'deleted the row' : 'wrote it';
}

function knewOf({ winner, loser, strategy, detail }: ConflictDetail): string {
  if (detail?.gap !== undefined) return unseenBy(detail.gap);
  if (strategy === 'repair') return 'The nodes had the row unlike, and no write told of it.';
  if (winner.node === null || loser.node === null) return 'Neither write was made in knowledge of the other.';
  if (winner.node === loser.node)
    return 'Neither write was made in knowledge of the other: the node was restored or copied.';
  return `Neither knew of the other’s write: ${winner.node} had not seen ${loser.node}’s, nor ${loser.node} ${winner.node}’s.`;
}

function unseenBy({ node, since, certain }: GapReport): string {
  const gap = `Triggers were missing on ${node}, as was found at ${since}`;
  return certain
    ? `${gap}: what it had was written without a record.`
    : `${gap}: what it had may have been written without a record,\nor be what the row was before. Nobody can tell.`;
}

function comparison(conflict: ConflictDetail, paint: Ansis): string {
  const { winner, loser, now, winnerNow, kind } = conflict;
  const isUnique = kind === 'unique';
  const rows: { title: string; row: JsonRow | null }[] = [
    ...(kind === 'orphan' ? [] : [{ title: 'winner', row: winner.row }]),
    { title: 'loser', row: loser.row },
    ...(isUnique ? [{ title: 'winner’s row now', row: winnerNow }] : []),
    { title: isUnique ? 'loser’s row now' : 'now', row: now },
  ];
  const lines = columnsOf(conflict).map((name) => {
    const mark = markOf(conflict, name);
    const cells = [
      `${mark} ${printable(name)}`,
      ...rows.map(({ row }) => (row === null ? '' : renderValue(row[name]))),
    ];
    return mark === COLLIDED ? cells.map((cell) => paint.yellow(cell)) : cells;
  });
  const missing = ['  (row)', ...rows.map(({ row }) => (row === null ? 'no row' : ''))];
  const all = rows.some(({ row }) => row === null) ? [missing, ...lines] : lines;
  const legend = lines.some(([cell]) => cell?.startsWith(MERGED))
    ? `\n${COLLIDED} collided  ${MERGED} differs, and merged`
    : '';
  return renderTable([{ title: '  column' }, ...rows.map(({ title }) => ({ title }))], all) + legend;
}

/** The winner of an orphan is the parent's side: a row of another table. */
function columnsOf({ tableColumns, winner, loser, kind }: ConflictDetail): string[] {
  const sides = kind === 'orphan' ? [loser] : [winner, loser];
  return [...new Set([...(tableColumns ?? []), ...sides.flatMap(({ row }) => Object.keys(row ?? {}))])];
}

/** Where rows merged, only the columns that the record names collided; else all that differ, or what was UNIQUE. */
function markOf(conflict: ConflictDetail, name: string): string {
  const { winner, loser, columns, kind } = conflict;
  if (kind === 'unique' || kind === 'orphan') return columns.includes(name) ? COLLIDED : ' ';
  if (winner.row === null || loser.row === null || isSameJson(winner.row[name], loser.row[name])) return ' ';
  return isColumnConflict(conflict) && !columns.includes(name) ? MERGED : COLLIDED;
}

function nowNote({ changed, tableColumns, table, state }: ConflictDetail, paint: Ansis): string[] {
  if (tableColumns === null) return [paint.yellow(`Table ${printable(table)} does not replicate here (any more).`)];
  if (!changed) return [];
  const since = state === 'resolved' ? 'since it was resolved' : 'since it was settled';
  return [paint.yellow(`Somebody has written here ${since}: a decision needs --force to write over that.`)];
}

const SETTLED_BY: Readonly<Record<string, string>> = {
  merge: 'merge keeps the row that came to life later, or its deletion',
  lww: 'lww keeps the row that was written later',
  version: 'version keeps the row that was written more often, of equals by the order of nodes, then the later',
  manual: 'manual keeps the row that was written later, until somebody decides',
  repair: 'by an operator’s word, or when a gap was closed',
  gap: 'what came stands, save for columns that it did not write',
};

function settlement({ kind, strategy, resolutions, detail }: ConflictDetail): string {
  return [
    `settled: ${ruleOf(kind, strategy)}`,
    ...detailLines(detail),
    ...resolutions.toReversed().map(resolutionLine),
  ].join('\n');
}

function detailLines(detail: ConflictDetail['detail']): string[] {
  const { parent, rule, rekeyedTo, moved = 0, kept } = detail ?? {};
  return [
    ...(parent ? [`parent: ${printable(parent.table)} ${renderKey(parent.key)}${rule ? `, rule ${rule}` : ''}`] : []),
    ...(rekeyedTo === undefined
      ? []
      : [
          `the row that lost lives on under the key ${rekeyedTo}; ${renderCount(moved, 'row that referred', 'rows that referred')} to it followed`,
        ]),
    ...(kept === undefined ? [] : [`its rule could not be followed: ${printable(kept)}`]),
  ];
}

function ruleOf(kind: ConflictDetail['kind'], strategy: string): string {
  if (kind === 'unique')
    return 'of two rows with one UNIQUE value the one with the lower key stays, the other was deleted';
  if (kind === 'orphan') return 'by the table’s rule for rows without a parent';
  if (kind === 'update-update' && strategy === 'merge') return 'merge keeps of each column the later write';
  return SETTLED_BY[strategy] ?? strategy;
}

function resolutionLine({ at, operator, node, choice, after }: ResolutionReport): string {
  const what = choice === 'undo' ? 'undone' : `resolved: ${choice}`;
  const effect = after.length === 0 ? ', nothing had to be written' : '';
  return `${what}, by ${operator} on ${node} at ${at}${effect}`;
}

function whatToType(conflict: ConflictDetail, target: string, paint: Ansis): string {
  const { id, state } = conflict;
  const command = (verb: string, rest = '') => `sqlsync conflicts ${verb} ${shortId(id)}${target}${rest}`;
  const lines: [typed: string, effect: string][] = [
    [command('resolve', ' --use winner'), 'keeps what was settled, and closes the conflict'],
  ];
  if (conflict.detail?.rekeyedTo === undefined)
    lines.push([command('resolve', ' --use loser'), effectOfLoser(conflict)]);
  const column = columnToSet(conflict);
  if (column !== undefined) {
    const effect =
      conflict.kind === 'unique' ? 'puts the loser’s row back with another value' : 'sets a value of your own';
    lines.push([command('resolve', ` --set ${shellWord(`${column}=JSON`)}`), effect]);
  }
  if (state === 'resolved') lines.unshift([command('undo'), 'takes the decision back']);
  const width = Math.max(...lines.map(([typed]) => typed.length));
  return lines.map(([typed, effect]) => `  ${paint.cyan(typed.padEnd(width))}  ${effect}`).join('\n');
}

function effectOfLoser({ kind, loser, detail }: ConflictDetail): string {
  if (kind === 'unique') return 'puts the loser’s row back, and deletes the winner’s';
  if (kind === 'orphan') return 'puts the row back as it was';
  const who = loser.node ?? 'the other side';
  const deed = detail?.gap?.node === loser.node ? 'had' : 'wrote';
  return loser.row === null ? `deletes the row, as ${who} did` : `takes what ${who} ${deed}`;
}

/** One that collided, else any that is none of the key. */
function columnToSet({ columns, tableColumns, key }: ConflictDetail): string | undefined {
  return [...columns, ...(tableColumns ?? [])].find((name) => !(name in key));
}
