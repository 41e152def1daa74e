/** The links of a daemon to the peers it dials, one for each peer and database, as the configuration has them now. */
import type { PeerConfig } from '../../config-schema.js';
import { SqlsyncError } from '../../errors.js';
import type { SyncProgress, SyncResult } from '../control/control-protocol.js';
import type { DatabaseService } from '../database/database-service.js';
import type { ServedDatabase, ServedDatabases } from '../database/served-databases.js';
import { pausedPeers, writePausedPeers } from '../file/paused-peers.js';
import type { PeerAddress } from './peer-address.js';
import { exchangePaused } from './peer-failure.js';
import { PeerLink, type PeerLinkOptions } from './peer-link.js';
import { PeerRecord } from './peer-record.js';
import type { PeerTarget } from './peer-target.js';

export interface PeerLinksOptions extends Pick<PeerLinkOptions, 'limits' | 'onBug'> {
  readonly databases: ServedDatabases;
  readonly addressOf: (peer: PeerConfig, service: DatabaseService) => PeerAddress;
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
    const served = this.options.databases
      .all()
      .filter(({ service }) => asked.databases.length === 0 || asked.databases.includes(service.name));
    const targets = await Promise.all(served.map((database) => this.targetsOf(database, asked.peers)));
    const wanted = targets.flat();
    for (const name of asked.peers) {
      if (!wanted.some(({ peer }) => peer.name === name)) throw unknownPeer(name);
    }
    return Promise.all(wanted.map((target) => syncOne(target, onProgress, signal)));
  }

  /** The peers asked for (empty: all), those among them too that have dialed this node and are not connected now. */
  targets(asked: Asked): PeerTarget[] {
    return chosen(
      this.options.databases.all().flatMap((served) => this.targetsIn(served)),
      asked,
    );
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

  /** No link of this database exchanges anything until `takeUp`; connections that were dialed here are closed too. */
  async suspend({ service, peers }: ServedDatabase): Promise<void> {
    await Promise.all(this.linksOf(service).map((link) => link.stop()));
    for (const peer of peers.all()) peer.connection?.close();
  }

  takeUp({ service }: ServedDatabase): void {
    for (const link of this.linksOf(service)) link.start();
  }

  private linksOf(service: ServedDatabase['service']): PeerLink[] {
    return this.links.filter((link) => link.service === service);
  }

  private link(served: ServedDatabase, peer: PeerConfig): PeerLink {
    const { limits, onBug, addressOf } = this.options;
    const { live, schedule } = peer;
    return new PeerLink({ served, address: addressOf(peer, served.service), live, schedule, limits, onBug });
  }

  /**
   * Peers that this node dials, and members that have dialed it: those that are not connected are told of, since only
   * they can begin. Where there is nobody else, that goes for every other member.
   * @param names empty: all
   */
  private async targetsOf(served: ServedDatabase, names: readonly string[]): Promise<PeerTarget[]> {
    const { service } = served;
    const known = this.targetsIn(served);
    const isKnown = (name: string) => known.some(({ peer }) => peer.name === name);
    const isWanted = (name: string) => (names.length === 0 ? known.length === 0 : names.includes(name));
    const members = await service.work(() => service.replica.memberNames);
    const silent = members
      .filter((name) => name !== service.replica.node && !isKnown(name) && isWanted(name))
      .map((name) => dialingTarget(service, new PeerRecord(name)));
    return [...known.filter(({ peer }) => names.length === 0 || names.includes(peer.name)), ...silent];
  }

  /** Peers that this node dials, and those that have dialed it, unless they have been removed since. */
  private targetsIn({ service, peers }: ServedDatabase): PeerTarget[] {
    const links = this.linksOf(service);
    const dialing = peers
      .all()
      .filter((peer) => !links.some((link) => link.peer === peer))
      .filter((peer) => peer.connection !== null || service.replica.knownMemberNames.includes(peer.name))
      .map((peer) => dialingTarget(service, peer));
    return [...links, ...dialing];
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

function dialingTarget(service: DatabaseService, peer: PeerRecord): PeerTarget {
  const connected = async () => {
    if (peer.connection === null) throw notConnected(peer);
    return peer.connection;
  };
  return {
    service,
    peer,
    exchange: async () => (await connected()).sync(),
    ask: async (question) => (await connected()).ask(question),
    askRules: async (question) => (await connected()).askRules(question),
  };
}

function notConnected({ name, isPaused, lastError }: PeerRecord): SqlsyncError {
  if (isPaused) return exchangePaused(name);
  const why = lastError === null ? '' : `: ${lastError.message}`;
  return new SqlsyncError('peer-unreachable', `${name} dials this node, and is not connected now${why}`, {
    hint: `only ${name} can begin: see that its daemon runs, or type there: sqlsync sync`,
  });
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
    hint: 'see `sqlsync peers`',
  });
}
