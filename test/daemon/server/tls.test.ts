import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import {
  fingerprintOf,
  fingerprintOfPem,
  makeCertificate as makeSelfMade,
} from '../../../src/self-made-certificate.js';
import { makeFolder } from '../../support/make-folder.js';
import { type NodeOptions, TestNode } from '../node.js';

/** A certificate that is its own authority, good for this machine. */
function makeCertificate(folder: string, name: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', key, '-out', cert, '-days', '1', '-nodes'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', ...subject, ...files],
    {
      stdio: 'ignore',
    },
  );
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

type Pem = ReturnType<typeof makeSelfMade>;

/** The fingerprint of the certificate that a node shows to whoever comes now. */
async function shownBy(node: TestNode): Promise<string> {
  const socket = connect({ port: Number(new URL(node.url).port), host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprintOf(raw);
}

/** A node that serves with TLS, and one that dials it; the second joined while the first still served without. */
async function pair(clientTls: NodeOptions['clientTls'], serverTls: NonNullable<NodeOptions['serverTls']>) {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
  await paris.stop();
  await paris.start({ serverTls });
  await lyon.start({ peers: [paris.asPeer], ...(clientTls && { clientTls }) });
  return { paris, lyon };
}

describe('TLS', () => {
  it('carries live connections and exchanges', async () => {
    const own = makeCertificate(makeFolder(), 'paris');
    const { paris, lyon } = await pair({ ca: own.cert }, { ...own, requestCert: false });
    paris.insert(1, 'over TLS');
    await vi.waitFor(() => expect(lyon.names()).toEqual(['over TLS']));
    expect(await (await lyon.control()).sync({ databases: [], peers: [] })).toMatchObject([{ error: null }]);
  });

  it('trusts no certificate whose authority it was not told', async () => {
    const own = makeCertificate(makeFolder(), 'paris');
    const { lyon } = await pair(null, { ...own, requestCert: false });
    await vi.waitFor(async () => expect((await lyon.peer('paris'))?.lastError?.code).toBe('peer-failed'));
    expect((await lyon.peer('paris'))?.lastError?.message).toContain('certificate');
  });

  it('shows a new certificate to those who come after a reload, and drops nobody', async () => {
    const [old, fresh] = [0, 1].map(() => makeSelfMade('paris', '127.0.0.1', new Date())) as [Pem, Pem];
    const fingerprint = [old, fresh].map(({ cert }) => fingerprintOfPem(cert));
    const paris = await TestNode.first(makeFolder(), 'paris').start();
    const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
    await paris.stop();
    await paris.start({ serverTls: { ...old, requestCert: false } });
    await lyon.start({ peers: [{ ...paris.asPeer, fingerprint }] });
    await vi.waitFor(async () => expect((await lyon.peer('paris'))?.state).toBe('online'));
    const { lastContactAt } = (await lyon.peer('paris')) as { lastContactAt: string };
    expect(await shownBy(paris)).toBe(fingerprint[0]);
    await paris.daemon?.reload(paris.settings({ serverTls: { ...fresh, requestCert: false } }));
    expect(await shownBy(paris)).toBe(fingerprint[1]);
    paris.insert(1, 'over the old connection');
    await vi.waitFor(() => expect(lyon.names()).toEqual(['over the old connection']));
    expect(await lyon.peer('paris')).toMatchObject({ state: 'online', lastError: null });
    expect(lastContactAt).not.toBeNull();
    await lyon.stop();
    await lyon.start({ peers: [{ ...paris.asPeer, fingerprint: [fingerprint[1] as string] }] });
    await vi.waitFor(async () => expect((await lyon.peer('paris'))?.state).toBe('online'));
  });

  it('lets nobody in without a certificate where both must have one', async () => {
    const [paris, lyon] = [makeCertificate(makeFolder(), 'paris'), makeCertificate(makeFolder(), 'lyon')];
    const serverTls = { ...paris, ca: lyon.cert, requestCert: true };
    const without = await pair({ ca: paris.cert }, serverTls);
    await vi.waitFor(async () => expect((await without.lyon.peer('paris'))?.lastError).not.toBeNull());
    const both = await pair({ ca: paris.cert, ...lyon }, serverTls);
    await vi.waitFor(async () => expect((await both.lyon.peer('paris'))?.state).toBe('online'));
  });
});
