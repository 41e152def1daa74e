/** The links of a node, for people. */
import type { Ansis } from 'ansis';
import type { PeerChange } from '../operations/change-peers.js';
import type { PeerLinkReport } from '../operations/list-peers.js';
import type { PeerStatus } from '../operations/status-report.js';
import { renderTable } from '../render-table.js';

/** How a state looks wherever it is shown. */
export const STATE_PAINT: Record<PeerStatus['state'], 'green' | 'yellow' | 'red'> = {
  online: 'green',
  syncing: 'green',
  paused: 'yellow',
  offline: 'yellow',
  stale: 'red',
  error: 'red',
};

export function renderPeers(peers: readonly PeerLinkReport[], paint: Ansis): string {
  return renderTable(
    [
      { title: 'peer' },
      { title: 'database' },
      { title: 'state' },
      { title: 'direction' },
      { title: 'live' },
      { title: 'schedule' },
      { title: 'url' },
      { title: 'last error' },
    ],
    peers.map(({ name, database, state, direction, live, schedule, url, lastError }) => [
      name,
      database,
      paint[STATE_PAINT[state]](state),
      direction,
      live === null ? '-' : live ? 'yes' : 'no',
      schedule ?? '-',
      url ?? '-',
      lastError?.message ?? '',
    ]),
  );
}

/** Where the record of operations lacks a change, since the file cannot be written. */
export function renderUnrecorded({ unrecorded }: PeerChange): string[] {
  return unrecorded.length === 0 ? [] : [`not entered among the operations of ${unrecorded.join(', ')}: see status`];
}
