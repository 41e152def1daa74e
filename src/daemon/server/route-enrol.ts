/**
 * `/v1/enrol`: whoever has an invitation shows it, and gives the public key by which it will be known from then on. All
 * else goes by that key. The route is for anybody; an invitation that is none counts as a failure of its address.
 */
import type { FastifyInstance } from 'fastify';
import { SqlsyncError } from '../../errors.js';
import { keyIdOf } from '../../member-key.js';
import { redeemInvite } from '../file/invite-store.js';
import { ENROL_PATH, type EnrolAnswer, enrolRequestSchema } from '../peer/enrolment.js';
import type { FailureLimit } from './failure-limit.js';
import type { RouteDependencies } from './route-dependencies.js';

export function routeEnrol(app: FastifyInstance, { databases }: RouteDependencies, failures: FailureLimit): void {
  app.post(ENROL_PATH, async (request): Promise<EnrolAnswer> => {
    const parsed = enrolRequestSchema.safeParse(request.body);
    if (!parsed.success) {
      throw await failures.note(request, new SqlsyncError('batch-damaged', 'the request is no enrolment'));
    }
    const { database, invite, secret, node, publicKey } = parsed.data;
    const { service } = databases.find(database);
    try {
      const { access } = redeemInvite(service.side, { id: invite, secret, node, publicKey }, Date.now());
      const credential = { id: keyIdOf(publicKey), node, publicKey, access };
      await service.work(() => service.replica.addCredential(credential));
      return { dataset: service.replica.dataset, access };
    } catch (error) {
      throw error instanceof SqlsyncError ? await failures.note(request, error) : error;
    }
  });
}
