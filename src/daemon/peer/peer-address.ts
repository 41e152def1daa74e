/** Where and how a peer is reached: the same for its HTTP routes and its live connection. */
import type { Limits } from '../../config-limits.js';

export interface PeerAddress {
  /** The peer's name here, for messages. */
  readonly name: string;
  /** Without a slash at its end. */
  readonly url: string;
  /** The Authorization header; read for each request, since secrets are reloaded. */
  readonly authorization: () => string;
  /** What TLS needs beyond the system's own certificates; null: nothing. */
  readonly tls: ClientTls | null;
  readonly limits: Pick<Limits, 'connectTimeoutMs' | 'idleTimeoutMs' | 'heartbeatMs' | 'requestBytesMax'>;
}

/** PEM texts. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}
