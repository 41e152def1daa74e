/** `/v1/rules`: a change of the rules of the data set, step by step, and what has become of one. */
import type { FastifyInstance } from 'fastify';
import { parseRuleRequestBody, RULES_PATH } from '../rules/rule-request-body.js';
import { assertSpeaksAs, principalIn } from './principal.js';
import type { RouteDependencies } from './route-dependencies.js';

export function routeRules(app: FastifyInstance, { databases }: RouteDependencies): void {
  app.post(RULES_PATH, async (request) => {
    const { database, question } = parseRuleRequestBody(request.body);
    const { service, peers } = databases.find(database);
    assertSpeaksAs(principalIn(request), service.name, question.hello.node);
    peers.refusePaused(question.hello.node);
    return service.rules.answer(question);
  });
}
