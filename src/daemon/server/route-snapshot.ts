/** `/v1/snapshot`: makes a node a member of the data set, and sends it the whole file to begin with. */
import type { FastifyInstance } from 'fastify';
import { SqlsyncError } from '../../errors.js';
import { FORMAT_VERSION } from '../../replication/metadata-schema.js';
import { FORMAT_KNOWN_SINCE } from '../../replication/older-wire.js';
import { WIRE_VERSION, WIRE_VERSION_MIN } from '../../replication/wire-messages.js';
import { assertNotRevoked } from '../database/revocation.js';
import { STREAM_TYPE } from '../peer/http-peer.js';
import { validated } from '../peer/validated.js';
import { type SnapshotRequest, snapshotRequestSchema } from '../stream/snapshot-request.js';
import { sponsorSnapshot } from '../stream/sponsor-snapshot.js';
import { assertSpeaksAs, principalIn } from './principal.js';
import type { RouteDependencies } from './route-dependencies.js';

const SNAPSHOTS_PER_MINUTE_MAX = 20;

export function routeSnapshot(app: FastifyInstance, { databases, limits }: RouteDependencies): void {
  // A copy of the whole file is the dearest thing that can be asked for.
  const countAsked = app.createRateLimit({
    max: SNAPSHOTS_PER_MINUTE_MAX,
    timeWindow: 60_000,
    keyGenerator: ({ ip, body }) => `${ip} ${(body as { node?: unknown } | null)?.node}`,
  });
  app.post('/v1/snapshot', async (request, reply) => {
    const asked = parseRequest(request.body);
    const { service } = databases.find(asked.database);
    const { node: name, nodeId, joins, rejoining } = asked;
    const principal = principalIn(request);
    assertSpeaksAs(principal, service.name, name);
    await assertNotRevoked(service, name);
    const counted = await countAsked(request);
    if (!counted.isAllowed && counted.isExceeded) throw tooMany(name);
    // Who was invited to read is no writer for having asked.
    const access = principal.kind === 'member' ? principal.access : asked.access;
    if (joins) await service.admit({ name, nodeId, access }, rejoining);
    const body = await sponsorSnapshot(service, limits);
    return reply.type(STREAM_TYPE).send(body);
  });
}

function tooMany(node: string): SqlsyncError {
  return new SqlsyncError('rate-limited', `${node} has asked for ${SNAPSHOTS_PER_MINUTE_MAX} snapshots in a minute`, {
    hint: 'try again in a minute',
  });
}

function parseRequest(body: unknown): SnapshotRequest {
  const asked = validated(snapshotRequestSchema, body, 'the request');
  const { wireVersion, wireVersionMin } = asked;
  // Before it has become a member: it could do nothing with the file.
  if (wireVersion >= WIRE_VERSION_MIN && wireVersion < FORMAT_KNOWN_SINCE) throw knowsNoSuchFormat(asked);
  if (wireVersionMin <= WIRE_VERSION && wireVersion >= WIRE_VERSION_MIN) return asked;
  const here = `${WIRE_VERSION_MIN} to ${WIRE_VERSION}`;
  throw new SqlsyncError(
    'wire-version',
    `the newcomer speaks wire versions ${wireVersionMin} to ${wireVersion}, this node ${here}`,
    {
      hint: 'upgrade the older of the two',
    },
  );
}

function knowsNoSuchFormat({ node, wireVersion }: SnapshotRequest): SqlsyncError {
  const message = `the snapshot has format ${FORMAT_VERSION}, and ${node}, which speaks wire version ${wireVersion}, is too old for it`;
  return new SqlsyncError('wire-version', message, { hint: `upgrade sqlsync on ${node}, and try again` });
}
