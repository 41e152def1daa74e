/**
 * What this node shows to one peer, request for request: each proof is good once, for the challenge that the peer has
 * given last. The first one is made before any was given: the peer answers it with a challenge.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type Freshness, NO_CHALLENGE } from '../../member-key.js';

/** Of an answer that wants another proof. */
export const CHALLENGE_HEADER = 'sqlsync-challenge';

/** Headers of a request. */
export type PeerCredentials = Readonly<Record<string, string>>;

export class PeerProofs {
  private challenge = NO_CHALLENGE;

  constructor(private readonly make: (freshness: Freshness) => PeerCredentials | Promise<PeerCredentials>) {}

  async headers(): Promise<PeerCredentials> {
    return this.make({ challenge: this.challenge, nonce: randomBytes(16).toString('base64url') });
  }

  /** Does the answer bring a challenge that was not known? Then what it refused is worth another try. */
  learn(answered: IncomingHttpHeaders): boolean {
    const challenge = answered[CHALLENGE_HEADER];
    if (typeof challenge !== 'string' || challenge === this.challenge) return false;
    this.challenge = challenge;
    return true;
  }
}
