/** The links of this node, one for each peer and database: as configured, and how they are. */
import type { Config, DatabaseConfig } from '../config.js';
import { readStatus, type StatusDeps } from './read-status.js';
import type { PeerStatus } from './status-report.js';

export interface PeerLinkReport extends PeerStatus {
  readonly database: string;
  /** Null: this node does not dial it; it is a member that dials this node. */
  readonly url: string | null;
  readonly schedule: string | null;
  readonly live: boolean | null;
}

export async function listPeers(
  config: Config,
  databases: readonly DatabaseConfig[],
  deps: StatusDeps,
): Promise<PeerLinkReport[]> {
  const status = await readStatus(config, databases, deps);
  return status.databases.flatMap(({ name: database, peers }) =>
    peers.map((peer): PeerLinkReport => {
      const configured = config.peers.find(({ name }) => name === peer.name) ?? null;
      const { url = null, schedule = null, live = null } = configured ?? {};
      return { database, url, schedule, live, ...peer };
    }),
  );
}
