/** Where and how a peer is reached: the same for its HTTP routes and its live connection. */
import type { Limits } from '../../config-limits.js';
import type { PeerProofs } from './peer-proofs.js';

export interface PeerAddress {
  /** The peer's name here, for messages. */
  readonly name: string;
  /** Without a slash at its end. */
  readonly url: string;
  /** What proves who this node is; asked for each request, since secrets are reloaded. */
  readonly proofs: PeerProofs;
  /** SHA-256 of the certificates by which the peer is known, whoever signed them; null: it is judged by who signed it. */
  readonly fingerprints: readonly string[] | null;
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
