/**
 * Makes an invitation: one line by which a node can join that shares no secret with the others. The node that makes it
 * has a key of its own from then on too, by which the newcomer will know it. Nothing of the invitation's secret is kept
 * here but a digest, beside the file.
 */
import { readFileSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import type { Config, DatabaseConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { formatInvitation } from '../invitation.js';
import { formatListenAddress, isLoopback, type ListenAddress } from '../listen-address.js';
import { type MemberKey, makeMemberKey } from '../member-key.js';
import { ChangeLog } from '../replication/change-log.js';
import { Credentials, insertCredential } from '../replication/credential-table.js';
import { nextHlc } from '../replication/hlc.js';
import { isMemberName } from '../replication/members.js';
import { enterOperation } from '../replication/operation-record.js';
import { fingerprintOfPem } from '../self-made-certificate.js';
import type { Machine } from './machine.js';
import type { MemberKeys } from './member-keys.js';
import { nodeThatDecides } from './node-that-decides.js';
import { operationRecord } from './record-operation.js';

/** Longer than that nobody should have a password lying about. */
const EXPIRES_MS_MAX = 30 * 86_400_000;
const ID_BYTES = 8;
const SECRET_BYTES = 32;

export interface InviteRequest {
  readonly node: string;
  readonly access: 'read' | 'write';
  readonly expiresMs: number;
  /** Where the newcomer reaches this node; undefined: at the address on which it listens. */
  readonly url: string | undefined;
  /** As it was typed, for the record of operations. */
  readonly command: string;
}

/** Where invitations are kept, beside a file, by its real path. */
export interface Invites {
  add(realPath: string, invite: NewInvite, nowMs: number): void;
}

export interface NewInvite {
  readonly id: string;
  readonly node: string;
  readonly access: 'read' | 'write';
  readonly expiresAtMs: number;
  readonly secret: string;
}

export interface InviteDeps extends Machine {
  readonly keys: MemberKeys;
  readonly invites: Invites;
}

export interface InviteReport {
  readonly database: string;
  readonly node: string;
  readonly access: 'read' | 'write';
  readonly url: string;
  /** SHA-256 of this node's certificate, hex; null: it serves without TLS. */
  readonly fingerprint: string | null;
  /** RFC 3339, UTC. */
  readonly expiresAt: string;
  /** Good once: for nobody but the node that is invited. */
  readonly invite: string;
}

/** Throws `usage` where nobody could come, and `node-name-taken`. */
export function inviteNode(
  config: Config,
  { name: database, path }: DatabaseConfig,
  { node, access, expiresMs, url: asked, command }: InviteRequest,
  deps: InviteDeps,
): InviteReport {
  if (expiresMs === 0 || expiresMs > EXPIRES_MS_MAX) {
    throw new SqlsyncError('usage', 'an invitation is good for 30 days at most, and for longer than nothing', {
      hint: 'Such as --expires 1h',
    });
  }
  const url = asked ?? urlOf(config);
  const fingerprint = fingerprintOf(config, url);
  const now = deps.now();
  const realPath = deps.files.locate(path);
  const expiresAtMs = now.getTime() + expiresMs;
  const sponsor = deps.files.withConnection(path, (db) => {
    const self = nodeThatDecides(db, path);
    assertFree(db, node, self);
    const key = deps.keys.read(realPath, self) ?? makeMemberKey(self);
    // A key without its row is made known later; a row without its key would be of no use.
    deps.keys.write(realPath, key);
    const record = operationRecord(self, { command, detail: { member: node, access, expiresAtMs } }, deps);
    const enter = () => {
      makeKnown(db, key, now.getTime());
      enterOperation(db, record, now.getTime());
    };
    db.transaction(enter).immediate();
    return self;
  });
  const id = deps.random.hex(ID_BYTES);
  const secret = Buffer.from(deps.random.hex(SECRET_BYTES), 'hex').toString('base64url');
  deps.invites.add(realPath, { id, node, access, expiresAtMs, secret }, now.getTime());
  const invite = formatInvitation({ url, fingerprint, sponsor, database, node, id, secret });
  return { database, node, access, url, fingerprint, expiresAt: new Date(expiresAtMs).toISOString(), invite };
}

function makeKnown(db: Database, { id, node, publicKey }: MemberKey, nowMs: number): void {
  if (new Credentials(db).withId(id) !== null) return;
  const log = new ChangeLog(db);
  const credential = { id, node, publicKey, access: 'write' } as const;
  insertCredential(db, log, nextHlc(log.last(), nowMs), credential, { issuedAtMs: nowMs });
}

function assertFree(db: Database, node: string, self: string): void {
  if (node !== self && !isMemberName(db, node)) return;
  throw new SqlsyncError('node-name-taken', `the data set has a node ${node} already`, {
    hint: 'Invite it under another name.',
  });
}

function urlOf({ file, listen, tls }: Config): string {
  if (listen === null) {
    throw new SqlsyncError('usage', `${file}: this node does not listen, so nobody can come to it`, {
      hint: 'Set `listen`, or type this on a node that has it.',
    });
  }
  if (isEverywhere(listen) || listen.port === 0) {
    throw new SqlsyncError('usage', `${file}: listen: ${formatListenAddress(listen)} tells nobody where this node is`, {
      hint: 'Say where the newcomer reaches it: --url https://HOST:PORT',
    });
  }
  return `${tls?.cert ? 'https' : 'http'}://${formatListenAddress(listen)}`;
}

function isEverywhere({ host }: ListenAddress): boolean {
  return host === '0.0.0.0' || host === '::';
}

function fingerprintOf({ file, tls }: Config, url: string): string | null {
  if (!url.startsWith('https:')) return null;
  if (!tls?.cert) {
    throw new SqlsyncError('usage', `${file}: this node serves without TLS, and ${url} is reached by it`, {
      hint: 'Set tls.cert and tls.key, or leave out --url.',
    });
  }
  try {
    return fingerprintOfPem(readFileSync(tls.cert, 'utf8'));
  } catch (cause) {
    throw new SqlsyncError('config-invalid', `${file}: tls.cert: ${tls.cert}: ${(cause as Error).message}`, {
      hint: 'Name a PEM file that this user can read.',
      cause,
    });
  }
}

/** Does the URL lead to this machine alone? */
export function isLocalUrl(url: string): boolean {
  return isLoopback(new URL(url).hostname);
}
