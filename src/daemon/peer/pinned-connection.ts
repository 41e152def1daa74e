/**
 * TLS with a peer that is known by its certificate's fingerprint. Who signed the certificate, for which name and until
 * when, does not matter then; and nothing is sent before it has been found to be the right one.
 */
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { SqlsyncError } from '../../errors.js';
import { fingerprintOf } from '../../self-made-certificate.js';
import type { ClientTls } from './peer-address.js';

export interface PinnedPeer {
  readonly host: string;
  readonly port: number;
  /** What the peer may ask of this node: a certificate of its own. */
  readonly tls: ClientTls | null;
  /** Any of them does. */
  readonly fingerprints: readonly string[];
  readonly timeoutMs: number;
}

const HTTPS_PORT = 443;

/** The peer that a URL (https or wss) leads to. */
export function pinnedPeer(url: URL, rest: Omit<PinnedPeer, 'host' | 'port'>): PinnedPeer {
  return { ...rest, host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || HTTPS_PORT) };
}

/** Rejects with `peer-certificate`, or with the error of the network. */
export function connectPinned({ host, port, tls, fingerprints, timeoutMs }: PinnedPeer): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const { cert, key } = tls ?? {};
    const socket = connect({
      host,
      port,
      ...(isIP(host) === 0 && { servername: host }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      // What would be judged by it is judged below.
      rejectUnauthorized: false,
    });
    const fail = (error: unknown) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => fail(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' })),
      timeoutMs,
    );
    socket.once('error', fail);
    const onClose = () => fail(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }));
    socket.once('close', onClose);
    socket.once('secureConnect', () => {
      const { raw } = socket.getPeerCertificate();
      const found = raw === undefined ? null : fingerprintOf(raw);
      if (found === null || !fingerprints.includes(found)) return fail(otherCertificate(`${host}:${port}`, found));
      clearTimeout(timer);
      socket.off('error', fail);
      socket.off('close', onClose);
      resolve(socket);
    });
  });
}

function otherCertificate(address: string, found: string | null): SqlsyncError {
  return new SqlsyncError(
    'peer-certificate',
    `${address} shows a certificate that is not the peer’s: its SHA-256 fingerprint is ${found ?? 'not to be had'}`,
    {
      hint:
        'If the peer’s certificate has been replaced, compare the fingerprint there (openssl x509 -noout -fingerprint ' +
        '-sha256 -in FILE) and set it as `fingerprint` of the peer in sqlsync.yml; if not, somebody stands between the two.',
    },
  );
}
