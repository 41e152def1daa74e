/** `/v1/changes`: the feed of a database's changes, as an event stream or over a WebSocket. See docs/feed.md. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { SqlsyncError } from '../../errors.js';
import { parseFeedRequest } from '../feed/feed-request.js';
import { EventStreamSink, WebSocketSink } from '../feed/feed-sink.js';
import { FeedSubscribers } from '../feed/feed-subscribers.js';
import { answerOf } from '../peer/error-answer.js';
import { assertKnowsSecret, principalIn } from './principal.js';
import type { RouteDependencies } from './route-dependencies.js';

export function routeChanges(app: FastifyInstance, dependencies: RouteDependencies): void {
  const subscribers = new FeedSubscribers(dependencies);
  app.route({
    method: 'GET',
    url: '/v1/changes',
    handler: async (request, reply) => {
      const subscription = await subscribers.begin(requestOf(request));
      reply.hijack();
      subscribers.serve(subscription, new EventStreamSink(reply.raw));
    },
    wsHandler: async (socket: WebSocket, request: FastifyRequest) => {
      const sink = new WebSocketSink(socket);
      try {
        subscribers.serve(await subscribers.begin(requestOf(request)), sink);
      } catch (error) {
        sink.fail(answerOf(error));
        if (!(error instanceof SqlsyncError)) dependencies.onBug(error);
      }
    },
  });
  app.addHook('preClose', () => subscribers.close());
}

function requestOf(request: FastifyRequest) {
  assertKnowsSecret(principalIn(request));
  const lastEventId = request.headers['last-event-id'];
  return parseFeedRequest(request.query, typeof lastEventId === 'string' ? lastEventId : undefined);
}
