/**
 * What an operator should know of, found in the figures of a status: pure. An error makes the node unhealthy. What is
 * not known is no reason to call a node healthy: silence counts as lag.
 */
import type { Config } from '../config.js';
import { withConfigFlag, withDatabaseFlag } from '../config-flag.js';
import type { ErrorBody } from '../errors.js';
import { renderBytes, renderCount, renderSeconds } from '../render-figures.js';
import type { CaptureGap } from '../replication/capture-gap.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import type { VerifiedPeers } from '../replication/verified-peers.js';
import { shellWord } from '../shell-word.js';
import {
  inHistory,
  inLeftBehind,
  inMembership,
  inStaleLink,
  isLeftBehind,
  isRevokedLink,
  type MembershipFacts,
} from './find-membership-problems.js';
import { inSchema } from './find-schema-problems.js';
import type { DatabaseStatus, Finding, JobStatus, PeerStatus, Problem } from './status-report.js';

/** A message names so many tables, and counts the others. */
const TABLES_LISTED_MAX = 5;

export interface ProblemFacts {
  readonly running: boolean;
  /** This node's name in the configuration. */
  readonly node: string;
  /** The peers that this node dials; null: it listens, so others may come too. */
  readonly onlyDials: readonly string[] | null;
  /** What commands must end in to meet this configuration: see config-flag.ts. */
  readonly configFlag: string;
  /** Are several databases configured, so that commands which are about one must name it? */
  readonly namesDatabases: boolean;
  readonly uptimeSeconds: number | null;
  /** Keys of the configuration that the daemon has read anew, and does not take up while it runs. */
  readonly waitingForRestart: readonly string[];
  readonly databases: readonly DatabaseStatus[];
  /** What keeps a database from being read or served, by its name. */
  readonly failures: ReadonlyMap<string, readonly Failure[]>;
  /** Rows that no table here can hold, by the database's name. */
  readonly held: ReadonlyMap<string, ReplicaStatus['held']>;
  readonly catchUps: ReadonlyMap<string, CatchUpFacts>;
  /** Who belongs, by the database's name. */
  readonly memberships: ReadonlyMap<string, MembershipFacts>;
  /** Writes that may have gone unrecorded, by the database's name. */
  readonly gaps: ReadonlyMap<string, CaptureGap>;
  /** Tables with rows whose key holds NULL, by the database's name. */
  readonly nullKeys: ReadonlyMap<string, readonly string[]>;
  /** Changes of the rules whose outcome is waited for, by the database's name. */
  readonly ruleChanges: ReadonlyMap<string, RuleChangeFacts>;
  /** How the last comparisons with other nodes ended, by the database's name. */
  readonly verified: ReadonlyMap<string, VerifiedPeers>;
  /** Free bytes of the file system that a database is on, by its name; null: not known. */
  readonly diskFreeBytes: ReadonlyMap<string, number | null>;
  readonly now: Date;
  readonly health: Omit<Config['health'], 'heartbeatUrlFile' | 'heartbeatEveryMs'>;
  readonly prune: Pick<Config['prune'], 'retainedBytesMax'>;
}

/** A catch-up that is half applied. */
export interface CatchUpFacts {
  /** Has its stage been lost, so that a peer must send the same again? */
  readonly waiting: boolean;
  /** Rows that are in no table until it is whole. */
  readonly parked: number;
}

/** A change of the rules that waits for its outcome. */
export interface RuleChangeFacts {
  readonly tables: readonly string[];
  readonly coordinator: string;
  readonly since: Date;
  /** Has its coordinator been removed from the members, or is this node itself the one that decides? */
  readonly isAbandoned: boolean;
}

export interface Failure extends ErrorBody {
  readonly since?: string | null;
}

export function findProblems(facts: ProblemFacts): Problem[] {
  const daemon = facts.running ? inConfiguration(facts.waitingForRestart) : [DAEMON_DOWN];
  return [
    ...daemon.map((finding) => toProblem(finding, facts, null, null)),
    ...facts.databases.flatMap((database) => [
      ...inDatabase(database, facts).map((finding) => toProblem(finding, facts, database.name, null)),
      ...database.peers.flatMap((peer) =>
        inPeer(database, peer, facts).map((finding) => toProblem(finding, facts, database.name, peer.name)),
      ),
    ]),
  ];
}

const DAEMON_DOWN: Finding = {
  code: 'daemon-down',
  severity: 'error',
  message: 'no daemon runs: changes are recorded, and wait here until one does',
  command: 'sqlsync start',
};

function inConfiguration(waiting: readonly string[]): Finding[] {
  if (waiting.length === 0) return [];
  const message =
    `the daemon goes on by the old values of what it does not change while it runs: ${waiting.join(', ')}. Restart it ` +
    '(SIGTERM, or `systemctl restart sqlsync` where systemd runs it)';
  return [{ code: 'restart-needed', severity: 'warning', message, command: null }];
}

function toProblem(
  { code, severity, message, command, since = null }: Finding,
  facts: ProblemFacts,
  database: string | null,
  peer: string | null,
): Problem {
  const toType = command === null ? null : named(command, facts, database) + facts.configFlag;
  return { code, severity, database, peer, message: named(message, facts, database), command: toType, since };
}

/** Where several databases are configured, a command that is about one has to say about which. */
function named(hint: string, { namesDatabases }: ProblemFacts, database: string | null): string {
  return namesDatabases && database !== null ? withDatabaseFlag(hint, database) : hint;
}

function inDatabase(database: DatabaseStatus, facts: ProblemFacts): Finding[] {
  return [
    ...(facts.failures.get(database.name) ?? []).map((failure) => fromFailure(database, failure, facts)),
    ...inMembership(facts.memberships.get(database.name)),
    ...inCoverage(database, facts),
    ...inQueues(database, facts),
    ...inRules(database, facts),
    ...inSpace(database, facts),
    ...database.jobs.flatMap(inJob),
    ...inAge(
      'backup-old',
      'the last backup',
      database.lastBackup,
      facts.health.backupAgeMsMax,
      facts.now,
      'sqlsync backup',
    ),
  ];
}

/** What to type to have it done by hand. */
const JOB_COMMANDS: Readonly<Record<JobStatus['kind'], string | null>> = {
  backup: 'sqlsync backup',
  drill: 'sqlsync backup list',
  prune: 'sqlsync prune',
  verify: 'sqlsync verify',
  optimise: null,
};

/** Where rows differ is told by the comparison itself, whoever made it. */
function inJob({ kind, last, schedule }: JobStatus): Finding[] {
  if (last === null || last.result === 'done' || last.result === 'nodes-differ' || schedule === null) return [];
  const severity = kind === 'backup' || kind === 'drill' ? 'error' : 'warning';
  const message = `the scheduled ${kind} failed (${last.result}): ${last.message}`;
  return [{ code: 'job-failed', severity, message, command: JOB_COMMANDS[kind], since: last.endedAt }];
}

function fromFailure(
  database: DatabaseStatus,
  { code, message, hint, since = null }: Failure,
  { configFlag }: ProblemFacts,
): Finding {
  const command = commandFor(code, shellWord(database.path));
  const advice = command === null && hint !== null ? ` (${withConfigFlag(hint, configFlag)})` : '';
  // An operator has begun it, and is there.
  const severity = code === 'migrating' ? 'warning' : 'error';
  return { code, severity, message: message + advice, command, since };
}

function commandFor(code: ErrorBody['code'], path: string): string | null {
  if (code === 'database-not-initialised') return `sqlsync init ${path}`;
  if (code === 'format-older') return 'sqlsync start';
  // Without an answer it explains the three there are.
  return code === 'identity-unknown' ? `sqlsync identity ${path}` : null;
}

function inCoverage(
  { name, coverage, tableCoverage, dataset, path }: DatabaseStatus,
  { gaps, failures, nullKeys }: ProblemFacts,
): Finding[] {
  const isMigrating = failures.get(name)?.some(({ code }) => code === 'migrating') ?? false;
  if (coverage === 'complete' || dataset === null || isMigrating) return [];
  const tables = nullKeys.get(name) ?? [];
  if (tables.length > 0) {
    const message = `rows of ${tables.join(', ')} whose key is NULL do not replicate, since they cannot be told apart: give them a key`;
    return [{ code: 'coverage-partial', severity: 'error', message, command: null }];
  }
  if (coverage === 'partial') {
    const message = `not all writes are recorded: ${listTables(tableCoverage)}`;
    return [{ code: 'coverage-partial', severity: 'error', message, command: `sqlsync init ${shellWord(path)}` }];
  }
  const gap = gaps.get(name);
  const where = gap === undefined ? '' : ` to ${gap.tables.join(', ')}`;
  const message = `writes${where} may have gone unrecorded: found by comparing the rows with another node's, once one is in reach`;
  const full = gap?.isFull
    ? '. More rows have been written over meanwhile than limits.gapRowsBytesMax keeps aside: each is a conflict now'
    : '';
  const since = gap === undefined ? null : new Date(gap.since).toISOString();
  const all = message + full;
  return [{ code: 'coverage-unknown', severity: 'error', message: all, command: 'sqlsync verify', since }];
}

function listTables(tables: DatabaseStatus['tableCoverage']): string {
  const partial = tables.filter(({ coverage }) => coverage === 'partial');
  if (partial.length === 0) return 'triggers are there that belong to no table';
  const shown = partial.slice(0, TABLES_LISTED_MAX).map(({ name, reason }) => `${name} (${reason})`);
  const more = partial.length - shown.length;
  return shown.join(', ') + (more > 0 ? `, and ${renderCount(more, 'table')} more` : '');
}

function inQueues(database: DatabaseStatus, { health, held, catchUps }: ProblemFacts): Finding[] {
  const { catchingUp, conflictsOpen, quarantined } = database;
  const found: Finding[] = [];
  if (catchingUp) {
    const message = describeCatchUp(catchUps.get(database.name) ?? { waiting: false, parked: 0 });
    found.push({ code: 'catching-up', severity: 'warning', message, command: null });
  }
  if (exceeds(conflictsOpen, health.conflictsOpenMax)) {
    const message = `${renderCount(conflictsOpen ?? 0, 'conflict waits', 'conflicts wait')} for a decision`;
    const command = `sqlsync conflicts --state open -d ${shellWord(database.name)}`;
    found.push({ code: 'conflicts-open', severity: 'error', message, command });
  }
  if (exceeds(quarantined, health.quarantinedMax)) {
    const command = `sqlsync quarantine -d ${shellWord(database.name)}`;
    const message = `${renderCount(quarantined ?? 0, 'change')} from other nodes could not be applied, and kept aside`;
    found.push({ code: 'changes-quarantined', severity: 'error', message, command });
  }
  return [...found, ...inSchema(database, held.get(database.name))];
}

function describeCatchUp({ waiting, parked }: CatchUpFacts): string {
  const what = waiting
    ? 'a large catch-up broke off, and goes on when a peer that has it is in touch'
    : 'a large catch-up is being applied';
  const rows = renderCount(parked, 'row is', 'rows are');
  const unseen = parked === 0 ? '' : `, and ${rows} in no table, waiting for UNIQUE values that others still have`;
  return `${what}; until it is whole nothing is sent from here${unseen}. Nothing needs to be typed`;
}

/** An ordinary change is over before anybody sees it. */
const RULE_CHANGE_MS_MAX = 10_000;

function inRules({ name, peers }: DatabaseStatus, { ruleChanges, now }: ProblemFacts): Finding[] {
  const change = ruleChanges.get(name);
  if (change === undefined || now.getTime() - change.since.getTime() < RULE_CHANGE_MS_MAX) return [];
  const { tables, coordinator, isAbandoned } = change;
  const advice = isAbandoned
    ? 'which nobody else tells any more'
    : `which ${coordinator} tells as soon as its daemon runs and the two are in touch (if it is gone for good: ` +
      `\`sqlsync members remove ${coordinator}\`, then \`sqlsync rules recover\`)`;
  const message =
    `nothing is exchanged, while applications go on writing: a change of the rules of ${tables.join(', ')} waits for its ` +
    `outcome, ${advice}`;
  const isPeer = peers.some((peer) => peer.name === coordinator);
  const command = isAbandoned ? 'sqlsync rules recover' : isPeer ? `sqlsync sync ${coordinator}` : 'sqlsync rules';
  return [{ code: 'rules-changing', severity: 'error', message, command, since: change.since.toISOString() }];
}

function inSpace(
  database: DatabaseStatus,
  { health, prune, diskFreeBytes, memberships, now }: ProblemFacts,
): Finding[] {
  const found: Finding[] = [];
  const free = diskFreeBytes.get(database.name) ?? null;
  if (free !== null && health.diskFreeBytesMin !== null && free < health.diskFreeBytesMin) {
    const message = `only ${renderBytes(free)} are free on the file system of ${database.path}`;
    found.push({ code: 'disk-low', severity: 'error', message, command: null });
  }
  const membership = memberships.get(database.name);
  found.push(...inHistory(database, prune.retainedBytesMax, membership, now));
  return found;
}

function inPeer(database: DatabaseStatus, peer: PeerStatus, facts: ProblemFacts): Finding[] {
  const { health, now } = facts;
  const verified = inAge(
    'verify-old',
    `the last comparison with ${peer.name}`,
    peer.lastVerify,
    health.verifyAgeMsMax,
    now,
    `sqlsync verify ${peer.name}`,
  );
  const compared = [...inComparison(database, peer, facts), ...verified];
  // Without a daemon nobody has tried to reach a peer: that it is not reached says nothing about it.
  return facts.running ? [...inLink(database, peer, facts), ...compared] : compared;
}

function inComparison({ name: database }: DatabaseStatus, { name }: PeerStatus, { verified }: ProblemFacts): Finding[] {
  const last = verified.get(database)?.[name];
  if (last === undefined || last.differences === 0) return [];
  const rows = renderCount(last.differences, 'row differed', 'rows differed');
  const message = `${rows} from those of ${name} when they were last compared`;
  const since = last.atMs === null ? null : new Date(last.atMs).toISOString();
  return [{ code: 'nodes-differ', severity: 'error', message, command: `sqlsync verify ${name}`, since }];
}

function inLink(database: DatabaseStatus, peer: PeerStatus, facts: ProblemFacts): Finding[] {
  const { name, state, lastError, lastContactAt: since } = peer;
  const advice = lastError?.hint ? ` (${lastError.hint})` : '';
  if (state === 'stale') return [inStaleLink(peer, facts.node)];
  if (isLeftBehind(peer, facts.memberships.get(database.name))) return [inLeftBehind(peer, database, facts)];
  if (isRevokedLink(peer)) return [];
  // The two cannot reach each other, and need not: others pass on what either writes.
  if (state === 'offline' && facts.onlyDials !== null && !facts.onlyDials.includes(name)) return [];
  if (state === 'error' && lastError) {
    const message = `nothing is exchanged with ${name}: ${lastError.message}${advice}`;
    return [{ code: lastError.code, severity: 'error', message, command: null, since }];
  }
  if (state === 'paused') {
    const message = `exchange with ${name} is paused`;
    return [{ code: 'peer-paused', severity: 'warning', message, command: `sqlsync peers resume ${name}`, since }];
  }
  const lagSeconds = lagOf(peer, facts);
  const isLate = exceeds(lagSeconds, facts.health.lagSecondsMax);
  if (state === 'offline') {
    const reason = lastError ? `: ${lastError.message}` : '';
    // What the network says begins with the peer already.
    const says = lastError?.message.startsWith(`${name} `) ? lastError.message : `${name} cannot be reached${reason}`;
    const waiting = peer.outbound.changes
      ? `; ${renderCount(peer.outbound.changes, 'change waits', 'changes wait')} for it`
      : '';
    const message = `${says}${waiting}${advice}`;
    return [{ code: 'peer-unreachable', severity: isLate ? 'error' : 'warning', message, command: null, since }];
  }
  if (!isLate) return [];
  const message = `changes to or from ${name} have waited for ${renderSeconds(lagSeconds ?? 0)}`;
  return [{ code: 'peer-lag', severity: 'error', message, command: `sqlsync sync ${name}`, since }];
}

/** How far behind a link may be, in seconds. A peer out of reach may have written since its last word. */
function lagOf(peer: PeerStatus, { now, uptimeSeconds }: ProblemFacts): number | null {
  const silence = peer.lastContactAt === null ? uptimeSeconds : (now.getTime() - Date.parse(peer.lastContactAt)) / 1000;
  const known = [peer.outbound.oldestSeconds, peer.inbound.oldestSeconds, peer.state === 'offline' ? silence : null];
  const lags = known.filter((seconds) => seconds !== null);
  return lags.length === 0 ? null : Math.max(...lags);
}

function inAge(
  code: 'backup-old' | 'verify-old',
  what: string,
  at: string | null,
  ageMsMax: number | null,
  now: Date,
  command: string | null = null,
): Finding[] {
  if (ageMsMax === null) return [];
  if (at === null) return [{ code, severity: 'error', message: `${what} is not known`, command }];
  const ageMs = now.getTime() - Date.parse(at);
  if (ageMs <= ageMsMax) return [];
  return [{ code, severity: 'error', message: `${what} was ${renderSeconds(ageMs / 1000)} ago`, command, since: at }];
}

function exceeds(value: number | null, max: number | null): boolean {
  return value !== null && max !== null && value > max;
}
