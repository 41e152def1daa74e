/** What the HTTP servers of a daemon have in common: how many may come in, how long they may take, what an error looks like. */
import { Server as TlsServer } from 'node:tls';
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Limits } from '../../config-limits.js';
import { type ErrorBody, EXIT, SqlsyncError } from '../../errors.js';
import { formatListenAddress, type ListenAddress } from '../../listen-address.js';
import { answerOf, httpStatusOf } from '../peer/error-answer.js';

/** PEM texts. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  /** Mutual TLS: who has no certificate of ours is not let in. */
  readonly requestCert: boolean;
}

export interface RunningServer {
  /** Where it listens, with the port it was given. */
  readonly address: ListenAddress;
  /** Shows this certificate to whoever comes from now on; connections that are there stay. Only where it serves with TLS. */
  setCertificate(tls: ServerTls): void;
  /** Takes no more requests, and waits for those under way until the signal aborts. */
  close(deadline: AbortSignal): Promise<void>;
}

export interface HttpOptions {
  readonly tls: ServerTls | null;
  readonly limits: Limits;
  readonly logger: Logger;
}

const HEADER_BYTES_MAX = 16 * 1024;
const JSON_TYPE = 'application/json';
/** How often connections are looked at whose headers do not come. */
const HEADERS_CHECK_MS = 1_000;

/** A server without routes, which does not listen yet. */
export function createHttpServer(options: HttpOptions): FastifyInstance {
  const app = createApp(options);
  app.server.maxConnections = options.limits.connectionsMax;
  answerErrors(app, options.logger);
  boundBodies(app, options.limits);
  return app;
}

/** What is read as a whole must be here within the time that a connection may be silent, however it comes. */
function boundBodies(app: FastifyInstance, { idleTimeoutMs }: Limits): void {
  app.addHook('preParsing', async (request, _reply, payload) => {
    if (request.headers['content-type'] !== JSON_TYPE) return payload;
    const timer = setTimeout(() => request.raw.destroy(), idleTimeoutMs);
    payload.once('close', () => clearTimeout(timer));
    payload.once('end', () => clearTimeout(timer));
    return payload;
  });
}

function createApp({ limits, tls }: HttpOptions): FastifyInstance {
  const options = {
    bodyLimit: limits.requestBytesMax,
    // Silence of so long ends a connection, whatever it is about.
    connectionTimeout: limits.idleTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    forceCloseConnections: 'idle',
  } as const;
  const server = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: Math.min(HEADERS_CHECK_MS, limits.idleTimeoutMs),
  };
  if (tls === null) return fastify({ ...options, http: server });
  const https = { ...server, ...tls, rejectUnauthorized: tls.requestCert, handshakeTimeout: limits.connectTimeoutMs };
  // Routes do not care which of the two they are served by.
  return fastify({ ...options, https }) as unknown as FastifyInstance;
}

/**
 * Starts to listen. Throws `listen-failed`.
 * @param key of the configuration, that says where
 */
export async function listen(app: FastifyInstance, address: ListenAddress, key: string): Promise<RunningServer> {
  try {
    await app.listen({ host: address.host, port: address.port });
  } catch (cause) {
    throw new SqlsyncError(
      'listen-failed',
      `cannot listen on ${formatListenAddress(address)}: ${(cause as Error).message}`,
      {
        hint: `choose another address with \`${key}\`, or stop what holds it (\`ss -ltnp\`)`,
        cause,
      },
    );
  }
  const { port } = app.server.address() as { port: number };
  const setCertificate = ({ requestCert: _known, ...certificate }: ServerTls) => {
    if (app.server instanceof TlsServer) app.server.setSecureContext(certificate);
  };
  return { address: { ...address, port }, setCertificate, close: (deadline) => close(app, deadline) };
}

async function close(app: FastifyInstance, deadline: AbortSignal): Promise<void> {
  const cutOff = () => app.server.closeAllConnections();
  deadline.addEventListener('abort', cutOff, { once: true });
  if (deadline.aborted) cutOff();
  await app.close();
  deadline.removeEventListener('abort', cutOff);
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
    // What passes by itself (a migration, a catch-up) is a state, and told as one.
    const isPassing = error instanceof SqlsyncError && error.exitCode === EXIT.tryAgain;
    if (status >= 500 && !isPassing) logger.error({ err: error, route: request.url }, 'a request failed');
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
