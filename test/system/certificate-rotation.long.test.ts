import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, test } from 'vitest';
import {
  type CertificateAndKey,
  fingerprintOf,
  fingerprintOfPem,
  makeCertificate,
} from '../../src/self-made-certificate.js';
import type { ProcessNode } from '../support/process-node.js';
import { rotateUnderLoad } from './busy-pair.js';
import { startPair, untilState } from './start-nodes.js';

const make = ({ name }: ProcessNode) => makeCertificate(name, '127.0.0.1', new Date());

const put = ({ folder }: ProcessNode, file: string, text: string) =>
  writeFileSync(join(folder, file), text, { mode: 0o600 });

function setOwn(node: ProcessNode, { cert, key }: CertificateAndKey): void {
  put(node, 'own.crt', cert);
  put(node, 'own.key', key);
}

const setTrusted = (node: ProcessNode, trusted: readonly CertificateAndKey[]) =>
  put(node, 'ca.pem', trusted.map(({ cert }) => cert).join(''));

/** Shakes hands as whoever has this certificate. Returns the fingerprint of what the node shows; null: it refuses. */
async function shakeHands({ port }: ProcessNode, own: CertificateAndKey): Promise<string | null> {
  const socket = connect({ port: port ?? 0, host: '127.0.0.1', rejectUnauthorized: false, ...own });
  socket.write('GET /livez HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n');
  let answer = '';
  let shown: string | null = null;
  socket.once('secureConnect', () => {
    shown = fingerprintOf(socket.getPeerCertificate().raw);
  });
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  // TLS 1.3 refuses a client only once the client believes that it is through.
  await once(socket, 'close').catch(() => {});
  return answer.startsWith('HTTP/1.1 200') ? shown : null;
}

test('with mutual TLS both certificates are exchanged while both nodes write, and nothing is missed', async () => {
  const { hub, east } = await startPair();
  const nodes = [hub, east];
  const old = { hub: make(hub), east: make(east) };
  const fresh = { hub: make(hub), east: make(east) };
  const tls = { cert: './own.crt', key: './own.key', ca: './ca.pem', clientAuth: 'required' };
  for (const node of nodes) await node.end('SIGTERM');
  for (const [node, own, other] of [
    [hub, old.hub, old.east],
    [east, old.east, old.hub],
  ] as const) {
    setOwn(node, own);
    setTrusted(node, [other]);
    node.edit((config) => ({ ...config, tls }));
    node.configure({ peer: { url: hub.url.replace('http', 'https') } });
    await node.start();
  }
  await untilState(east, 'hub', 'online');
  expect(await shakeHands(hub, old.east)).toBe(fingerprintOfPem(old.hub.cert));

  await rotateUnderLoad(nodes, [
    { on: hub, what: 'hub trusts both', change: () => setTrusted(hub, [old.east, fresh.east]) },
    { on: east, what: 'east trusts both', change: () => setTrusted(east, [old.hub, fresh.hub]) },
    { on: hub, what: 'hub shows the new one', change: () => setOwn(hub, fresh.hub) },
    { on: east, what: 'east shows the new one', change: () => setOwn(east, fresh.east) },
    { on: hub, what: 'hub trusts the new one', change: () => setTrusted(hub, [fresh.east]) },
    { on: east, what: 'east trusts the new one', change: () => setTrusted(east, [fresh.hub]) },
  ]);
  expect(await shakeHands(hub, fresh.east)).toBe(fingerprintOfPem(fresh.hub.cert));
  expect(await shakeHands(hub, old.east)).toBeNull();
});
