/**
 * Pauses between attempts: they double up to a limit, and each is drawn between half of that and all of it, so that
 * nodes that lost each other at one moment do not come back at one moment
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/, "equal jitter").
 */
export class Backoff {
  private ceilingMs: number;

  constructor(
    private readonly minMs: number,
    private readonly maxMs: number,
    private readonly random: () => number = Math.random,
  ) {
    this.ceilingMs = minMs;
  }

  nextMs(): number {
    const ceilingMs = this.ceilingMs;
    this.ceilingMs = Math.min(ceilingMs * 2, this.maxMs);
    return ceilingMs * (0.5 + this.random() / 2);
  }

  /** After a success: the next pause is the shortest again. */
  reset(): void {
    this.ceilingMs = this.minMs;
  }
}
