/** What this node shows to a peer to be let in: the proof of its own key, of the shared secret, or both. */
import { makeMemberKey, memberProof } from '../../member-key.js';
import type { DatabaseService } from '../database/database-service.js';
import { readMemberKey, writeMemberKey } from '../file/member-key-file.js';
import type { BearerSecrets } from '../server/bearer-secrets.js';

export const MEMBER_HEADER = 'sqlsync-member';

/** Headers of a request. */
export type PeerCredentials = Readonly<Record<string, string>>;

/** @param peer its node name: what is proved to one peer is of no use at another */
export async function credentialsFor(
  service: DatabaseService,
  secrets: BearerSecrets,
  peer: string,
): Promise<PeerCredentials> {
  const { dataset } = service.replica;
  const key = await service.work(() => ownKey(service, secrets));
  const authorization = secrets.authorizationFor(peer);
  return {
    ...(authorization !== null && { authorization }),
    ...(key !== null && { [MEMBER_HEADER]: memberProof(key, { dataset, node: peer }) }),
  };
}

/**
 * The node's own key. As soon as one member has a key, those that know the secret need one too: who was invited knows no
 * secret by which to let them in.
 */
function ownKey({ replica, side }: DatabaseService, secrets: BearerSecrets) {
  const { node } = replica;
  const key = readMemberKey(side, node);
  if (secrets.authorizationFor(node) === null || !replica.hasCredentials) return key;
  // Nobody takes what a reader writes, nor what comes from who is revoked.
  if (replica.isReadOnly || replica.credentials.isRevoked(node)) return key;
  if (key !== null && replica.credentials.withId(key.id) !== null) return key;
  const own = key ?? makeMemberKey(node);
  if (key === null) writeMemberKey(side, own);
  replica.addCredential({ id: own.id, node, publicKey: own.publicKey, access: 'write' });
  return own;
}
