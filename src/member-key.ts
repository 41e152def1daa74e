/**
 * How a node proves who it is without giving anything away: what it sends to one node is of no use at another.
 *
 * A member with a key of its own (Ed25519, RFC 8032) signs the names of the data set and of the node that it speaks to;
 * a node that knows the shared secret sends an HMAC of that name. Whoever is spoken to, or has their log, can pass for
 * the sender at that node and nowhere else. Private keys and secrets stay where they are.
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

/** To whom a proof is addressed. */
export interface Addressee {
  readonly dataset: string;
  /** The node's name. */
  readonly node: string;
}

const KEY_ID_CHARS = 32;
/** Of 32 bytes in base64url. */
export const PUBLIC_KEY_PATTERN = /^[\w-]{43}$/;
const PURPOSE = 'sqlsync peer 1';
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
  return `${id}.${to.node}.${sign(null, signed(to), key).toString('base64url')}`;
}

/** What a proof claims: to be made with that key, and for the node of that name. */
export interface ClaimedProof {
  readonly keyId: string;
  readonly node: string;
  /** base64url */
  readonly signature: string;
}

/** Null: it is none. */
export function parseMemberProof(proof: string): ClaimedProof | null {
  const [, keyId, node, signature] = /^([0-9a-f]{32})\.([\w-]{1,63})\.([\w-]{86})$/.exec(proof) ?? [];
  return keyId === undefined || node === undefined || signature === undefined ? null : { keyId, node, signature };
}

/** Is it true what the proof claims, about a node of that data set? */
export function isTrue({ node, signature }: ClaimedProof, publicKey: string, dataset: string): boolean {
  if (!PUBLIC_KEY_PATTERN.test(publicKey)) return false;
  return verify(null, signed({ dataset, node }), publicKeyFrom(publicKey), Buffer.from(signature, 'base64url'));
}

/** What a node that knows the secret sends to that node. */
export function secretProof(secret: string, node: string): string {
  return `p1.${node}.${createHmac('sha256', secret).update(`${PURPOSE}\n${node}`).digest('base64url')}`;
}

/** The node for which a proof of a secret claims to be made; null: it is none. */
export function nodeInSecretProof(proof: string): string | null {
  return /^p1\.([\w-]{1,63})\.[\w-]{43}$/.exec(proof)?.[1] ?? null;
}

function publicKeyFrom(x: string): KeyObject {
  return createPublicKey(jwkInput({ ...CURVE, x }));
}

function jwkInput(key: JsonWebKeyInput['key']): JsonWebKeyInput {
  return { key, format: 'jwk' };
}

function signed({ dataset, node }: Addressee): Buffer {
  return Buffer.from(`${PURPOSE}\n${dataset}\n${node}`);
}
