/**
 * The shared secrets by which nodes know each other: the first is used, all are accepted, so that one can be rotated
 * without a gap. A node sends no secret but a proof that it knows one (member-key.ts); tools send the secret itself.
 * Both sides of a comparison are hashed to one length, every secret is compared, and each comparison takes the same time
 * however much of it is right. A node that joined by an invitation knows none.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { parseSecretProof, type SecretAddressee, secretProof } from '../../member-key.js';

export class BearerSecrets {
  constructor(private readonly secrets: readonly string[]) {}

  /** The Authorization header for that node, good once; null: there is no secret. */
  authorizationFor(to: SecretAddressee): string | null {
    const [first] = this.secrets;
    return first === undefined ? null : `Bearer ${secretProof(first, to)}`;
  }

  get isEmpty(): boolean {
    return this.secrets.length === 0;
  }

  /**
   * Is this Authorization header one of a peer? If so, for whom it was made; null: for anybody, it is the secret itself.
   * Undefined: it is not.
   */
  addresseeOf(authorization: string | undefined): SecretAddressee | null | undefined {
    const token = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? '';
    const addressee = parseSecretProof(token);
    const digest = digestOf(token);
    let accepted = 0;
    for (const secret of this.secrets) {
      const known = digestOf(addressee === null ? secret : secretProof(secret, addressee));
      accepted |= Number(timingSafeEqual(known, digest));
    }
    return accepted === 1 ? addressee : undefined;
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
