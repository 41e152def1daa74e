/** Opens the WebSocket of a live connection to a peer. Throws the same errors as its HTTP routes. */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { SqlsyncError } from '../../errors.js';
import { errorAnswerSchema, errorFromPeer } from '../peer/error-answer.js';
import { readJson } from '../peer/http-peer.js';
import type { PeerAddress } from '../peer/peer-address.js';
import { peerFailure } from '../peer/peer-failure.js';
import { connectPinned, pinnedPeer } from '../peer/pinned-connection.js';
import { LIVE_MESSAGE_BYTES_MAX } from './live-messages.js';

const NO_WEBSOCKET = 'look whether the URL leads to a sqlsync daemon, and whether a proxy between lets WebSockets pass';

export async function dialLive(address: PeerAddress): Promise<WebSocket> {
  const first = await tryToDial(address);
  const answer = first instanceof WebSocket ? first : first.isWorthAnother ? await tryToDial(address) : first;
  if (answer instanceof WebSocket) return answer;
  throw answer.error;
}

interface Refused {
  readonly error: unknown;
  /** Has the peer given a challenge that was not known? */
  readonly isWorthAnother: boolean;
}

async function tryToDial(address: PeerAddress): Promise<WebSocket | Refused> {
  const { name, url, limits, tls, proofs } = address;
  const headers = await proofs.headers();
  const pinned = await pinnedSocket(address);
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/live`, {
    headers,
    ...(pinned !== null && { createConnection: () => pinned }),
    handshakeTimeout: limits.connectTimeoutMs,
    maxPayload: LIVE_MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
    ...tls,
  });
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(peerFailure(error, name, url));
    const failToOpen = (error: Error) => reject(handshakeFailure(error, address));
    socket.once('error', failToOpen);
    socket.once('unexpected-response', (_request, response) => {
      const isWorthAnother = proofs.learn(response.headers);
      refusal(response, address)
        .then((error) => resolve({ error, isWorthAnother }), fail)
        .finally(() => socket.terminate());
    });
    socket.once('open', () => {
      socket.off('error', failToOpen);
      resolve(socket);
    });
  });
}

/** What keeps a WebSocket from being opened is the peer's or the network's, also where the library has no code for it. */
function handshakeFailure(error: Error, { name, url }: PeerAddress): unknown {
  const failure = peerFailure(error, name, url);
  if (failure instanceof SqlsyncError) return failure;
  if (/timed out/.test(error.message)) return peerFailure(Object.assign(error, { code: 'ETIMEDOUT' }), name, url);
  return new SqlsyncError('peer-failed', `${name} at ${url} opens no WebSocket: ${error.message}`, {
    hint: NO_WEBSOCKET,
    cause: error,
  });
}

/** A connection on which the peer's certificate has been found to be the right one; null: it is judged by who signed it. */
async function pinnedSocket({ name, url, limits, tls, fingerprints }: PeerAddress): Promise<TLSSocket | null> {
  if (fingerprints === null) return null;
  const peer = pinnedPeer(new URL(url), { tls, fingerprints, timeoutMs: limits.connectTimeoutMs });
  try {
    return await connectPinned(peer);
  } catch (error) {
    throw peerFailure(error, name, url);
  }
}

async function refusal(response: IncomingMessage, { name, url, limits }: PeerAddress): Promise<SqlsyncError> {
  const parsed = errorAnswerSchema.safeParse(await readJson(response, limits.requestBytesMax));
  if (parsed.success) return errorFromPeer(name, parsed.data.error);
  return new SqlsyncError(
    'peer-failed',
    `${url} answers with HTTP status ${response.statusCode} and no word of sqlsync`,
    {
      hint: NO_WEBSOCKET,
    },
  );
}
