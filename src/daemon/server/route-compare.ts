/** `/v1/compare`: a question about this node's rows, from a node that compares them with its own. */
import type { FastifyInstance } from 'fastify';
import { SqlsyncError } from '../../errors.js';
import { ANSWER_BYTES_MAX } from '../../replication/compare-messages.js';
import { COMPARE_PATH, parseCompareRequest } from '../compare/compare-request.js';
import { assertNotRevoked } from '../database/revocation.js';
import { assertSpeaksAs, principalIn } from './principal.js';
import type { RouteDependencies } from './route-dependencies.js';

export function routeCompare(app: FastifyInstance, { databases }: RouteDependencies): void {
  app.post(COMPARE_PATH, { bodyLimit: ANSWER_BYTES_MAX }, async (request) => {
    const { database, dataset, node, question } = parseCompareRequest(request.body);
    const { service, peers } = databases.find(database);
    if (dataset !== service.replica.dataset) {
      throw new SqlsyncError('dataset-mismatch', `${service.replica.node} holds another data set`, {
        hint: 'make one a copy of the other: sqlsync join URL DB --replace',
      });
    }
    assertSpeaksAs(principalIn(request), service.name, node);
    await assertNotRevoked(service, node);
    peers.refusePaused(node);
    return service.answers.answer(question);
  });
}
