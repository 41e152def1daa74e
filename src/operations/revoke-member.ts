/**
 * Makes a member's credentials worthless: a write of this node's that travels to the others, beside a daemon or without
 * one. Whoever has heard of it exchanges nothing with the member any more, and closes what is open. Which share of the
 * history it holds back is another matter: `members remove`.
 */
import type { Database } from 'better-sqlite3';
import type { DatabaseConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { ChangeLog } from '../replication/change-log.js';
import { credentialsOf, insertCredential, revokeCredential } from '../replication/credential-table.js';
import { nextHlc } from '../replication/hlc.js';
import { isMemberName } from '../replication/members.js';
import { enterOperation } from '../replication/operation-record.js';
import { shellWord } from '../shell-word.js';
import type { MemberOrder } from './change-members.js';
import type { Machine } from './machine.js';
import { nodeThatDecides } from './node-that-decides.js';
import { operationRecord } from './record-operation.js';

const KEYLESS_ID_BYTES = 16;

export interface Revocation {
  readonly database: string;
  readonly member: string;
  /** False: it was revoked before. In a dry run: would it be? */
  readonly changed: boolean;
  readonly dryRun: boolean;
  /** Did it have a key of its own? If not, it knows the shared secret, which it can use under another name. */
  readonly hadKey: boolean;
}

/**
 * Throws `usage` for this node itself, `member-unknown` for a name that is no member's and has no key.
 */
export function revokeMember(
  { name: database, path }: DatabaseConfig,
  member: string,
  { command, dryRun }: MemberOrder,
  machine: Machine,
): Revocation {
  return machine.files.withConnection(path, (db) => {
    const node = nodeThatDecides(db, path);
    if (node === member) {
      throw new SqlsyncError('usage', `${member} is this node: a node does not revoke itself`, {
        hint: 'Type it on another node.',
      });
    }
    const all = credentialsOf(db, member);
    if (all.length === 0 && !isMemberName(db, member)) {
      throw new SqlsyncError('member-unknown', `the data set has no member ${member}`, {
        hint: `see \`sqlsync members --database ${shellWord(database)}\``,
      });
    }
    const good = all.filter(({ revokedAtMs }) => revokedAtMs === null);
    const report = { database, member, hadKey: all.some(({ publicKey }) => publicKey !== null), dryRun };
    if (good.length === 0 && all.length > 0) return { ...report, changed: false };
    if (dryRun) return { ...report, changed: true };
    const nowMs = machine.now().getTime();
    const record = operationRecord(node, { command, detail: { member } }, machine);
    const revoke = () => {
      const log = new ChangeLog(db);
      const next = () => nextHlc(log.last(), nowMs);
      for (const { id } of good) revokeCredential(db, log, next(), id, nowMs);
      if (all.length === 0) revokeKeyless(db, log, next(), { id: machine.random.hex(KEYLESS_ID_BYTES), member, nowMs });
      enterOperation(db, record, nowMs);
    };
    db.transaction(revoke).immediate();
    return { ...report, changed: true };
  });
}

function revokeKeyless(
  db: Database,
  log: ChangeLog,
  hlc: number,
  { id, member, nowMs }: { readonly id: string; readonly member: string; readonly nowMs: number },
): void {
  const credential = { id, node: member, publicKey: null, access: 'write' } as const;
  insertCredential(db, log, hlc, credential, { issuedAtMs: nowMs, revokedAtMs: nowMs });
}
