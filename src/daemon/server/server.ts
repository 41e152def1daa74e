/**
 * The daemon's HTTP server: probes and figures for anybody, `/v1` for peers that prove who they are. Routes are in files
 * of their own.
 */
import rateLimit from '@fastify/rate-limit';
import websocket from '@fastify/websocket';
import type { FastifyInstance } from 'fastify';
import { SqlsyncError } from '../../errors.js';
import type { ListenAddress } from '../../listen-address.js';
import { LIVE_MESSAGE_BYTES_MAX } from '../live/live-messages.js';
import type { Metrics } from '../metrics/metrics.js';
import { CHALLENGE_HEADER } from '../peer/peer-proofs.js';
import type { BearerSecrets } from './bearer-secrets.js';
import { Challenges } from './challenges.js';
import { ConnectionGuard } from './connection-guard.js';
import { ADDRESSES_MAX, type FailureLimit, failureLimit } from './failure-limit.js';
import { createHttpServer, listen, type RunningServer, type ServerTls } from './http-listener.js';
import { principalOf } from './principal.js';
import { routeChanges } from './route-changes.js';
import { routeCompare } from './route-compare.js';
import type { RouteDependencies } from './route-dependencies.js';
import { routeEnrol } from './route-enrol.js';
import { routeExchange } from './route-exchange.js';
import { routeLive } from './route-live.js';
import { routeMetrics } from './route-metrics.js';
import { routeProbes } from './route-probes.js';
import { routeRules } from './route-rules.js';
import { routeSnapshot } from './route-snapshot.js';

export interface ServerOptions extends RouteDependencies {
  readonly address: ListenAddress;
  readonly tls: ServerTls | null;
  readonly metrics: Metrics;
  /** Read for each request, since secrets are reloaded. */
  readonly secrets: () => BearerSecrets;
}

/** Starts to listen. Throws `listen-failed`. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const app = createHttpServer(options);
  const guard = new ConnectionGuard(app.server, options.limits.connectionsMax);
  await app.register(websocket, { options: { maxPayload: LIVE_MESSAGE_BYTES_MAX, perMessageDeflate: false } });
  await app.register(rateLimit, { global: false, cache: ADDRESSES_MAX });
  const failures = failureLimit(app, options.logger);
  app.decorateRequest('principal', null);
  routeProbes(app, options.databases);
  routeMetrics(app, options.metrics);
  routeEnrol(app, options, failures);
  await app.register(async (peers) => {
    requireProof(peers, options, guard, failures);
    routeExchange(peers, options);
    routeSnapshot(peers, options);
    routeCompare(peers, options);
    routeRules(peers, options);
    routeLive(peers, options);
    routeChanges(peers, options);
  });
  return listen(app, options.address, 'listen');
}

/** Refuses whoever does not prove who it is, before anything of the request is read. */
function requireProof(
  app: FastifyInstance,
  { secrets, databases }: Pick<ServerOptions, 'secrets' | 'databases'>,
  guard: ConnectionGuard,
  failures: FailureLimit,
): void {
  const challenges = new Challenges();
  app.addHook('onRequest', async (request, reply) => {
    try {
      request.principal = await principalOf(request.headers, secrets(), databases, challenges);
    } catch (error) {
      if (!(error instanceof SqlsyncError)) throw error;
      if (error.code === 'proof-outdated') reply.header(CHALLENGE_HEADER, challenges.challenge);
      throw await failures.note(request, error);
    }
    const { principal } = request;
    guard.proved(request.raw.socket, principal.kind === 'member' ? `${principal.database} ${principal.node}` : null);
  });
}
