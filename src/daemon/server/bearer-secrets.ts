/**
 * The shared secrets by which peers know each other: the first is sent, all are accepted, so that one can be rotated
 * without a gap. Both sides of a comparison are hashed to one length, every secret is compared, and each comparison
 * takes the same time however much of it is right.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

export class BearerSecrets {
  private readonly digests: readonly Buffer[];
  readonly first: string;

  /** `secrets` must not be empty. */
  constructor(secrets: readonly string[]) {
    const [first] = secrets;
    if (first === undefined) throw new Error('a node needs at least one secret');
    this.first = first;
    this.digests = secrets.map(digestOf);
  }

  /** What this node sends as its Authorization header. */
  get authorization(): string {
    return `Bearer ${this.first}`;
  }

  /** Is this Authorization header one of a peer? */
  accepts(authorization: string | undefined): boolean {
    const token = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
    const digest = digestOf(token ?? '');
    let accepted = 0;
    for (const known of this.digests) accepted |= Number(timingSafeEqual(known, digest));
    return token !== undefined && accepted === 1;
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
