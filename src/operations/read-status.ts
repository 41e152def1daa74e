/**
 * What `sqlsync status` says, with a daemon and without one. With one the figures are the daemon's; without, they are
 * read from the files, and what only a daemon can know is null. What cannot be read is a problem, not a failure.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config, DatabaseConfig } from '../config.js';
import { configFlag } from '../config-flag.js';
import { type ErrorBody, SqlsyncError } from '../errors.js';
import type { CaptureGap } from '../replication/capture-gap.js';
import { readNodeIdentity } from '../replication/file-contents.js';
import { isOtherPlace, readPlace } from '../replication/file-place.js';
import { type CaptureInspection, inspectCapture } from '../replication/inspect-capture.js';
import { FORMAT_VERSION } from '../replication/metadata-schema.js';
import { isWatching } from '../replication/migration-watch.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import { readRetainedBytes } from '../replication/retained-bytes.js';
import { allAtOnce } from '../replication/slices.js';
import { olderFormat } from '../replication/upgrade-format.js';
import type { VerifiedPeers } from '../replication/verified-peers.js';
import { WIRE_VERSION } from '../replication/wire-messages.js';
import { notInitialised } from './assert-initialised.js';
import { coverageOf, tableCoverageOf } from './capture-coverage.js';
import { findAnyDaemon } from './find-any-daemon.js';
import type { MembershipFacts } from './find-membership-problems.js';
import { type CatchUpFacts, type Failure, findProblems, type RuleChangeFacts } from './find-problems.js';
import { type JobRecords, jobsOf, schedulesOf } from './job-record.js';
import type { Machine } from './machine.js';
import { peersOf } from './peer-status.js';
import { readReplicaStatus } from './replica-figures.js';
import type { DaemonFigures, FindDaemon, ServedFigures } from './running-daemon.js';
import type { Coverage, DatabaseStatus, NodeStatus } from './status-report.js';

export interface StatusDeps extends Pick<Machine, 'files' | 'paused' | 'jobs' | 'now' | 'random'> {
  readonly findDaemon: FindDaemon;
  readonly version: string;
}

/** @param databases those of the configuration that are asked about */
export async function readStatus(
  config: Config,
  databases: readonly DatabaseConfig[],
  deps: StatusDeps,
): Promise<NodeStatus> {
  const running = await findAnyDaemon(databases, deps);
  const daemon = running === null ? null : await running.status();
  const readings = databases.map((database) => readDatabase(database, config, daemon, deps));
  const now = deps.now();
  const uptimeSeconds =
    daemon === null ? null : Math.max(0, Math.round((now.getTime() - Date.parse(daemon.startedAt)) / 1000));
  const statuses = readings.map(({ status }) => status);
  const problems = findProblems({
    running: daemon !== null,
    node: config.node,
    onlyDials: config.listen === null ? config.peers.map(({ name }) => name) : null,
    configFlag: configFlag(config.file),
    namesDatabases: config.databases.length > 1,
    uptimeSeconds,
    waitingForRestart: daemon?.waitingForRestart ?? [],
    databases: statuses,
    failures: new Map(readings.map(({ status, failures }) => [status.name, failures])),
    held: new Map(readings.flatMap(({ status, held }) => (held === null ? [] : [[status.name, held]]))),
    memberships: new Map(readings.flatMap(({ status, membership: m }) => (m === null ? [] : [[status.name, m]]))),
    nullKeys: new Map(readings.map(({ status, nullKeys }) => [status.name, nullKeys])),
    catchUps: new Map(readings.map(({ status, catchUp }) => [status.name, catchUp])),
    gaps: new Map(readings.flatMap(({ status, gap }) => (gap === null ? [] : [[status.name, gap]]))),
    ruleChanges: new Map(
      readings.flatMap(({ status, ruleChange }) => (ruleChange === null ? [] : [[status.name, ruleChange]])),
    ),
    verified: new Map(readings.map(({ status, verified }) => [status.name, verified])),
    diskFreeBytes: new Map(statuses.map(({ name, path }) => [name, diskFreeBytes(path)])),
    now,
    health: config.health,
    prune: config.prune,
  });
  return {
    node: config.node,
    version: deps.version,
    wireVersion: WIRE_VERSION,
    running: daemon !== null,
    pid: daemon?.pid ?? null,
    uptimeSeconds,
    configFile: config.file,
    healthy: problems.every(({ severity }) => severity !== 'error'),
    problems,
    databases: statuses,
  };
}

interface DatabaseReading {
  readonly status: DatabaseStatus;
  readonly held: ReplicaStatus['held'] | null;
  readonly membership: MembershipFacts | null;
  readonly nullKeys: readonly string[];
  readonly gap: CaptureGap | null;
  readonly catchUp: CatchUpFacts;
  readonly ruleChange: RuleChangeFacts | null;
  readonly verified: VerifiedPeers;
  readonly failures: readonly Failure[];
}

/** What a look into the file itself tells, whether a daemon runs or not. */
interface FileReading {
  readonly formatVersion: number;
  /** Are triggers lifted for a migration, or were they, and is it not known yet what was written? */
  readonly isMigrating: boolean;
  readonly inspection: CaptureInspection;
  readonly retainedBytes: number;
  readonly paused: readonly string[];
  readonly jobs: JobRecords;
  /** What may be a copy is not served before it is known what it is. */
  readonly mayBeCopy: boolean;
  /** Null: a daemon serves the file, and knows better; or it is of an older format. */
  readonly replica: ReplicaStatus | null;
}

function readDatabase(
  { name, path, identity }: DatabaseConfig,
  config: Config,
  daemon: DaemonFigures | null,
  deps: StatusDeps,
): DatabaseReading {
  const served = daemon?.databases.find((database) => database.name === name) ?? null;
  const read = attempt(() => readFile(path, served, deps));
  const file = 'value' in read ? read.value : null;
  const failures: Failure[] = 'error' in read ? [read.error] : [];
  if (identity === 'ask' && file?.mayBeCopy) failures.push(mayBeCopy(path));
  if (served === null && file?.isMigrating) failures.push(MIGRATING);
  if (served === null && file !== null && isOlder(file.formatVersion))
    failures.push(olderFormat(file.formatVersion, path));
  const replica = served?.replica ?? file?.replica ?? null;
  const paused = 'value' in read ? read.value.paused : [];
  const peers = peersOf({ database: name, config, served, replica, paused, now: deps.now() });
  return {
    status: {
      name,
      path,
      ...figuresOf(replica),
      formatVersion: replica?.formatVersion ?? file?.formatVersion ?? null,
      schemaBehind: nodesBehind(replica, served),
      coverage: coverageIn(file, replica),
      tableCoverage: file === null || replica === null ? [] : tableCoverageOf(file.inspection, replica),
      retainedBytes: file?.retainedBytes ?? null,
      lastBackup: file?.jobs.backup?.succeededAt ?? null,
      jobs: jobsOf(file?.jobs ?? {}, schedulesOf(config)),
      peers,
    },
    held: replica?.held ?? null,
    membership: replica,
    nullKeys: replica?.withoutIdentity ?? [],
    gap: replica?.gap ?? null,
    catchUp: { waiting: replica?.catchUp?.stageId === null, parked: replica?.parked ?? 0 },
    ruleChange: replica === null ? null : ruleChangeOf(replica),
    verified: replica?.verified ?? {},
    failures: onePerCode([...failures, ...(served?.problems ?? [])]),
  };
}

/** A lock that keeps out the daemon keeps out whoever looks beside it too: it is one problem. */
function onePerCode(failures: readonly Failure[]): Failure[] {
  return [...new Map(failures.map((failure) => [failure.code, failure])).values()];
}

function readFile(path: string, served: ServedFigures | null, deps: StatusDeps): FileReading {
  return deps.files.withSnapshot(path, (db) => {
    const identity = readNodeIdentity(db);
    if (identity === null) throw notInitialised(path);
    const { formatVersion } = identity;
    return {
      formatVersion,
      isMigrating: isWatching(db),
      inspection: inspectCapture(db),
      retainedBytes: allAtOnce(readRetainedBytes(db)),
      paused: deps.paused.read(deps.files.locate(path)),
      jobs: deps.jobs.read(deps.files.locate(path)),
      mayBeCopy: served === null && isOtherPlace(readPlace(db), placeOf(path, deps)),
      replica: served === null && !isOlder(formatVersion) ? readReplicaStatus(db, deps) : null,
    };
  });
}

/** Only a daemon upgrades it, since it makes a backup first. */
const isOlder = (formatVersion: number): boolean => formatVersion < FORMAT_VERSION;

function ruleChangeOf({ rules, members, node }: ReplicaStatus): RuleChangeFacts | null {
  const { underWay } = rules;
  if (underWay === null || underWay.since === null) return null;
  const { tables, coordinator, since } = underWay;
  // Whoever has taken over and was cut short takes over again.
  const isAbandoned = !members.includes(coordinator) || coordinator === node;
  return { tables, coordinator, since: new Date(since), isAbandoned };
}

/** Who must run the application's migration: nodes that keep rows aside until then. */
function nodesBehind(replica: ReplicaStatus | null, served: ServedFigures | null): string[] {
  const here = replica !== null && replica.held.rows > 0 ? [replica.node] : [];
  const peers = (served?.peers ?? []).filter(({ behind }) => behind.length > 0);
  return [...here, ...peers.map(({ name }) => name)];
}

function placeOf(path: string, { files }: StatusDeps) {
  const real = files.locate(path);
  return { path: real, file: files.fileIdentity(real) };
}

function figuresOf(replica: ReplicaStatus | null) {
  return {
    dataset: replica?.dataset ?? null,
    nodeId: replica?.nodeId ?? null,
    session: replica?.session ?? null,
    tables: replica?.tables ?? null,
    excludedTables: replica?.excludedTables ?? [],
    pendingChanges: replica?.pendingChanges ?? null,
    logEntries: replica?.logEntries ?? null,
    conflictsOpen: replica?.conflicts.open ?? null,
    conflicts: replica === null ? null : { ...replica.conflicts, merged: replica.merged },
    quarantined: replica?.quarantined ?? null,
    heldRows: replica?.held.rows ?? null,
    catchingUp: replica !== null && replica.catchUp !== null,
  };
}

function mayBeCopy(path: string): ErrorBody {
  const message = `${path} may be a copy of a node that goes on elsewhere, and is not served before that is known`;
  return { code: 'identity-unknown', message, hint: '--moved, --restored or --copied' };
}

function coverageIn(file: FileReading | null, replica: ReplicaStatus | null): Coverage {
  if (file === null || replica === null || file.isMigrating) return 'unknown';
  return coverageOf(file.inspection.complete, replica);
}

const MIGRATING: ErrorBody = {
  code: 'migrating',
  message: 'a migration of the application runs, or was cut short: writes are not recorded, but looked for afterwards',
  hint: 'if nothing runs any more, `sqlsync start` or `sqlsync init DB` puts the triggers back',
};

/** Null: the folder cannot be asked; that the database cannot be read either is told already. */
function diskFreeBytes(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return null;
  }
}

/** What fails for a reason that an operator can mend is told in words of the registry. */
function attempt<Result>(work: () => Result): { readonly value: Result } | { readonly error: ErrorBody } {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof SqlsyncError) return { error: error.toBody() };
    throw error;
  }
}
