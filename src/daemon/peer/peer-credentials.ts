/** What this node shows to a peer to be let in: the proof of its own key, of the shared secret, or both. */
import { type Freshness, makeMemberKey, memberProof } from '../../member-key.js';
import type { DatabaseService } from '../database/database-service.js';
import { readMemberKey, writeMemberKey } from '../file/member-key-file.js';
import type { BearerSecrets } from '../server/bearer-secrets.js';
import type { PeerCredentials } from './peer-proofs.js';

export const MEMBER_HEADER = 'sqlsync-member';

/** @param peer its node name: what is proved to one peer is of no use at another */
export async function credentialsFor(
  service: DatabaseService,
  secrets: BearerSecrets,
  peer: string,
  freshness: Freshness,
): Promise<PeerCredentials> {
  const { dataset } = service.replica;
  const key = await service.work(() => ownKey(service, secrets));
  const authorization = secrets.authorizationFor({ node: peer, ...freshness });
  return {
    ...(authorization !== null && { authorization }),
    ...(key !== null && { [MEMBER_HEADER]: memberProof(key, { dataset, node: peer, ...freshness }) }),
  };
}

/**
 * The node's own key. As soon as one member has a key, those that know the secret need one too: who was invited knows no
 * secret by which to let them in.
 */
function ownKey({ replica, side }: DatabaseService, secrets: BearerSecrets) {
  const { node } = replica;
  const key = readMemberKey(side, node);
  if (secrets.isEmpty || !replica.hasCredentials) return key;
  // Nobody takes what a reader writes, nor what comes from who is revoked.
  if (replica.isReadOnly || replica.credentials.isRevoked(node)) return key;
  if (key !== null && replica.credentials.withId(key.id) !== null) return key;
  const own = key ?? makeMemberKey(node);
  if (key === null) writeMemberKey(side, own);
  replica.addCredential({ id: own.id, node, publicKey: own.publicKey, access: 'write' });
  return own;
}
