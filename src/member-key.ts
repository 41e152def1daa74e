/**
 * How a node proves who it is without giving anything away: what it sends to one node is of no use at another.
 *
 * A member with a key of its own (Ed25519, RFC 8032) signs the names of the data set and of the node that it speaks to;
 * a node that knows the shared secret sends an HMAC of that name. Both cover a challenge of that node's and a number, so
 * that a proof is good once (daemon/server/challenges.ts). Private keys and secrets stay where they are.
 */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKeyInput,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';

/** All in base64url but the id, which is hex. */
export interface MemberKey {
  /** The beginning of the public key's SHA-256. */
  readonly id: string;
  /** Whose it is. */
  readonly node: string;
  readonly publicKey: string;
  readonly privateKey: string;
}

/** By what a proof is good once; each 16 random bytes in base64url. */
export interface Freshness {
  /** Of the node that it is addressed to. */
  readonly challenge: string;
  /** Of the proof's own. */
  readonly nonce: string;
}

/** To whom a proof is addressed. */
export interface Addressee extends Freshness {
  readonly dataset: string;
  /** The node's name. */
  readonly node: string;
}

/** In the place of a challenge that is not known yet. */
export const NO_CHALLENGE = 'A'.repeat(22);

const KEY_ID_CHARS = 32;
/** Of 32 bytes in base64url. */
export const PUBLIC_KEY_PATTERN = /^[\w-]{43}$/;
const PURPOSE = 'sqlsync peer 1';
const MEMBER_PROOF = /^([0-9a-f]{32})\.([\w-]{1,63})\.([\w-]{22})\.([\w-]{22})\.([\w-]{86})$/;
const SECRET_PROOF = /^p1\.([\w-]{1,63})\.([\w-]{22})\.([\w-]{22})\.[\w-]{43}$/;
const CURVE = { kty: 'OKP', crv: 'Ed25519' } as const;

export function makeMemberKey(node: string): MemberKey {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const [publicKey, privateKey] = [jwk.x as string, jwk.d as string];
  return { id: keyIdOf(publicKey), node, publicKey, privateKey };
}

export function keyIdOf(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest('hex').slice(0, KEY_ID_CHARS);
}

/** What a member sends to that node. */
export function memberProof({ id, publicKey, privateKey }: MemberKey, to: Addressee): string {
  const key = createPrivateKey(jwkInput({ ...CURVE, x: publicKey, d: privateKey }));
  return `${id}.${to.node}.${to.challenge}.${to.nonce}.${sign(null, signed(to), key).toString('base64url')}`;
}

/** What a proof claims: to be made with that key, and for the node of that name. */
export interface ClaimedProof extends Freshness {
  readonly keyId: string;
  readonly node: string;
  /** base64url */
  readonly signature: string;
}

/** Null: it is none. */
export function parseMemberProof(proof: string): ClaimedProof | null {
  const match = MEMBER_PROOF.exec(proof);
  if (match === null) return null;
  const [, keyId = '', node = '', challenge = '', nonce = '', signature = ''] = match;
  return { keyId, node, challenge, nonce, signature };
}

/** Is it true what the proof claims, about a node of that data set? */
export function isTrue({ signature, ...claimed }: ClaimedProof, publicKey: string, dataset: string): boolean {
  if (!PUBLIC_KEY_PATTERN.test(publicKey)) return false;
  return verify(null, signed({ dataset, ...claimed }), publicKeyFrom(publicKey), Buffer.from(signature, 'base64url'));
}

/** Any node that knows the secret: whoever knows it may speak about every data set. */
export type SecretAddressee = Omit<Addressee, 'dataset'>;

/** What a node that knows the secret sends to that node. */
export function secretProof(secret: string, { node, challenge, nonce }: SecretAddressee): string {
  const text = [PURPOSE, node, challenge, nonce].join('\n');
  return ['p1', node, challenge, nonce, createHmac('sha256', secret).update(text).digest('base64url')].join('.');
}

/** For whom, and by what, a proof of a secret claims to be made; null: it is none. */
export function parseSecretProof(proof: string): SecretAddressee | null {
  const match = SECRET_PROOF.exec(proof);
  if (match === null) return null;
  const [, node = '', challenge = '', nonce = ''] = match;
  return { node, challenge, nonce };
}

function publicKeyFrom(x: string): KeyObject {
  return createPublicKey(jwkInput({ ...CURVE, x }));
}

function jwkInput(key: JsonWebKeyInput['key']): JsonWebKeyInput {
  return { key, format: 'jwk' };
}

function signed({ dataset, node, challenge, nonce }: Addressee): Buffer {
  return Buffer.from([PURPOSE, dataset, node, challenge, nonce].join('\n'));
}
