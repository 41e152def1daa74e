/**
 * Who a request comes from, as far as that has been proved. Whoever knows the shared secret may speak as any member; who
 * has a key of its own, as itself alone, and only about the data set that knows the key.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { SqlsyncError } from '../../errors.js';
import { type Freshness, isTrue, parseMemberProof } from '../../member-key.js';
import { revokedBody } from '../../replication/credential-table.js';
import type { ServedDatabases } from '../database/served-databases.js';
import { MEMBER_HEADER } from '../peer/peer-credentials.js';
import type { BearerSecrets } from './bearer-secrets.js';
import type { Challenges } from './challenges.js';

export type Principal = { readonly kind: 'secret' } | MemberPrincipal;

export interface MemberPrincipal {
  readonly kind: 'member';
  /** The database's name. */
  readonly database: string;
  readonly node: string;
  /** As what it was invited. */
  readonly access: 'read' | 'write';
}

/** Throws `peer-wrong-secret`, `credential-unknown`, `credential-revoked`, `proof-outdated`, or `config-invalid` for another node's name. */
export async function principalOf(
  headers: IncomingHttpHeaders,
  secrets: BearerSecrets,
  databases: ServedDatabases,
  challenges: Challenges,
): Promise<Principal> {
  const addressee = secrets.addresseeOf(headers.authorization);
  if (addressee !== undefined) {
    if (addressee !== null) {
      assertAddressed(addressee.node, databases);
      assertFresh(addressee, challenges);
    }
    return { kind: 'secret' };
  }
  const proof = headers[MEMBER_HEADER];
  const member = typeof proof === 'string' ? await memberOf(proof, databases, challenges) : null;
  if (member !== null) return member;
  if (proof === undefined) {
    throw new SqlsyncError('peer-wrong-secret', 'the secret is not one of this node’s', {
      hint: 'nodes of a data set share a secret, or are invited: compare the secret files',
    });
  }
  throw new SqlsyncError('credential-unknown', 'the credential is not known here', {
    hint: 'a new one is known once the node that issued it has been in touch; else have the node invited again: sqlsync invite NODE',
  });
}

/** Null: the proof proves nothing. */
async function memberOf(
  proof: string,
  databases: ServedDatabases,
  challenges: Challenges,
): Promise<MemberPrincipal | null> {
  const claimed = parseMemberProof(proof);
  if (claimed === null) return null;
  for (const { service } of databases.all()) {
    const { credentials, dataset } = service.replica;
    const credential = await service.work(() => credentials.withId(claimed.keyId));
    if (credential === null || credential.publicKey === null) continue;
    if (!isTrue(claimed, credential.publicKey, dataset)) continue;
    assertAddressed(claimed.node, databases);
    const { node, access, revokedAtMs } = credential;
    if (revokedAtMs !== null) throw revoked(node);
    assertFresh(claimed, challenges);
    return { kind: 'member', database: service.name, node, access };
  }
  return null;
}

/** What was made for another node proves nothing here; but who made it is one of ours, and is told what is wrong. */
function assertAddressed(addressee: string, databases: ServedDatabases): void {
  const node = databases.all()[0]?.service.replica.node;
  if (node === addressee) return;
  throw new SqlsyncError('config-invalid', `the node here is ${node}, not ${addressee}`, {
    hint: `call it ${node} among the peers in sqlsync.yml, or mend its url`,
  });
}

/** Whoever has made the proof makes another; whoever has only seen it cannot. */
function assertFresh(proof: Freshness, challenges: Challenges): void {
  const use = challenges.use(proof);
  if (use === 'fresh') return;
  const message =
    use === 'replayed' ? 'the proof has been used before' : 'the proof is for a challenge that has passed';
  throw new SqlsyncError('proof-outdated', message, { hint: 'a proof is good once: whoever made it makes another' });
}

function revoked(node: string): SqlsyncError {
  return SqlsyncError.of(revokedBody(node));
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null: the route is for anybody. */
    principal: Principal | null;
  }
}

/** Who asks, on a route that is not for anybody. */
export function principalIn({ principal }: FastifyRequest): Principal {
  if (principal === null) throw new Error('nobody has proved who asks');
  return principal;
}

/** Throws `peer-refused` for whoever is known by a key: keys are for members' exchange. */
export function assertKnowsSecret(principal: Principal): void {
  if (principal.kind === 'secret') return;
  throw new SqlsyncError('peer-refused', `the key of ${principal.node} opens the exchange between members only`, {
    hint: 'tools show a secret of this node’s: Authorization: Bearer SECRET',
  });
}

/** Throws `peer-refused` where somebody speaks in another's name, or about another database than the key is for. */
export function assertSpeaksAs(principal: Principal, database: string, node: string): void {
  if (principal.kind === 'secret') return;
  if (principal.database === database && principal.node === node) return;
  throw new SqlsyncError(
    'peer-refused',
    `the credential is that of ${principal.node} for ${principal.database}, not of ${node} for ${database}`,
    { hint: 'a node speaks for itself alone' },
  );
}
