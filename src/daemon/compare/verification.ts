/**
 * Comparisons with peers, one after the other: each keeps a processor busy on both sides. For `verify` and `repair`, by
 * schedule, and to close a gap of capture.
 */
import { SqlsyncError } from '../../errors.js';
import type { VerifiedPeer } from '../../operations/verify-report.js';
import type { SyncProgress } from '../control/control-protocol.js';
import type { PeerTarget } from '../peer/peer-target.js';
import { type VerifyPeerOptions, verifyPeer } from './verify-peer.js';

export interface VerifyOptions extends Omit<VerifyPeerOptions, 'onRows'> {
  readonly onProgress: (progress: SyncProgress) => void;
}

export class Verification {
  private tail: Promise<unknown> = Promise.resolve();
  private readonly stopping = new AbortController();

  /** How each of the peers compares. */
  run(targets: readonly PeerTarget[], options: VerifyOptions): Promise<VerifiedPeer[]> {
    const signal = AbortSignal.any([options.signal, this.stopping.signal]);
    const done = this.tail.then(() => verifyAll(targets, { ...options, signal }));
    this.tail = done.catch(() => {});
    return done;
  }

  /** Gives up what is under way; resolves when it has been. */
  async stop(): Promise<void> {
    this.stopping.abort(new SqlsyncError('interrupted', 'the daemon is stopping'));
    await this.tail;
  }
}

/** The same, in a process that does nothing else. */
export async function verifyAll(
  targets: readonly PeerTarget[],
  { tables, mode, waitMsMax, onProgress, signal }: VerifyOptions,
): Promise<VerifiedPeer[]> {
  const results: VerifiedPeer[] = [];
  for (const target of targets) {
    signal.throwIfAborted();
    const { service, peer } = target;
    let rows = 0;
    const onRows = (looked: number) => {
      rows += looked;
      onProgress({ phase: 'compare', bytes: 0, rows, rowsTotal: null, database: service.name, peer: peer.name });
    };
    const result = await verifyPeer(target, { tables, mode, waitMsMax, onRows, signal });
    await service.noteVerified(result, tables === null);
    results.push(result);
  }
  return results;
}
