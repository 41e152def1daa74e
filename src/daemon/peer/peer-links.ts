/** The links of a daemon to the peers it dials, one for each peer and database, as the configuration has them now. */
import type { PeerConfig } from '../../config-schema.js';
import { SqlsyncError } from '../../errors.js';
import type { SyncProgress, SyncResult } from '../control/control-protocol.js';
import type { DatabaseService } from '../database/database-service.js';
import type { ServedDatabase, ServedDatabases } from '../database/served-databases.js';
import { pausedPeers, writePausedPeers } from '../file/paused-peers.js';
import type { PeerAddress } from './peer-address.js';
import { PeerLink, type PeerLinkOptions } from './peer-link.js';
import type { PeerRecord } from './peer-record.js';
import type { PeerTarget } from './peer-target.js';

export interface PeerLinksOptions extends Pick<PeerLinkOptions, 'limits' | 'onBug'> {
  readonly databases: ServedDatabases;
  readonly addressOf: (peer: PeerConfig) => PeerAddress;
}

const ALL = '*';

export class PeerLinks {
  private links: PeerLink[] = [];

  constructor(private readonly options: PeerLinksOptions) {}

  /** Replaces the links by those of this configuration. All connections are made anew, under what it says now. */
  async configure(peers: readonly PeerConfig[]): Promise<void> {
    await this.close();
    for (const served of this.options.databases.all()) {
      for (const peer of served.peers.all()) peer.connection?.close();
    }
    for (const served of this.options.databases.all()) {
      const own = peers.filter(({ databases }) => databases.includes(ALL) || databases.includes(served.service.name));
      served.peers.configure(own);
      for (const name of pausedPeers(served.service.side)) served.peers.of(name).isPaused = true;
      for (const peer of own) this.links.push(this.link(served, peer));
    }
    for (const link of this.links) link.start();
  }

  async close(): Promise<void> {
    await Promise.all(this.links.splice(0).map((link) => link.close()));
  }

  /** One exchange for each of the peers and databases asked for (empty: all); what fails is told in its result. */
  async sync(asked: Asked, onProgress: (progress: SyncProgress) => void, signal: AbortSignal): Promise<SyncResult[]> {
    const wanted = chosen(this.reachable(), asked);
    return Promise.all(wanted.map((target) => syncOne(target, onProgress, signal)));
  }

  /** The peers asked for (empty: all), those among them too that have dialed this node and are not connected now. */
  targets(asked: Asked): PeerTarget[] {
    const reachable = this.reachable();
    const known = new Set(reachable.map(({ peer }) => peer));
    const absent = this.options.databases
      .all()
      .flatMap(({ service, peers }) =>
        peers.all().flatMap((peer): PeerTarget[] => (known.has(peer) ? [] : [absentTarget(service, peer)])),
      );
    return chosen([...reachable, ...absent], asked);
  }

  /** Stops all exchange with a peer until it is resumed, also by a daemon that starts later. */
  async pause(name: string): Promise<void> {
    await this.setPaused(name, true);
    await Promise.all(this.linksTo(name).map((link) => link.stop()));
    for (const peer of this.recordsOf(name)) peer.connection?.close();
  }

  async resume(name: string): Promise<void> {
    await this.setPaused(name, false);
    for (const link of this.linksTo(name)) link.start();
  }

  private link(served: ServedDatabase, peer: PeerConfig): PeerLink {
    const { limits, onBug, addressOf } = this.options;
    const { live, schedule } = peer;
    return new PeerLink({ served, address: addressOf(peer), live, schedule, limits, onBug });
  }

  /** Peers that this node dials, and those that have dialed it and are connected. */
  private reachable(): PeerTarget[] {
    const known = new Set(this.links.map(({ peer }) => peer));
    const dialing = this.options.databases.all().flatMap(({ service, peers }) =>
      peers.all().flatMap((peer): PeerTarget[] => {
        const { connection } = peer;
        if (known.has(peer) || connection === null) return [];
        return [{ service, peer, exchange: () => connection.sync(), ask: (question) => connection.ask(question) }];
      }),
    );
    return [...this.links, ...dialing];
  }

  private linksTo(name: string): PeerLink[] {
    return this.links.filter(({ peer }) => peer.name === name);
  }

  private recordsOf(name: string): PeerRecord[] {
    return this.options.databases.all().flatMap(({ peers }) => peers.all().filter((peer) => peer.name === name));
  }

  private async setPaused(name: string, isPaused: boolean): Promise<void> {
    const records = this.recordsOf(name);
    if (records.length === 0) throw unknownPeer(name);
    for (const record of records) record.isPaused = isPaused;
    for (const { service, peers } of this.options.databases.all()) {
      const paused = peers.all().filter((peer) => peer.isPaused);
      writePausedPeers(
        service.side,
        paused.map((peer) => peer.name),
      );
    }
  }
}

/** Empty lists: all. */
interface Asked {
  readonly databases: readonly string[];
  readonly peers: readonly string[];
}

/** Throws `peer-unknown` for a name that none of them has. */
function chosen(targets: readonly PeerTarget[], asked: Asked): PeerTarget[] {
  const wanted = targets.filter(
    ({ service, peer }) =>
      (asked.databases.length === 0 || asked.databases.includes(service.name)) &&
      (asked.peers.length === 0 || asked.peers.includes(peer.name)),
  );
  for (const name of asked.peers) {
    if (!wanted.some(({ peer }) => peer.name === name)) throw unknownPeer(name);
  }
  return wanted;
}

function absentTarget(service: DatabaseService, peer: PeerRecord): PeerTarget {
  const refuse = async (): Promise<never> => {
    throw new SqlsyncError('peer-unreachable', `${peer.name} dials this node, and is not connected`, {
      hint: `start its daemon: this node has no URL for it (\`sqlsync peers add ${peer.name}=URL\`)`,
    });
  };
  return { service, peer, exchange: refuse, ask: refuse };
}

async function syncOne(
  target: PeerTarget,
  onProgress: (progress: SyncProgress) => void,
  signal: AbortSignal,
): Promise<SyncResult> {
  const { service, peer } = target;
  const database = service.name;
  const before = { ...peer };
  let error: SqlsyncError | null = null;
  try {
    await target.exchange((progress) => onProgress({ ...progress, database, peer: peer.name }), signal);
  } catch (caught) {
    if (!(caught instanceof SqlsyncError)) throw caught;
    error = caught;
  }
  return {
    database,
    peer: peer.name,
    rowsSent: peer.rowsSent - before.rowsSent,
    rowsReceived: peer.rowsReceived - before.rowsReceived,
    bytesSent: peer.bytesSent - before.bytesSent,
    bytesReceived: peer.bytesReceived - before.bytesReceived,
    error: error?.toBody() ?? null,
  };
}

function unknownPeer(name: string): SqlsyncError {
  return new SqlsyncError('peer-unknown', `there is no peer "${name}" to exchange with`, {
    hint: 'see `sqlsync peers`; one that only dials this node must be connected',
  });
}
