/**
 * A certificate that a node makes for itself: peers know it by its fingerprint, not by who signed it. It is an X.509 v3
 * certificate (RFC 5280) with an ECDSA key on P-256, signed by itself. What is written here is DER alone; the key and
 * the signature are node:crypto's.
 */
import { type BinaryLike, createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';

/** PEM texts. */
export interface CertificateAndKey {
  readonly cert: string;
  readonly key: string;
}

/** Nobody judges it by its date: a peer goes by the fingerprint, and a node by when it is replaced. */
const VALID_YEARS = 20;
const SERIAL_BYTES = 16;
const KEY_ID_BYTES = 20;

const TAG = { integer: 2, bits: 3, octets: 4, oid: 6, utf8: 12, utcTime: 23, time: 24, sequence: 48, set: 49 } as const;
const OID = {
  ecdsaWithSha256: '2a8648ce3d040302',
  commonName: '550403',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  subjectKeyId: '551d0e',
  authorityKeyId: '551d23',
} as const;

/**
 * @param name of the node, for people who look at the certificate
 * @param host under which it is reached; a name or an address
 */
export function makeCertificate(name: string, host: string, now: Date): CertificateAndKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const subject = sequence(der(TAG.set, sequence(oid(OID.commonName), der(TAG.utf8, Buffer.from(name)))));
  const until = new Date(now);
  until.setUTCFullYear(now.getUTCFullYear() + VALID_YEARS);
  // A clock that is a little behind must not call it "not yet valid".
  const from = new Date(now.getTime() - 86_400_000);
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  // Of several certificates of one name, as in `tls.ca` while one is exchanged, it says which has signed: else the first
  // is taken for the signer, and the others are not believed.
  const keyId = createHash('sha256').update(spki).digest().subarray(0, KEY_ID_BYTES);
  const extensions = [
    extension(OID.basicConstraints, sequence()),
    extension(OID.subjectAltName, altNames(host)),
    extension(OID.subjectKeyId, der(TAG.octets, keyId)),
    extension(OID.authorityKeyId, sequence(der(0x80, keyId))),
  ];
  const toSign = sequence(
    der(0xa0, integer(Buffer.of(2))),
    integer(positive(randomBytes(SERIAL_BYTES))),
    algorithm,
    subject,
    sequence(time(from), time(until)),
    subject,
    spki,
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', toSign, privateKey);
  const certificate = sequence(toSign, algorithm, der(TAG.bits, Buffer.concat([Buffer.of(0), signature])));
  return {
    cert: new X509Certificate(certificate).toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** SHA-256 of a certificate (its DER form), as 64 hexadecimal digits. */
export function fingerprintOf(der: BinaryLike): string {
  return createHash('sha256').update(der).digest('hex');
}

/** The same, of the first certificate in a PEM text. Throws when there is none in it. */
export function fingerprintOfPem(cert: string): string {
  return fingerprintOf(new X509Certificate(cert).raw);
}

function altNames(host: string): Buffer {
  const given = isIP(host) === 0 ? der(0x82, Buffer.from(host)) : null;
  const address = isIPv4(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : null;
  const names = [given, address, der(0x82, Buffer.from('localhost')), der(0x87, Buffer.of(127, 0, 0, 1))];
  return sequence(...names.filter((one) => one !== null));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), der(TAG.octets, value));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(TAG.sequence, Buffer.concat(parts));
}

function oid(hex: string): Buffer {
  return der(TAG.oid, Buffer.from(hex, 'hex'));
}

function integer(bytes: Buffer): Buffer {
  return der(TAG.integer, bytes);
}

/** As a DER integer: neither negative nor with more zeros in front than it takes. */
function positive(bytes: Buffer): Buffer {
  const head = ((bytes[0] as number) & 0x7f) | 0x40;
  return Buffer.concat([Buffer.of(head), bytes.subarray(1)]);
}

/** To the second; a year has two digits until 2049, and four from then on (RFC 5280, section 4.1.2.5). */
function time(at: Date): Buffer {
  const text = `${at.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return at.getUTCFullYear() < 2050 ? der(TAG.utcTime, Buffer.from(text.slice(2))) : der(TAG.time, Buffer.from(text));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  const hex = length.toString(16);
  const size = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return Buffer.concat([Buffer.of(tag, 0x80 | size.length), size, content]);
}
