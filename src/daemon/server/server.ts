/**
 * The daemon's HTTP server: probes and figures for anybody, `/v1` for peers that know a secret. Routes are in files of
 * their own.
 */
import websocket from '@fastify/websocket';
import type { FastifyInstance } from 'fastify';
import { SqlsyncError } from '../../errors.js';
import type { ListenAddress } from '../../listen-address.js';
import { LIVE_MESSAGE_BYTES_MAX } from '../live/live-messages.js';
import type { Metrics } from '../metrics/metrics.js';
import type { BearerSecrets } from './bearer-secrets.js';
import { createHttpServer, listen, type RunningServer, type ServerTls } from './http-listener.js';
import { routeChanges } from './route-changes.js';
import { routeCompare } from './route-compare.js';
import type { RouteDependencies } from './route-dependencies.js';
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
  await app.register(websocket, { options: { maxPayload: LIVE_MESSAGE_BYTES_MAX, perMessageDeflate: false } });
  routeProbes(app, options.databases);
  routeMetrics(app, options.metrics);
  await app.register(async (peers) => {
    requireSecret(peers, options.secrets);
    routeExchange(peers, options);
    routeSnapshot(peers, options);
    routeCompare(peers, options);
    routeRules(peers, options);
    routeLive(peers, options);
    routeChanges(peers, options);
  });
  return listen(app, options.address, 'listen');
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
