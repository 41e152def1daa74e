/**
 * The daemon's HTTP server: probes for anybody, `/v1` for peers that know a secret. Routes are in files of their own;
 * here is what they have in common: who may come in, how many, how long they may take, and what an error looks like.
 */
import websocket from '@fastify/websocket';
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { type ErrorBody, SqlsyncError } from '../../errors.js';
import { formatListenAddress, type ListenAddress } from '../../listen-address.js';
import { LIVE_MESSAGE_BYTES_MAX } from '../live/live-messages.js';
import { answerOf, httpStatusOf } from '../peer/error-answer.js';
import type { BearerSecrets } from './bearer-secrets.js';
import type { RouteDependencies } from './route-dependencies.js';
import { routeExchange } from './route-exchange.js';
import { routeLive } from './route-live.js';
import { routeProbes } from './route-probes.js';
import { routeSnapshot } from './route-snapshot.js';

/** PEM texts. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  /** Mutual TLS: who has no certificate of ours is not let in. */
  readonly requestCert: boolean;
}

export interface ServerOptions extends RouteDependencies {
  readonly address: ListenAddress;
  readonly tls: ServerTls | null;
  /** Read for each request, since secrets are reloaded. */
  readonly secrets: () => BearerSecrets;
}

export interface RunningServer {
  /** Where it listens, with the port it was given. */
  readonly address: ListenAddress;
  /** Takes no more requests, and waits for those under way until the signal aborts. */
  close(deadline: AbortSignal): Promise<void>;
}

const HEADER_BYTES_MAX = 16 * 1024;

/** Starts to listen. Throws `listen-failed`. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { address, limits } = options;
  const app = createApp(options);
  app.server.maxConnections = limits.connectionsMax;
  answerErrors(app, options.logger);
  await app.register(websocket, { options: { maxPayload: LIVE_MESSAGE_BYTES_MAX, perMessageDeflate: false } });
  routeProbes(app, options.databases);
  await app.register(async (peers) => {
    requireSecret(peers, options.secrets);
    routeExchange(peers, options);
    routeSnapshot(peers, options);
    routeLive(peers, options);
  });
  await listen(app, address);
  const { port } = app.server.address() as { port: number };
  return { address: { ...address, port }, close: (deadline) => close(app, deadline) };
}

function createApp({ limits, tls }: ServerOptions): FastifyInstance {
  const options = {
    bodyLimit: limits.requestBytesMax,
    // Silence of so long ends a connection, whatever it is about.
    connectionTimeout: limits.idleTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    forceCloseConnections: 'idle',
  } as const;
  const server = { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: limits.idleTimeoutMs };
  if (tls === null) return fastify({ ...options, http: server });
  const https = { ...server, ...tls, rejectUnauthorized: tls.requestCert };
  // Routes do not care which of the two they are served by.
  return fastify({ ...options, https }) as unknown as FastifyInstance;
}

async function listen(app: FastifyInstance, address: ListenAddress): Promise<void> {
  try {
    await app.listen({ host: address.host, port: address.port });
  } catch (cause) {
    throw new SqlsyncError(
      'listen-failed',
      `cannot listen on ${formatListenAddress(address)}: ${(cause as Error).message}`,
      {
        hint: 'choose another address with `listen`, or stop what holds it (`ss -ltnp`)',
        cause,
      },
    );
  }
}

async function close(app: FastifyInstance, deadline: AbortSignal): Promise<void> {
  const cutOff = () => app.server.closeAllConnections();
  deadline.addEventListener('abort', cutOff, { once: true });
  if (deadline.aborted) cutOff();
  await app.close();
  deadline.removeEventListener('abort', cutOff);
}

/** Refuses whoever does not know a secret, before anything of the request is read. */
function requireSecret(app: FastifyInstance, secrets: () => BearerSecrets): void {
  app.addHook('onRequest', async (request) => {
    if (secrets().accepts(request.headers.authorization)) return;
    throw new SqlsyncError('peer-wrong-secret', 'the secret is not one of this node’s', {
      hint: 'nodes of a data set share a secret: compare the secret files',
    });
  });
}

function answerErrors(app: FastifyInstance, logger: Logger): void {
  app.setNotFoundHandler(async (request, reply) => {
    const error: ErrorBody = {
      code: 'usage',
      message: `there is no ${request.method} ${request.url} here`,
      hint: null,
    };
    return reply.code(404).send({ error });
  });
  app.setErrorHandler(async (error: FastifyError | SqlsyncError, request, reply) => {
    const body = requestError(error) ?? answerOf(error);
    // Fastify and HTTP say in a status what is wrong with a request as such.
    const status = error instanceof SqlsyncError ? httpStatusOf(error.code) : (error.statusCode ?? 500);
    if (status >= 500) logger.error({ err: error, route: request.url }, 'a request failed');
    // Whoever is refused may still be sending: the rest is not read.
    if (request.headers['transfer-encoding'] !== undefined) reply.header('connection', 'close');
    return reply.code(status).send({ error: body });
  });
}

/** What is wrong with the request as such: too large, no JSON, an unknown type. */
function requestError(error: FastifyError | SqlsyncError): ErrorBody | null {
  if (error instanceof SqlsyncError || error.statusCode === undefined || error.statusCode >= 500) return null;
  const code = error.statusCode === 413 ? 'batch-oversized' : 'batch-damaged';
  return { code, message: error.message, hint: null };
}
