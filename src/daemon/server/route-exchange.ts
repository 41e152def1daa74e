/**
 * The exchange over HTTP. `/v1/hello`: who are you, this is me. `/v1/pull`: a hello for a stream of all that its sender
 * lacks. `/v1/push`: a stream for the news that it is in.
 */
import { PassThrough, type Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { SqlsyncError } from '../../errors.js';
import { parseHello } from '../../replication/stream-reader.js';
import type { Hello } from '../../replication/wire-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import { answerOf } from '../peer/error-answer.js';
import { directionRefusal, greetingFor } from '../peer/greeting.js';
import { DATABASE_HEADER, STREAM_TYPE } from '../peer/http-peer.js';
import type { PeerRecord } from '../peer/peer-record.js';
import { PUSH_ANSWER_TYPE, type PushLine } from '../peer/push-answer.js';
import { cutBody, primeCut, type SentStream } from '../stream/send-stream.js';
import type { StreamStage } from '../stream/stage.js';
import type { StreamReceiver } from '../stream/stage-store.js';
import { assertSpeaksAs, principalIn } from './principal.js';
import type { RouteDependencies } from './route-dependencies.js';

type Peer = PeerRecord;

/** How long an asker waits while this node takes in what its own application has written: less than time-outs allow. */
const FOLD_MS_MAX = 5_000;

export function routeExchange(app: FastifyInstance, dependencies: RouteDependencies): void {
  const { databases, limits } = dependencies;
  // A stream is read by its route, as it comes.
  app.addContentTypeParser(STREAM_TYPE, (_request, payload, done) => done(null, payload));

  app.post('/v1/hello', async (request) => {
    const hello = parseHello(request.body, 'the hello');
    assertSpeaksAs(principalIn(request), hello.database, hello.node);
    const { service, peer } = await databases.greet(hello);
    await service.foldWithin(FOLD_MS_MAX);
    return greetingFor(peer, await service.hello(), service.passage(hello.node));
  });

  app.post('/v1/pull', async (request, reply) => {
    const hello = parseHello(request.body, 'the hello');
    assertSpeaksAs(principalIn(request), hello.database, hello.node);
    const { service, peer } = await databases.greet(hello);
    if (peer.direction === 'pull' || service.replica.isReadOnly) throw directionRefusal('ships nothing to you');
    if (!(await service.foldWithin(FOLD_MS_MAX))) throw busyFolding();
    const cut = await primeCut(service.openCut(hello));
    const { body, sent } = cutBody(cut, { hello: await service.hello(), idleTimeoutMs: limits.idleTimeoutMs });
    countSent(peer, sent, dependencies.onBug);
    return reply.type(STREAM_TYPE).send(body);
  });

  app.post('/v1/push', async (request, reply) => {
    const { service } = databases.find(String(request.headers[DATABASE_HEADER] ?? ''));
    const receiver = service.receive();
    try {
      const assertMaySend = ({ database, node }: Hello) => {
        assertSpeaksAs(principalIn(request), service.name, node);
        if (database !== service.name) throw otherDatabase(service.name, database);
      };
      const peer = await receive(request.body as Readable, receiver, assertMaySend, dependencies);
      const stage = await receiver.finish();
      return reply.type(PUSH_ANSWER_TYPE).send(applyAndSay(service, peer, stage, dependencies));
    } catch (error) {
      receiver.discard();
      throw error;
    }
  });
}

function otherDatabase(named: string, sent: string): SqlsyncError {
  return new SqlsyncError('batch-damaged', `the stream is for ${sent}, and the request names ${named}`);
}

function busyFolding(): SqlsyncError {
  return new SqlsyncError('catching-up', 'this node is still taking in what its own application has written', {
    hint: 'try again in a moment',
  });
}

/** Keeps count of what is sent. A peer that sees the stream break off asks again. */
function countSent(peer: Peer, sent: Promise<SentStream>, onBug: (error: unknown) => void): void {
  const done = peer.begin();
  sent
    .then(({ end, bytes }) => {
      peer.rowsSent += end.rows;
      peer.bytesSent += bytes;
      peer.succeeded();
    })
    .catch((error: unknown) => noteFailure(peer, error, onBug))
    .finally(done);
}

function noteFailure(peer: Peer, error: unknown, onBug: (error: unknown) => void): void {
  if (error instanceof SqlsyncError) peer.failed(error);
  else onBug(error);
}

/** Takes the stream in, whoever sends it having been found fit as soon as that is known. */
async function receive(
  body: Readable,
  receiver: StreamReceiver,
  assertMaySend: (sender: Hello) => void,
  { databases }: RouteDependencies,
): Promise<Peer> {
  let peer: Peer | null = null;
  for await (const piece of body) {
    receiver.push(piece as Buffer);
    if (peer === null && receiver.sender !== null) {
      assertMaySend(receiver.sender);
      peer = (await databases.greet(receiver.sender)).peer;
      if (peer.direction === 'push') throw directionRefusal('takes nothing from you');
    }
  }
  if (peer === null) throw new SqlsyncError('batch-damaged', 'the stream breaks off before it says who sent it');
  peer.bytesReceived += receiver.received;
  return peer;
}

/** Applies the stage; says now and then how far that is, and at last what this node has then, or what went wrong. */
function applyAndSay(
  service: DatabaseService,
  peer: Peer,
  stage: StreamStage,
  { limits, onBug }: RouteDependencies,
): Readable {
  const body = new PassThrough();
  const say = (line: PushLine) => body.write(`${JSON.stringify(line)}\n`);
  let rows = 0;
  const heartbeat = setInterval(() => say({ rows }), limits.heartbeatMs);
  const done = peer.begin();
  const onProgress = (applied: number) => {
    rows = applied;
  };
  service
    .apply(stage, onProgress)
    .then(async () => {
      peer.rowsReceived += stage.rows;
      peer.succeeded();
      say({ hello: await service.hello() });
    })
    .catch((error: unknown) => {
      noteFailure(peer, error, onBug);
      say({ error: answerOf(error) });
    })
    .finally(() => {
      clearInterval(heartbeat);
      done();
      body.end();
    });
  return body;
}
