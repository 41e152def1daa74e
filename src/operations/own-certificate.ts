/**
 * The certificate of a node that listens beyond its own machine and was given none: made by the node itself, beside its
 * configuration. Peers know it by its fingerprint, which an invitation carries.
 */
import { existsSync, readFileSync } from 'node:fs';
import { writeFileAtomic } from '../atomic-write.js';
import type { TlsAddition } from '../config-edit.js';
import { parseListenAddress } from '../listen-address.js';
import { fingerprintOfPem, makeCertificate } from '../self-made-certificate.js';

export interface OwnCertificate {
  readonly cert: string;
  /** SHA-256, hex. */
  readonly fingerprint: string;
}

/**
 * Makes the files if there are none yet; null: none were made.
 * @param listen `host:port`
 */
export function makeMissingCertificate(
  tls: TlsAddition | undefined,
  { node, listen, now }: { readonly node: string; readonly listen: string | undefined; readonly now: Date },
): OwnCertificate | null {
  if (tls === undefined || (existsSync(tls.cert) && existsSync(tls.key))) return null;
  const { cert, key } = makeCertificate(node, parseListenAddress(listen ?? '')?.host ?? node, now);
  writeFileAtomic(tls.key, key, 0o600);
  writeFileAtomic(tls.cert, cert, 0o644);
  return { cert: tls.cert, fingerprint: fingerprintOfPem(readFileSync(tls.cert, 'utf8')) };
}
