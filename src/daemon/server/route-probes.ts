/**
 * `/livez`: the process answers. `/readyz`: this node can capture and serve; a line for each database, `[+]` or `[-]`.
 * A peer that is down makes no node unready, so that one failure does not take the rest out of service.
 */
import type { FastifyInstance } from 'fastify';
import type { ServedDatabases } from '../database/served-databases.js';

export function routeProbes(app: FastifyInstance, databases: ServedDatabases): void {
  app.get('/livez', async (_request, reply) => reply.type('text/plain').send('ok\n'));
  app.get('/readyz', async (_request, reply) => {
    const lines = databases.all().map(({ service }) => readiness(service));
    const isReady = lines.every((line) => line.startsWith('[+]'));
    return reply
      .code(isReady ? 200 : 503)
      .type('text/plain')
      .send([...lines, isReady ? 'ready' : 'not ready', ''].join('\n'));
  });
}

function readiness(service: {
  readonly name: string;
  readonly openProblems: readonly { readonly error: { readonly code: string } }[];
}): string {
  const codes = service.openProblems.map(({ error }) => error.code);
  return codes.length === 0 ? `[+]database ${service.name}` : `[-]database ${service.name}: ${codes.join(', ')}`;
}
