/** Who belongs to the data set, what each member has acknowledged, and how long it has not been heard of. */
import type { DatabaseConfig } from '../config.js';
import { hlcToMs } from '../replication/hlc.js';
import type { MemberFigures } from '../replication/member-figures.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import { type AskReplicaDeps, askReplica } from './ask-replica.js';
import type { Backlog } from './status-report.js';

/** Times are RFC 3339 UTC. Null: not known, or of no meaning for this node itself. */
export interface MemberReport {
  readonly database: string;
  readonly name: string;
  /** Which file: a node that comes back by rejoin gets another. */
  readonly nodeId: string;
  readonly access: 'read' | 'write';
  readonly joinedAt: string;
  readonly removedAt: string | null;
  readonly self: boolean;
  /** Are its credentials worthless? */
  readonly revoked: boolean;
  /** By the member's own clock, whoever has heard it. */
  readonly lastHeardAt: string | null;
  /** Up to when it lets history go: all that was written until then it has. */
  readonly acknowledgedUntil: string | null;
  /** What it has not acknowledged of what is here. */
  readonly unacknowledged: Backlog;
  /** How long the oldest of that has waited. */
  readonly lagSeconds: number | null;
}

export async function listMembers(databases: readonly DatabaseConfig[], deps: AskReplicaDeps): Promise<MemberReport[]> {
  const reports: MemberReport[] = [];
  for (const database of databases)
    reports.push(...membersOf(database.name, await askReplica(database, deps), deps.now()));
  return reports;
}

/** The latest membership of each name, by name. */
export function membersOf(database: string, replica: ReplicaStatus, now: Date): MemberReport[] {
  const latest = new Map(replica.memberships.map((member) => [member.name, member]));
  return [...latest.keys()]
    .sort()
    .map((name) => memberReport(database, latest.get(name) as MemberFigures, replica, now));
}

function memberReport(database: string, member: MemberFigures, { backlogs }: ReplicaStatus, now: Date): MemberReport {
  const { name, nodeId, access, isSelf: self } = member;
  const backlog = member.removedAtMs === null && !self ? backlogs[name] : undefined;
  const oldestMs = backlog?.oldestHlc == null ? null : hlcToMs(backlog.oldestHlc);
  const waited = oldestMs === null ? 0 : Math.max(0, Math.round((now.getTime() - oldestMs) / 1000));
  const lagSeconds = backlog === undefined || member.lastHeardMs === null ? null : waited;
  return {
    database,
    name,
    nodeId,
    access,
    joinedAt: timeOf(member.joinedAtMs) as string,
    removedAt: timeOf(member.removedAtMs),
    self,
    revoked: member.isRevoked,
    lastHeardAt: timeOf(member.lastHeardMs),
    acknowledgedUntil: member.holdsFromHlc ? timeOf(hlcToMs(member.holdsFromHlc)) : null,
    unacknowledged: { changes: backlog?.changes ?? null, oldestSeconds: lagSeconds },
    lagSeconds,
  };
}

function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
