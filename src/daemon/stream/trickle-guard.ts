/**
 * Gives up a stream that still comes, but so slowly that it would never be whole: silence is for the connection's own
 * time-outs, this is for what they do not see. A frame that becomes whole is progress, however small: a sponsor that
 * makes a copy sends empty ones meanwhile.
 */
import { SqlsyncError } from '../../errors.js';

/** Bytes that must come within limits.idleTimeoutMs, unless a frame becomes whole. */
const BYTES_MIN = 1024;

export class TrickleGuard {
  private bytes = 0;
  private sinceMs = performance.now();

  constructor(private readonly idleTimeoutMs: number) {}

  /** Takes note of what has come. Throws `peer-timeout` when that has been too little for too long. */
  note(bytes: number, completesFrame: boolean): void {
    this.bytes += bytes;
    if (completesFrame || this.bytes >= BYTES_MIN) {
      this.bytes = 0;
      this.sinceMs = performance.now();
    } else if (performance.now() - this.sinceMs > this.idleTimeoutMs) {
      throw new SqlsyncError('peer-timeout', `only ${this.bytes} bytes came in ${this.idleTimeoutMs} ms`, {
        hint: 'look at the network between the nodes; limits.idleTimeoutMs is how long it may be as good as silent',
      });
    }
  }
}
