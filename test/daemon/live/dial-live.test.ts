/** Peers that open no WebSocket: that is told as theirs, and ends no daemon. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { dialLive } from '../../../src/daemon/live/dial-live.js';
import type { PeerAddress } from '../../../src/daemon/peer/peer-address.js';

async function dialTo(answer: (socket: Socket) => void): Promise<unknown> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const address = {
    ...{ name: 'lyon', url: `http://127.0.0.1:${port}`, fingerprints: null, tls: null },
    proofs: { headers: async () => ({}), learn: () => false },
    limits: { connectTimeoutMs: 100, idleTimeoutMs: 1000, heartbeatMs: 1000, requestBytesMax: 1000 },
  } as unknown as PeerAddress;
  return dialLive(address);
}

test('one that takes the connection and says nothing does not answer in time', async () => {
  await expect(dialTo(() => {})).rejects.toMatchObject({ code: 'peer-timeout' });
});

test.each([
  ['a wrong key', 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n'],
  ['another protocol', 'Upgrade: h2c\r\nConnection: Upgrade\r\n'],
])('one that answers with %s has failed', async (_what, headers) => {
  const answer = (socket: Socket) => socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers}\r\n`);
  await expect(dialTo(answer)).rejects.toMatchObject({ code: 'peer-failed' });
});

test('one that breaks off cannot be reached', async () => {
  await expect(dialTo((socket) => socket.destroy())).rejects.toMatchObject({ code: 'peer-unreachable' });
});
