/**
 * The table of members, replicated. A row is one membership: a node that comes back by `rejoin` gets a new one, under a
 * node id of its own, and a membership that has been removed is never taken back. So two nodes that change one row at a
 * time can only agree, and every node can tell the file of a member from an older one of the same node.
 */
import type { Database } from 'better-sqlite3';
import type { ChangeLog } from './change-log.js';
import { INTERNAL_TABLES, OP } from './metadata-schema.js';

export const [MEMBER_TABLE] = INTERNAL_TABLES;

export type MemberAccess = 'read' | 'write';

export interface NewMember {
  readonly name: string;
  readonly nodeId: string;
  readonly access: MemberAccess;
}

/** A membership. */
export interface Member extends NewMember {
  /** Unix milliseconds, by the clock of whoever admitted it. */
  readonly joinedAtMs: number;
  /** Unix milliseconds, by the clock of whoever removed it; null: it has not been removed. */
  readonly removedAtMs: number | null;
}

/** Every membership there has been, in the order of names, the earlier of a name first. */
export const SELECT_MEMBERS =
  'SELECT name, node_id AS nodeId, access, joined_at AS joinedAtMs, removed AS removedAtMs ' +
  `FROM ${MEMBER_TABLE.name} ORDER BY name, joined_at, node_id`;

export function readMembers(db: Database): Member[] {
  return db.prepare<[], Member>(SELECT_MEMBERS).safeIntegers(false).all();
}

/** Makes a member's row and enters it into the change log at `hlc`, which is later than the last entry. */
export function insertMember(db: Database, log: ChangeLog, hlc: number, member: NewMember, nowMs: number): void {
  db.prepare(
    `INSERT INTO ${MEMBER_TABLE.name}(node_id, name, access, joined_at, removed) VALUES(?, ?, ?, ?, NULL)`,
  ).run(member.nodeId, member.name, member.access, BigInt(nowMs));
  log.append(hlc, MEMBER_TABLE.id, OP.insert, [member.nodeId]);
}

/** The same for what is set of a membership that is there: its access, or when it was removed. */
export function updateMember(
  db: Database,
  log: ChangeLog,
  hlc: number,
  nodeId: string,
  change: { readonly access: MemberAccess } | { readonly removedAtMs: number },
): void {
  const [column, value] =
    'access' in change ? (['access', change.access] as const) : (['removed', BigInt(change.removedAtMs)] as const);
  db.prepare(`UPDATE ${MEMBER_TABLE.name} SET ${column} = ? WHERE node_id = ?`).run(value, nodeId);
  log.append(hlc, MEMBER_TABLE.id, OP.update, [nodeId], [COLUMNS.indexOf(column)]);
}

/** In the order of the table, which gives each its number. */
const COLUMNS = ['node_id', 'name', 'access', 'joined_at', 'removed'] as const;
