/** What the network's errors mean for whoever talks to a peer: codes of Node, of undici and of TLS, as the registry's. */
import { SqlsyncError } from '../../errors.js';

const TIMEOUTS: readonly string[] = ['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'];
/** OpenSSL's and Node's codes for a certificate that is not believed. */
const CERTIFICATE = /CERT|SELF_SIGNED|ERR_TLS|UNABLE_TO_VERIFY/;

/** Codes of sockets, name resolution, streams and undici. */
const NETWORK = /^(E[A-Z]+|UND_ERR_\w+|ERR_STREAM_\w+|ERR_HTTP\w*|HPE_\w+)$/;

/** The registry's error for a failure to talk to `name` at `url`; an error that has nothing to do with that as it was. */
export function peerFailure(error: unknown, name: string, url: string): unknown {
  if (error instanceof SqlsyncError) return error;
  const { code, message } = rootOf(error);
  if (TIMEOUTS.includes(code)) {
    return new SqlsyncError('peer-timeout', `${name} at ${url} does not answer in time`, {
      hint: 'try again; limits.idleTimeoutMs is how long a peer may be silent',
      cause: error,
    });
  }
  if (CERTIFICATE.test(code)) {
    return new SqlsyncError('peer-failed', `the certificate of ${name} at ${url} is not trusted: ${message}`, {
      hint: 'name the authority that signed it in tls.ca, or look whether the URL is right',
      cause: error,
    });
  }
  if (!NETWORK.test(code)) return error;
  return new SqlsyncError('peer-unreachable', `${name} at ${url} cannot be reached: ${message}`, {
    hint: 'look whether it runs (`sqlsync status` there) and whether the URL and the network are right',
    cause: error,
  });
}

/** An operator has paused the exchange with this peer, and nothing crosses before it is resumed. */
export function exchangePaused(name: string): SqlsyncError {
  return new SqlsyncError('peer-paused', `exchange with ${name} is paused`, { hint: `sqlsync peers resume ${name}` });
}

/** The innermost cause says what happened; Node's errors for several addresses say it in the first of them. */
function rootOf(error: unknown): { readonly code: string; readonly message: string } {
  let root = error as Error & { readonly code?: unknown; readonly errors?: readonly unknown[] };
  for (;;) {
    const inner = root.errors?.[0] ?? root.cause;
    if (!(inner instanceof Error)) break;
    root = inner;
  }
  return { code: String(root.code ?? ''), message: root.message };
}
