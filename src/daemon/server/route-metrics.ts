/** `/metrics`: figures for Prometheus, for anybody: no row and no key is in them. */
import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../metrics/metrics.js';

export function routeMetrics(app: FastifyInstance, metrics: Pick<Metrics, 'text' | 'contentType'>): void {
  app.get('/metrics', async (_request, reply) => {
    const text = await metrics.text();
    return reply.type(metrics.contentType).send(text);
  });
}
