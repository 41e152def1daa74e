/**
 * Ends a member's membership, or changes its access: a write of this node's that travels to the others, beside a daemon
 * or without one. A removed member holds no history back any more once all the others know; it comes back by rejoin.
 */
import type { Database } from 'better-sqlite3';
import type { DatabaseConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { type MemberAccess, readMembers, updateMember } from '../replication/member-table.js';
import { endOf } from '../replication/membership.js';
import { OperatorWrites } from '../replication/operator-writes.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import { shellWord } from '../shell-word.js';
import { type AskReplicaDeps, askReplica } from './ask-replica.js';
import { identityIn } from './assert-initialised.js';
import { type MemberReport, membersOf } from './list-members.js';
import type { Machine } from './machine.js';
import { nodeThatDecides } from './node-that-decides.js';

export interface MemberChange {
  readonly database: string;
  readonly member: string;
  /** In a dry run: would it be? */
  readonly changed: boolean;
  readonly dryRun: boolean;
}

/** How a change of membership was typed. */
export interface MemberOrder {
  readonly dryRun: boolean;
  /** The command, for the record of operations. */
  readonly command: string;
}

export interface RemovalPlan extends Omit<MemberChange, 'dryRun'> {
  /** The member as this node knows it. */
  readonly report: MemberReport;
}

/** What is about to be lost sight of. Throws member-unknown, and usage for this node itself. */
export async function planRemoval(database: DatabaseConfig, name: string, deps: AskReplicaDeps): Promise<RemovalPlan> {
  const replica = await askReplica(database, deps);
  const report = memberNamed(database, name, replica, deps.now());
  if (report.self) {
    throw new SqlsyncError('usage', `${name} is this node: a node does not remove itself`, {
      hint: 'Type it on another node; `sqlsync uninstall DB` takes sqlsync out of this one.',
    });
  }
  return { database: database.name, member: name, changed: report.removedAt === null, report };
}

export function removeMember(
  database: DatabaseConfig,
  { report, changed }: RemovalPlan,
  order: MemberOrder,
  machine: Machine,
): MemberChange {
  if (!changed) return { database: database.name, member: report.name, changed, dryRun: order.dryRun };
  const removedAtMs = machine.now().getTime();
  return changeMember(database, report, { removedAtMs }, order, machine);
}

/** Throws member-unknown. */
export async function setMemberAccess(
  database: DatabaseConfig,
  name: string,
  access: MemberAccess,
  order: MemberOrder,
  deps: AskReplicaDeps & Machine,
): Promise<MemberChange> {
  const report = memberNamed(database, name, await askReplica(database, deps), deps.now());
  if (report.removedAt !== null) throw unknownMember(database.name, name, 'has been removed');
  if (report.access === access) return { database: database.name, member: name, changed: false, dryRun: order.dryRun };
  return changeMember(database, report, { access }, order, deps);
}

function memberNamed(database: DatabaseConfig, name: string, replica: ReplicaStatus, now: Date): MemberReport {
  const reports = membersOf(database.name, replica, now);
  const report = reports.find((member) => member.name === name);
  if (report !== undefined) return report;
  throw unknownMember(
    database.name,
    name,
    `is not one of its members: ${reports.map((member) => member.name).join(', ')}`,
  );
}

function changeMember(
  database: DatabaseConfig,
  { name, nodeId }: MemberReport,
  change: Parameters<typeof updateMember>[4],
  { command, dryRun }: MemberOrder,
  { files, now, random, operator }: Machine,
): MemberChange {
  files.withConnection(database.path, (db) => {
    if (dryRun) return void nodeThatBelongs(db, database.path);
    const nowMs = now().getTime();
    OperatorWrites.transaction(db, nowMs, (writes) => {
      const node = nodeThatBelongs(db, database.path);
      updateMember(db, writes.log, writes.nextHlc(), nodeId, change);
      const record = { id: random.hex(16), node, operator, command, result: 'done' };
      writes.recordOperation({ ...record, detail: { member: name, nodeId, ...change } });
    });
  });
  return { database: database.name, member: name, changed: true, dryRun };
}

/** What a node decides that belongs no more would reach nobody. */
function nodeThatBelongs(db: Database, path: string): string {
  const node = nodeThatDecides(db, path);
  const { nodeId } = identityIn(db, path);
  if (endOf(readMembers(db), nodeId) === null) return node;
  throw new SqlsyncError('member-removed', `${node} has been removed from the data set itself`, {
    hint: 'sqlsync rejoin',
  });
}

function unknownMember(database: string, name: string, why: string): SqlsyncError {
  return new SqlsyncError('member-unknown', `${name} ${why}`, {
    hint: `sqlsync members --database ${shellWord(database)}`,
  });
}
