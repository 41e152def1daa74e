/** How this node stands with each of its peers over one database. */
import type { Config, PeerConfig } from '../config.js';
import { hlcToMs } from '../replication/hlc.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import type { ServedFigures } from './running-daemon.js';
import type { Backlog, PeerState, PeerStatus } from './status-report.js';

export interface PeerFacts {
  readonly database: string;
  readonly config: Pick<Config, 'node'> & { readonly peers: readonly PeerConfig[] };
  /** Null: no daemon serves the database. */
  readonly served: ServedFigures | null;
  /** Null: the file cannot be read. */
  readonly replica: ReplicaStatus | null;
  /** Peers that an operator has paused: a daemon knows that itself. */
  readonly paused: readonly string[];
  readonly now: Date;
}

/**
 * Peers that are configured, that the daemon is in touch with or has met and that belong, and members: each once, in this
 * order. Who has been removed and is not dialed is no peer any more.
 */
export function peersOf(facts: PeerFacts): PeerStatus[] {
  const { database, config, served, replica } = facts;
  const configured = config.peers.filter(({ databases }) => databases.includes('*') || databases.includes(database));
  const members = (replica?.members ?? []).filter((member) => member !== config.node);
  const isGone = ({ name, state }: { readonly name: string; readonly state: PeerState }) =>
    replica !== null && !members.includes(name) && state !== 'online' && state !== 'syncing';
  const met = (served?.peers ?? []).filter((peer) => !isGone(peer));
  const names = new Set([...configured, ...met].map(({ name }) => name).concat(members));
  return [...names].map((name) => {
    const direction = configured.find((peer) => peer.name === name)?.direction ?? 'both';
    return peerStatus(name, direction, facts);
  });
}

function peerStatus(name: string, configured: PeerStatus['direction'], facts: PeerFacts): PeerStatus {
  const figures = facts.served?.peers.find((peer) => peer.name === name) ?? null;
  const state = figures?.state ?? (facts.paused.includes(name) ? 'paused' : 'offline');
  return {
    name,
    state,
    direction: figures?.direction ?? configured,
    lastContactAt: figures?.lastContactAt ?? null,
    clockSkewSeconds: figures?.clockSkewSeconds ?? null,
    outbound: outboundTo(name, facts),
    inbound: inboundFrom(name, state, facts),
    rowsSent: figures?.rowsSent ?? null,
    rowsReceived: figures?.rowsReceived ?? null,
    lastVerify: lastVerifyOf(name, facts),
    lastError: figures?.lastError ?? null,
  };
}

/** When all tables were last compared with the peer's, whatever came of it. */
function lastVerifyOf(name: string, { replica }: PeerFacts): string | null {
  const atMs = replica?.verified[name]?.atMs ?? null;
  return atMs === null ? null : new Date(atMs).toISOString();
}

const UNKNOWN: Backlog = { changes: null, oldestSeconds: null };
const NOTHING: Backlog = { changes: 0, oldestSeconds: 0 };

/** What a member has not acknowledged is known here; of a peer that is no member nothing is. */
function outboundTo(name: string, { replica, now }: PeerFacts): Backlog {
  const backlog = replica?.backlogs[name];
  if (backlog === undefined) return UNKNOWN;
  const { changes, oldestHlc } = backlog;
  if (oldestHlc === null) return NOTHING;
  return { changes, oldestSeconds: Math.max(0, Math.round((now.getTime() - hlcToMs(oldestHlc)) / 1000)) };
}

/** How many changes a peer has for this node only the peer could tell; that it has none can be known while it is in touch. */
function inboundFrom(name: string, state: PeerState, { replica }: PeerFacts): Backlog {
  const isInTouch = state === 'online' || state === 'syncing';
  return isInTouch && replica?.backlogs[name]?.isAhead === false ? NOTHING : UNKNOWN;
}
