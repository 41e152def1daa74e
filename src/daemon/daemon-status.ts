/** What a running daemon tells of itself over its control socket. Null: not known. Times are RFC 3339 UTC. */
import type { ErrorBody } from '../errors.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import type { ServedDatabase } from './database/served-databases.js';
import type { Direction, PeerRecord, PeerState } from './peer/peer-record.js';

export interface DaemonStatus {
  readonly pid: number;
  readonly startedAt: string;
  /** `host:port` as it listens; null when it only dials. */
  readonly listen: string | null;
  readonly databases: readonly ServedStatus[];
}

export interface ServedStatus {
  readonly name: string;
  readonly path: string;
  readonly replica: ReplicaStatus;
  /** What keeps the daemon from doing its work on this database. */
  readonly problems: readonly ErrorBody[];
  readonly peers: readonly PeerFigures[];
}

export interface PeerFigures {
  readonly name: string;
  readonly state: PeerState;
  readonly direction: Direction;
  readonly lastContactAt: string | null;
  readonly clockSkewSeconds: number | null;
  readonly behind: readonly string[];
  /** Since the daemon started. */
  readonly rowsSent: number;
  readonly rowsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly lastError: ErrorBody | null;
}

export async function statusOf(served: ServedDatabase): Promise<ServedStatus> {
  return servedStatus(served, await served.service.status());
}

/** What the daemon knows besides what has been read of the database. */
export function servedStatus({ service, peers }: ServedDatabase, replica: ReplicaStatus): ServedStatus {
  return {
    name: service.name,
    path: service.path,
    replica,
    problems: service.openProblems.map((problem) => problem.toBody()),
    peers: peers.all().map(figuresOf),
  };
}

function figuresOf(peer: PeerRecord): PeerFigures {
  const { name, state, direction, lastContactAt, clockSkewSeconds, behind, lastError } = peer;
  const { rowsSent, rowsReceived, bytesSent, bytesReceived } = peer;
  return {
    name,
    state,
    direction,
    lastContactAt: lastContactAt?.toISOString() ?? null,
    clockSkewSeconds,
    behind,
    rowsSent,
    rowsReceived,
    bytesSent,
    bytesReceived,
    lastError,
  };
}
