/** `/v1/live`: a peer's live connection. Which database it is about, the peer's hello says. */
import type { FastifyInstance } from 'fastify';
import type { WebSocket } from 'ws';
import { LiveConnection } from '../live/live-connection.js';
import { assertSpeaksAs, principalIn } from './principal.js';
import type { RouteDependencies } from './route-dependencies.js';

export function routeLive(app: FastifyInstance, { databases, limits, onBug }: RouteDependencies): void {
  const connections = new Set<LiveConnection>();
  app.get('/v1/live', { websocket: true }, (socket: WebSocket, request) => {
    const principal = principalIn(request);
    const connection = new LiveConnection({
      socket,
      findEnds: (hello) => {
        assertSpeaksAs(principal, hello.database, hello.node);
        const { service, peers } = databases.find(hello.database);
        return { database: service, peer: peers.admit(hello) };
      },
      limits,
      onBug,
    });
    connections.add(connection);
    // Whoever answers pings and says nothing would stay for ever.
    const timer = setTimeout(() => connection.isGreeted || connection.close(), limits.idleTimeoutMs);
    connection.closed.then(() => {
      clearTimeout(timer);
      connections.delete(connection);
    });
  });
  app.addHook('preClose', async () => {
    for (const connection of connections) connection.close();
    await Promise.all([...connections].map(({ closed }) => closed));
  });
}
