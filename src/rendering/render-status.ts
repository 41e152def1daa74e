/** A status for people: first whether all is well, then what is not and what to type, then the figures. */
import type { Ansis } from 'ansis';
import type { DatabaseStatus, NodeStatus, PeerStatus, Problem } from '../operations/status-report.js';
import { renderSeconds } from '../render-figures.js';
import { renderTable } from '../render-table.js';
import { STATE_PAINT } from './render-peers.js';

export interface RenderStatusOptions {
  readonly paint: Ansis;
  readonly now: Date;
}

/** Text without a final newline. */
export function renderStatus(status: NodeStatus, options: RenderStatusOptions): string {
  const { databases, problems } = status;
  const peers = databases.flatMap((database) => database.peers.map((peer) => ({ database, peer })));
  return [
    headline(status, options.paint),
    ...problems.map((problem) => renderProblem(problem, options)),
    databasesTable(databases, options.paint),
    ...(peers.length > 0 ? [peersTable(peers, options)] : []),
  ].join('\n\n');
}

function headline(
  { node, healthy, running, pid, uptimeSeconds, configFile, problems }: NodeStatus,
  paint: Ansis,
): string {
  const warnings = problems.length > 0 ? `, ${problems.length} to look at` : '';
  const verdict = healthy ? paint.green.bold(`healthy${warnings}`) : paint.red.bold('UNHEALTHY');
  const up = uptimeSeconds === null ? '' : `, up ${renderSeconds(uptimeSeconds)}`;
  const daemon = running ? `daemon ${pid}${up}` : 'no daemon';
  return `${paint.bold(node)} is ${verdict}  (${daemon}, ${configFile})`;
}

function renderProblem(
  { code, severity, database, peer, message, command, since }: Problem,
  options: RenderStatusOptions,
): string {
  const { paint, now } = options;
  const mark = severity === 'error' ? paint.red.bold('error') : paint.yellow.bold('warning');
  const where = [database, peer].filter((name) => name !== null).join(', ');
  const age = since === null ? '' : ` (since ${since}, ${ageOf(since, now)})`;
  const line = `${mark} ${code}${where === '' ? '' : ` [${where}]`}: ${message}${age}`;
  return command === null ? line : `${line}\n  type: ${paint.cyan(command)}`;
}

function databasesTable(databases: readonly DatabaseStatus[], paint: Ansis): string {
  const right = 'right' as const;
  return renderTable(
    [
      { title: 'database' },
      { title: 'tables', align: right },
      { title: 'coverage' },
      { title: 'pending', align: right },
      { title: 'conflicts', align: right },
      { title: 'quarantined', align: right },
      { title: 'path' },
    ],
    databases.map((database) => [
      database.name,
      figure(database.tables),
      database.coverage === 'complete' ? 'complete' : paint.red(database.coverage),
      figure(database.pendingChanges),
      figure(database.conflictsOpen),
      figure(database.quarantined),
      database.path,
    ]),
  );
}

function peersTable(
  peers: readonly { readonly database: DatabaseStatus; readonly peer: PeerStatus }[],
  { paint, now }: RenderStatusOptions,
): string {
  const right = 'right' as const;
  return renderTable(
    [
      { title: 'database' },
      { title: 'peer' },
      { title: 'state' },
      { title: 'direction' },
      { title: 'to send', align: right },
      { title: 'sent', align: right },
      { title: 'received', align: right },
      { title: 'last contact' },
    ],
    peers.map(({ database, peer }) => [
      database.name,
      peer.name,
      paint[STATE_PAINT[peer.state]](peer.state),
      peer.direction,
      figure(peer.outbound.changes),
      figure(peer.rowsSent),
      figure(peer.rowsReceived),
      peer.lastContactAt === null ? '-' : ageOf(peer.lastContactAt, now),
    ]),
  );
}

/** An unknown figure is a dash, never a nought. */
function figure(value: number | null): string {
  return value === null ? '-' : value.toLocaleString('en');
}

function ageOf(at: string, now: Date): string {
  return `${renderSeconds((now.getTime() - Date.parse(at)) / 1000)} ago`;
}
