/** What a running daemon tells of itself over its control socket. Null: not known. Times are RFC 3339 UTC. */
import { type ErrorBody, SqlsyncError } from '../errors.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import type { ServedDatabase } from './database/served-databases.js';
import type { Direction, PeerRecord, PeerState } from './peer/peer-record.js';

export interface DaemonStatus {
  readonly pid: number;
  readonly startedAt: string;
  /** `host:port` as it listens; null when it only dials. */
  readonly listen: string | null;
  /** Keys of the configuration whose new values the daemon does not take up while it runs. */
  readonly waitingForRestart: readonly string[];
  readonly databases: readonly ServedStatus[];
}

export interface ServedStatus {
  readonly name: string;
  readonly path: string;
  /** Null: another program has the file locked, which is among the problems. */
  readonly replica: ReplicaStatus | null;
  /** What keeps the daemon from doing its work on this database. */
  readonly problems: readonly ServedProblem[];
  readonly peers: readonly PeerFigures[];
}

export interface ServedProblem extends ErrorBody {
  /** RFC 3339, UTC; null: not known. */
  readonly since: string | null;
}

export interface PeerFigures {
  readonly name: string;
  readonly state: PeerState;
  readonly direction: Direction;
  readonly lastContactAt: string | null;
  readonly clockSkewSeconds: number | null;
  readonly behind: readonly string[];
  /** What it said last of its tables. */
  readonly schemaHash: string | null;
  /** Since the daemon started. */
  readonly rowsSent: number;
  readonly rowsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly lastError: ErrorBody | null;
}

export async function statusOf(served: ServedDatabase): Promise<ServedStatus> {
  const read = await served.service.status().catch(lockOf);
  return read instanceof SqlsyncError ? servedStatus(served, null, [read]) : servedStatus(served, read);
}

/** What the daemon knows besides what has been read of the database. */
export function servedStatus(
  { service, peers }: ServedDatabase,
  replica: ReplicaStatus | null,
  met: readonly SqlsyncError[] = [],
): ServedStatus {
  const open = service.openProblems.map(({ error, since }) => ({ ...error.toBody(), since: since.toISOString() }));
  return {
    name: service.name,
    path: service.path,
    replica,
    problems: [...met.map((error) => ({ ...error.toBody(), since: null })), ...open],
    peers: peers.all().map(figuresOf),
  };
}

/** A lock is a state like others, and no reason to say nothing of the rest. */
function lockOf(error: unknown): SqlsyncError {
  if (error instanceof SqlsyncError && error.code === 'database-locked') return error;
  throw error;
}

function figuresOf(peer: PeerRecord): PeerFigures {
  const { name, state, direction, lastContactAt, clockSkewSeconds, behind, schemaHash, lastError } = peer;
  const { rowsSent, rowsReceived, bytesSent, bytesReceived } = peer;
  return {
    name,
    state,
    direction,
    lastContactAt: lastContactAt?.toISOString() ?? null,
    clockSkewSeconds,
    behind,
    schemaHash,
    rowsSent,
    rowsReceived,
    bytesSent,
    bytesReceived,
    lastError,
  };
}
