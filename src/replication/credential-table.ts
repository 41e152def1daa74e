/**
 * The table of keys, replicated: every node knows a member by its public key, whoever invited it. A key is named by its
 * own digest, so no row can pass another key off under a known name. A member of which every key is revoked is refused
 * by whoever has heard of it, until it is invited anew.
 */
import type { Database, Statement } from 'better-sqlite3';
import type { ErrorBody } from '../errors.js';
import type { ChangeLog } from './change-log.js';
import { INTERNAL_TABLES, OP } from './metadata-schema.js';

export const [, , , , , CREDENTIAL_TABLE] = INTERNAL_TABLES;

export interface NewCredential {
  readonly id: string;
  readonly node: string;
  /** Null: there is no key, and its member is to be known as revoked. */
  readonly publicKey: string | null;
  readonly access: 'read' | 'write';
}

export interface Credential extends NewCredential {
  /** Unix milliseconds; null: it is good. */
  readonly revokedAtMs: number | null;
}

const { name: TABLE, id: TABLE_ID } = CREDENTIAL_TABLE;
/** The number of the column in the order of the table. */
const REVOKED_COLUMN = 5;

const SELECT = `SELECT id, node, public_key AS publicKey, access, revoked AS revokedAtMs FROM ${TABLE}`;

/** Reads them on any connection; each call is one search of an index. */
export class Credentials {
  private readonly selectOne: Statement<[string], Credential>;
  private readonly selectIsRevoked: Statement<[string], number>;

  constructor(db: Database) {
    this.selectOne = db.prepare<[string], Credential>(`${SELECT} WHERE id = ?`).safeIntegers(false);
    // NULL, a key that is good, comes first.
    this.selectIsRevoked = db
      .prepare(`SELECT revoked IS NOT NULL FROM ${TABLE} WHERE node = ? ORDER BY revoked LIMIT 1`)
      .pluck()
      .safeIntegers(false) as unknown as Statement<[string], number>;
  }

  /** Null: there is none. */
  withId(id: string): Credential | null {
    return this.selectOne.get(id) ?? null;
  }

  /** Has the member had keys, and is none of them good any more? */
  isRevoked(node: string): boolean {
    return this.selectIsRevoked.get(node) === 1;
  }

  /** Why nothing is exchanged with a member; null: its keys do not stand against it. */
  refusalOf(node: string): ErrorBody | null {
    return this.isRevoked(node) ? revokedBody(node) : null;
  }
}

/** All keys of a member. */
export function credentialsOf(db: Database, node: string): Credential[] {
  return db.prepare<[string], Credential>(`${SELECT} WHERE node = ? ORDER BY id`).safeIntegers(false).all(node);
}

/** Does anybody have a key? */
export function hasCredentials(db: Database): boolean {
  return db.prepare(`SELECT EXISTS(SELECT 1 FROM ${TABLE})`).pluck().get() === 1;
}

/** Makes the row and enters it into the change log at `hlc`, which is later than the last entry. */
export function insertCredential(
  db: Database,
  log: ChangeLog,
  hlc: number,
  { id, node, publicKey, access }: NewCredential,
  { issuedAtMs, revokedAtMs = null }: { readonly issuedAtMs: number; readonly revokedAtMs?: number | null },
): void {
  const revoked = revokedAtMs === null ? null : BigInt(revokedAtMs);
  db.prepare(`INSERT INTO ${TABLE}(id, node, public_key, access, issued_at, revoked) VALUES(?, ?, ?, ?, ?, ?)`).run(
    id,
    node,
    publicKey,
    access,
    BigInt(issuedAtMs),
    revoked,
  );
  log.append(hlc, TABLE_ID, OP.insert, [id]);
}

/** The same for the end of a key. */
export function revokeCredential(db: Database, log: ChangeLog, hlc: number, id: string, revokedAtMs: number): void {
  db.prepare(`UPDATE ${TABLE} SET revoked = ? WHERE id = ?`).run(BigInt(revokedAtMs), id);
  log.append(hlc, TABLE_ID, OP.update, [id], [REVOKED_COLUMN]);
}

/** What a node is told whose keys are revoked, and whoever looks for why nothing is exchanged with it. */
export function revokedBody(node: string): ErrorBody {
  return {
    code: 'credential-revoked',
    message: `the credential of ${node} has been revoked`,
    hint: 'to let it back in, under a name that is new: sqlsync invite NEWNAME on a member, and there sqlsync join INVITE DB --replace',
  };
}
