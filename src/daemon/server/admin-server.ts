/** Probes and figures on an address of their own, without TLS and without credentials: for who watches this node. */
import type { ListenAddress } from '../../listen-address.js';
import type { ServedDatabases } from '../database/served-databases.js';
import type { Metrics } from '../metrics/metrics.js';
import { createHttpServer, type HttpOptions, listen, type RunningServer } from './http-listener.js';
import { routeMetrics } from './route-metrics.js';
import { routeProbes } from './route-probes.js';

export interface AdminServerOptions extends Omit<HttpOptions, 'tls'> {
  readonly address: ListenAddress;
  readonly databases: ServedDatabases;
  readonly metrics: Metrics;
}

/** Starts to listen. Throws `listen-failed`. */
export function startAdminServer(options: AdminServerOptions): Promise<RunningServer> {
  const app = createHttpServer({ ...options, tls: null });
  routeProbes(app, options.databases);
  routeMetrics(app, options.metrics);
  return listen(app, options.address, 'admin.listen');
}
