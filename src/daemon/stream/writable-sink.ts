/** A Node writable as the sink of a stream: writes wait while it is full, and not for ever. */
import type { Writable } from 'node:stream';
import { SqlsyncError } from '../../errors.js';

/** Where a stream's bytes go. `write` resolves when more may be written, and rejects when the receiver is gone. */
export interface StreamSink {
  write(bytes: Buffer): Promise<void>;
}

/**
 * A write rejects with `peer-timeout` when the receiver takes nothing for `idleTimeoutMs`, and with `peer-unreachable`
 * when it goes away.
 */
export function writableSink(writable: Writable, idleTimeoutMs: number): StreamSink {
  return {
    write: (bytes) => {
      if (writable.destroyed) return Promise.reject(gone());
      return writable.write(bytes) ? Promise.resolve() : drained(writable, idleTimeoutMs);
    },
  };
}

function drained(writable: Writable, idleTimeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: SqlsyncError | null) => {
      clearTimeout(timer);
      writable.off('drain', onDrain).off('close', onClose);
      if (error === null) resolve();
      else reject(error);
    };
    const onDrain = () => settle(null);
    const onClose = () => settle(gone());
    const timer = setTimeout(() => settle(tooSlow(idleTimeoutMs)), idleTimeoutMs);
    writable.once('drain', onDrain).once('close', onClose);
  });
}

function gone(): SqlsyncError {
  return new SqlsyncError('peer-unreachable', 'the peer closed the connection in mid-stream', {
    hint: 'nothing of the stream has been applied; it will be sent again',
  });
}

function tooSlow(idleTimeoutMs: number): SqlsyncError {
  return new SqlsyncError('peer-timeout', `the peer took nothing of the stream for ${idleTimeoutMs} ms`, {
    hint: 'look at the peer and the network between; limits.idleTimeoutMs is how long it may be silent',
  });
}
