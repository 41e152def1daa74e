/** How an exchange goes, and how it went, for people. */
import type { Ansis } from 'ansis';
import type { SyncProgress, SyncResult } from '../operations/running-daemon.js';
import type { Progress } from '../progress-line.js';
import { renderBytes } from '../render-figures.js';
import { renderTable } from '../render-table.js';

export function renderSync(results: readonly SyncResult[], paint: Ansis): string {
  if (results.length === 0) return 'no peers to exchange with: this node is the only member';
  const right = 'right' as const;
  return renderTable(
    [
      { title: 'database' },
      { title: 'peer' },
      { title: 'rows sent', align: right },
      { title: 'received', align: right },
      { title: 'bytes', align: right },
      { title: 'result' },
    ],
    results.map(({ database, peer, rowsSent, rowsReceived, bytesSent, bytesReceived, error }) => [
      database,
      peer,
      String(rowsSent),
      String(rowsReceived),
      renderBytes(bytesSent + bytesReceived),
      error === null ? paint.green('done') : paint.red(`${error.code}: ${error.message}`),
    ]),
  );
}

export function toProgress({ phase, peer, bytes, rows, rowsTotal }: SyncProgress): Progress {
  switch (phase) {
    case 'pull':
      return { label: `receiving from ${peer}`, unit: 'bytes', done: bytes, total: null };
    case 'apply':
      return { label: `applying from ${peer}`, unit: 'rows', done: rows, total: rowsTotal };
    case 'push':
      return { label: `sending to ${peer}`, unit: 'bytes', done: bytes, total: null };
    case 'peer-applies':
      return { label: `${peer} applies`, unit: 'rows', done: rows, total: rowsTotal };
    case 'compare':
      return { label: `comparing with ${peer}`, unit: 'rows', done: rows, total: rowsTotal };
  }
}
