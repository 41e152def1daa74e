/**
 * What makes a proof good once. A proof is made for a challenge of this process and has a number of its own; one whose
 * number has been used, or whose challenge has passed, proves nothing. So what somebody has recorded and sends again is
 * refused, without clocks that agree: whoever comes with an old challenge is told the one of now, and makes another
 * proof. Numbers are kept of proofs that were right, so strangers cannot fill this up.
 */
import { randomBytes } from 'node:crypto';
import type { Freshness } from '../../member-key.js';

/** A challenge makes way for another after so many proofs, or so long. The one before it holds for as long again. */
const PROOFS_MAX = 20_000;
const AGE_MS_MAX = 3_600_000;

interface Generation {
  readonly challenge: string;
  readonly sinceMs: number;
  readonly used: Set<string>;
}

export class Challenges {
  private current: Generation;
  private previous: Generation | null = null;

  constructor(private readonly nowMs: () => number = () => performance.now()) {
    this.current = this.begin();
  }

  /** For whoever is to make a proof now. */
  get challenge(): string {
    this.renew();
    return this.current.challenge;
  }

  /** Uses a proof up that has been found right. */
  use({ challenge, nonce }: Freshness): 'fresh' | 'outdated' | 'replayed' {
    this.renew();
    const generation = [this.current, this.previous].find((known) => known?.challenge === challenge);
    if (generation == null) return 'outdated';
    if (generation.used.has(nonce)) return 'replayed';
    generation.used.add(nonce);
    return 'fresh';
  }

  private renew(): void {
    const { sinceMs, used } = this.current;
    // Also what the last one lets in is bounded.
    const isFull = used.size >= PROOFS_MAX || (this.previous !== null && this.previous.used.size >= 2 * PROOFS_MAX);
    if (!isFull && this.nowMs() - sinceMs < AGE_MS_MAX) return;
    this.previous = this.current;
    this.current = this.begin();
  }

  private begin(): Generation {
    return { challenge: randomBytes(16).toString('base64url'), sinceMs: this.nowMs(), used: new Set() };
  }
}
