/**
 * Finds out that two processes speak in one node's name: a copied file that is served beside its original. A process
 * folds under one session, and a session that has ended never comes back; so one that speaks again after another has
 * spoken was alive all the time.
 */

/** Longer than the longest pause between two attempts of a process that is refused, by the default limits. */
const BOTH_ALIVE_MS = 120_000;

export class PeerSessions {
  private current: { readonly session: string; heardMs: number } | null = null;
  private readonly earlier = new Set<string>();
  private contestedMs = Number.NEGATIVE_INFINITY;

  /**
   * Takes note of the session that speaks (null: a process that has folded nothing yet). Is it one of two that are alive?
   * Once two have been met, everybody who speaks is one of them, until one has been silent for long enough.
   */
  hear(session: string | null, nowMs: number): 'alone' | 'one of two' {
    const { current } = this;
    if (current !== null && session === current.session) current.heardMs = nowMs;
    else if (current !== null && session !== null && this.earlier.has(session)) {
      if (nowMs - current.heardMs < BOTH_ALIVE_MS) this.contestedMs = nowMs;
      else this.follow(session, nowMs);
    }
    if (nowMs - this.contestedMs < BOTH_ALIVE_MS) return 'one of two';
    if (session !== null && session !== current?.session) this.follow(session, nowMs);
    return 'alone';
  }

  private follow(session: string, nowMs: number): void {
    if (this.current !== null) this.earlier.add(this.current.session);
    this.earlier.delete(session);
    this.current = { session, heardMs: nowMs };
    this.contestedMs = Number.NEGATIVE_INFINITY;
  }
}
