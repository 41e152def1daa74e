/** What `sqlsync status --json` prints: an interface for programs. Null: not known. Times are RFC 3339 UTC. */
import type { ErrorBody, ErrorCode } from '../errors.js';
import type { ConflictCounts } from '../replication/conflict-count.js';
import type { JobKind, JobRecord } from './job-record.js';

export interface NodeStatus {
  readonly node: string;
  readonly version: string;
  readonly wireVersion: number;
  /** Does a daemon serve the databases? */
  readonly running: boolean;
  readonly pid: number | null;
  readonly uptimeSeconds: number | null;
  readonly configFile: string;
  /** No problem is an error. */
  readonly healthy: boolean;
  readonly problems: readonly Problem[];
  readonly databases: readonly DatabaseStatus[];
}

/** Something an operator should know of. A warning alone leaves the node healthy. */
export interface Problem {
  readonly code: ErrorCode;
  readonly severity: 'error' | 'warning';
  readonly database: string | null;
  readonly peer: string | null;
  readonly message: string;
  /** What to type; null: nothing to type mends it. */
  readonly command: string | null;
  readonly since: string | null;
}

/** A problem that has yet to be told of which database and peer it is. */
export type Finding = Omit<Problem, 'database' | 'peer' | 'since'> & { readonly since?: string | null };

/** `unknown`: something has, or may have, gone past the triggers, and nobody has compared the nodes since. */
export type Coverage = 'complete' | 'partial' | 'unknown';

/** A table that is not wholly captured, and why. */
export interface TableCoverage {
  readonly name: string;
  readonly coverage: 'partial' | 'unknown';
  readonly reason: string;
}

export interface DatabaseStatus {
  readonly name: string;
  readonly path: string;
  readonly dataset: string | null;
  readonly nodeId: string | null;
  readonly session: string | null;
  readonly formatVersion: number | null;
  /** Replicated tables. */
  readonly tables: number | null;
  readonly excludedTables: readonly string[];
  readonly coverage: Coverage;
  /** Only tables that are not complete; empty too where `coverage` is unknown because the file cannot be read. */
  readonly tableCoverage: readonly TableCoverage[];
  /** Local changes that some member has not acknowledged, the unfolded ones included. */
  readonly pendingChanges: number | null;
  readonly logEntries: number | null;
  readonly retainedBytes: number | null;
  readonly conflictsOpen: number | null;
  /** Conflict records that are here, by state, kind and strategy; `merged`: rows that merged without one. */
  readonly conflicts: (ConflictCounts & { readonly merged: number }) | null;
  readonly quarantined: number | null;
  readonly heldRows: number | null;
  readonly schemaBehind: readonly string[];
  readonly catchingUp: boolean;
  readonly lastBackup: string | null;
  /** What runs by schedule, and how it went. */
  readonly jobs: readonly JobStatus[];
  readonly peers: readonly PeerStatus[];
}

export interface JobStatus extends JobRecord {
  readonly kind: JobKind;
}

export type PeerState = 'online' | 'offline' | 'syncing' | 'paused' | 'stale' | 'error';
export type PeerDirection = 'both' | 'push' | 'pull';

export interface PeerStatus {
  readonly name: string;
  readonly state: PeerState;
  readonly direction: PeerDirection;
  readonly lastContactAt: string | null;
  readonly clockSkewSeconds: number | null;
  readonly outbound: Backlog;
  readonly inbound: Backlog;
  readonly rowsSent: number | null;
  readonly rowsReceived: number | null;
  readonly lastVerify: string | null;
  readonly lastError: ErrorBody | null;
}

/** What has not crossed yet, and how long the oldest of it has waited. */
export interface Backlog {
  readonly changes: number | null;
  readonly oldestSeconds: number | null;
}
