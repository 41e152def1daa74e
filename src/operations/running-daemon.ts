/** The daemon that serves a file, as operations speak to it. Whoever composes them brings daemon/control/control-client.ts. */
import type { ErrorBody } from '../errors.js';
import type { KeptDecision } from '../replication/decide-kept.js';
import type { InclusionRequest } from '../replication/inclusion-request.js';
import type { PrunePlan } from '../replication/prune-plan.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import type { RuleRequest } from '../replication/rule-request.js';
import type { EffectiveRule } from '../replication/rules.js';
import type { RulesStatus } from '../replication/rules-status.js';
import type { BackupProgress, BackupReport, BackupRequest } from './backup/backup-report.js';
import type { PeerDirection, PeerState } from './status-report.js';
import type { CompareRequest, VerifiedPeer } from './verify-report.js';

/** Finds the daemon that serves the file, by its real path; null when none answers. */
export type FindDaemon = (realPath: string) => Promise<RunningDaemon | null>;

export interface RunningDaemon {
  readonly pid: number;
  status(): Promise<DaemonFigures>;
  /** Empty lists: all databases, all peers. */
  sync(which: SyncTargets, onProgress?: (progress: SyncProgress) => void, signal?: AbortSignal): Promise<SyncResult[]>;
  compare(
    request: CompareRequest,
    onProgress?: (progress: SyncProgress) => void,
    signal?: AbortSignal,
  ): Promise<VerifiedPeer[]>;
  /** Removes history of these databases, or tells what could go. */
  prune(databases: readonly string[], order: PruneOrder): Promise<PrunedHistory[]>;
  pause(peer: string): Promise<void>;
  resume(peer: string): Promise<void>;
  backUp(
    request: BackupRequest,
    onProgress?: (progress: BackupProgress) => void,
    signal?: AbortSignal,
  ): Promise<BackupReport>;
  decideQuarantine(request: QuarantineRequest): Promise<QuarantineDecision[]>;
  setRules(request: SetRulesRequest, signal?: AbortSignal): Promise<ChangedRules>;
  includeTables(request: IncludeRequest, signal?: AbortSignal): Promise<ChangedInclusion>;
  recoverRules(request: RulesRecovery, signal?: AbortSignal): Promise<RecoveredRules>;
}

/** Who has something done to a database, and how he typed it: for the record of operations. */
export interface RulesRecovery {
  readonly database: string;
  readonly operator: string;
  readonly command: string;
}

export interface SetRulesRequest extends RulesRecovery {
  readonly rule: RuleRequest;
}

export interface IncludeRequest extends RulesRecovery {
  readonly tables: InclusionRequest;
}

/** What became of a rule by which tables replicate or not. */
export interface ChangedInclusion {
  readonly changed: boolean;
  /** Who has adopted the rules. Null: not heard. */
  readonly members: RulesStatus['members'];
}

/** What became of the rules of one table. */
export interface ChangedRules {
  readonly changed: boolean;
  /** Does the table go by what was asked for? Only a rehearsal leaves it at no. */
  readonly inEffect: boolean;
  /** What it goes by, or would. */
  readonly rule: EffectiveRule;
  /** Who has adopted the rules. Null: not heard. */
  readonly members: RulesStatus['members'];
}

/** What became of a change whose coordinator is gone; null: none was waited for. */
export interface RecoveredRules {
  readonly outcome: 'adopted' | 'given up' | null;
}

/** What an operator decides about changes that wait in quarantine. */
export interface QuarantineRequest {
  /** retry: another try. discard: give them up, on every node. */
  readonly act: 'retry' | 'discard';
  readonly database: string;
  readonly ids: readonly string[];
  /** Who decides, and how he typed it: for the record of operations. */
  readonly operator: string;
  readonly command: string;
}

export type QuarantineDecision = KeptDecision;

export interface DaemonFigures {
  readonly pid: number;
  readonly startedAt: string;
  /** Keys of the configuration whose new values the daemon does not take up while it runs. */
  readonly waitingForRestart: readonly string[];
  readonly databases: readonly ServedFigures[];
}

export interface ServedFigures {
  readonly name: string;
  readonly path: string;
  /** Null: the file is locked. */
  readonly replica: ReplicaStatus | null;
  readonly problems: readonly (ErrorBody & { readonly since: string | null })[];
  readonly peers: readonly PeerFigures[];
}

export interface PeerFigures {
  readonly name: string;
  readonly state: PeerState;
  readonly direction: PeerDirection;
  readonly lastContactAt: string | null;
  readonly clockSkewSeconds: number | null;
  /** Tables of which the peer keeps rows aside until its application's migration. */
  readonly behind: readonly string[];
  /** What it said last of its tables; null: it has not been in touch. */
  readonly schemaHash: string | null;
  readonly rowsSent: number;
  readonly rowsReceived: number;
  readonly lastError: ErrorBody | null;
}

export interface PruneOrder {
  /** Younger log entries stay; null: as the daemon's configuration says. */
  readonly keepLogMs: number | null;
  readonly dryRun: boolean;
}

/** What became of one database's history. */
export interface PrunedHistory {
  readonly database: string;
  readonly path: string;
  /** Names of members. */
  readonly evicted: readonly string[];
  readonly undecided: readonly string[];
  readonly before: PrunePlan;
  /** Null: nothing was to be removed. */
  readonly after: PrunePlan | null;
}

export interface SyncTargets {
  readonly databases: string[];
  readonly peers: string[];
}

export interface SyncProgress {
  readonly database: string;
  readonly peer: string;
  readonly phase: 'pull' | 'apply' | 'push' | 'peer-applies' | 'compare';
  readonly bytes: number;
  readonly rows: number;
  readonly rowsTotal: number | null;
}

/** How one exchange with one peer about one database went. */
export interface SyncResult {
  readonly database: string;
  readonly peer: string;
  readonly rowsSent: number;
  readonly rowsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Null: it is done. */
  readonly error: ErrorBody | null;
}
