import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fingerprintOfPem, makeCertificate } from '../src/self-made-certificate.js';
import { makeFolder } from './support/make-folder.js';

const NOW = new Date('2030-06-15T12:00:00Z');

describe('a certificate that a node makes for itself', () => {
  it.each(['paris.example', '192.0.2.7', '2001:db8::7', '0.0.0.0'])('is one, for a node at %s', (host) => {
    const { cert, key } = makeCertificate('paris', host, NOW);
    const parsed = new X509Certificate(cert);
    expect(parsed.verify(parsed.publicKey)).toBe(true);
    expect(parsed.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect([parsed.subject, parsed.issuer, parsed.ca]).toEqual(['CN=paris', 'CN=paris', false]);
    expect(parsed.checkHost('localhost')).toBe('localhost');
    expect([new Date(parsed.validFrom) < NOW, new Date(parsed.validTo).getUTCFullYear()]).toEqual([true, 2050]);
  });

  it('is what OpenSSL takes for one, under the fingerprint that OpenSSL prints', () => {
    const { cert } = makeCertificate('paris', 'paris.example', NOW);
    const file = join(makeFolder(), 'paris.crt');
    writeFileSync(file, cert);
    const openssl = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8' });
    const printed = openssl('x509', '-in', file, '-noout', '-fingerprint', '-sha256');
    expect(printed.trim().split('=')[1]?.replaceAll(':', '').toLowerCase()).toBe(fingerprintOfPem(cert));
    expect(openssl('verify', '-x509_strict', '-attime', String(NOW.getTime() / 1000), '-CAfile', file, file)).toContain(
      'OK',
    );
  });

  it('is believed beside another of its name, as while one is exchanged', () => {
    const folder = makeFolder();
    const made = [1, 2].map(() => makeCertificate('paris', 'paris', NOW).cert);
    const both = join(folder, 'ca.pem');
    writeFileSync(both, made.join(''));
    for (const [i, cert] of made.entries()) {
      const file = join(folder, `${i}.crt`);
      writeFileSync(file, cert);
      const args = ['verify', '-attime', String(NOW.getTime() / 1000), '-CAfile', both, file];
      expect(execFileSync('openssl', args, { encoding: 'utf8' })).toContain('OK');
    }
  });

  it('has a serial number and a key of its own each time', () => {
    const [one, other] = [1, 2].map(() => new X509Certificate(makeCertificate('paris', 'paris', NOW).cert));
    expect(one?.serialNumber).not.toBe(other?.serialNumber);
    expect(one?.fingerprint256).not.toBe(other?.fingerprint256);
  });
});
