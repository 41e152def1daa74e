/**
 * A peer's HTTP routes as its client sees them. Each call is one request with time-outs; it throws the registry's
 * peer-unreachable, peer-timeout, peer-wrong-secret, peer-failed, or what the peer says of the exchange. A stream that
 * breaks off has changed nothing on the side that was to take it.
 */
import type { Readable } from 'node:stream';
import { Agent, type buildConnector, type Dispatcher } from 'undici';
import { SqlsyncError } from '../../errors.js';
import { ANSWER_BYTES_MAX, type Answer, type Question } from '../../replication/compare-messages.js';
import type { RuleAnswer, RuleQuestion } from '../../replication/rule-messages.js';
import type { Hello } from '../../replication/wire-messages.js';
import { type Asker, COMPARE_PATH, parseAnswer } from '../compare/compare-request.js';
import { parseRuleAnswer, RULES_PATH } from '../rules/rule-request-body.js';
import { cutBody, type LockedCut } from '../stream/send-stream.js';
import type { SnapshotRequest } from '../stream/snapshot-request.js';
import { ENROL_PATH, type EnrolAnswer, type EnrolRequest, enrolAnswerSchema } from './enrolment.js';
import { errorAnswerSchema, errorFromPeer } from './error-answer.js';
import { type Greeting, parseGreeting } from './greeting.js';
import type { PeerAddress } from './peer-address.js';
import { peerFailure } from './peer-failure.js';
import { connectPinned, pinnedPeer } from './pinned-connection.js';
import { parsePushLine } from './push-answer.js';

export const STREAM_TYPE = 'application/x-sqlsync-stream';
/** Names the database that a push is for, before its stream does. */
export const DATABASE_HEADER = 'sqlsync-database';

export interface PushResult {
  /** What the peer has after the push. */
  readonly hello: Hello;
  readonly rows: number;
  readonly bytes: number;
}

export class HttpPeer {
  private readonly agent: Agent;

  constructor(private readonly address: PeerAddress) {
    const { limits } = address;
    this.agent = new Agent({
      connect: connectorTo(address),
      headersTimeout: limits.idleTimeoutMs,
      bodyTimeout: limits.idleTimeoutMs,
    });
  }

  /** Tells the peer what this node is and has, and hears the same of it. */
  greet(mine: Hello, signal?: AbortSignal): Promise<Greeting> {
    return this.attempt(async () => {
      const body = await this.post('/v1/hello', { json: mine, ...(signal && { signal }) });
      return parseGreeting(await readJson(body, this.address.limits.requestBytesMax));
    });
  }

  /** The stream of all that this node lacks, in pieces. */
  async *pull(mine: Hello, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    yield* this.stream('/v1/pull', { json: mine, ...(signal && { signal }) });
  }

  /** A snapshot for a node that joins, in pieces. */
  async *snapshot(request: SnapshotRequest, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    yield* this.stream('/v1/snapshot', { json: request, ...(signal && { signal }) });
  }

  /** Shows an invitation, and makes the key known by which this node goes from then on. */
  enrol(request: EnrolRequest, signal?: AbortSignal): Promise<EnrolAnswer> {
    return this.attempt(async () => {
      const body = await this.post(ENROL_PATH, { json: request, ...(signal && { signal }) });
      const answer = enrolAnswerSchema.safeParse(await readJson(body, this.address.limits.requestBytesMax));
      if (answer.success) return answer.data;
      throw new SqlsyncError('peer-failed', `${this.address.url} answers an enrolment with something else`);
    });
  }

  /** Asks the peer about its rows. */
  ask(asker: Asker, question: Question, signal?: AbortSignal): Promise<Answer> {
    return this.attempt(async () => {
      const body = await this.post(COMPARE_PATH, { json: { ...asker, question }, ...(signal && { signal }) });
      return parseAnswer(await readJson(body, ANSWER_BYTES_MAX));
    });
  }

  /** Has the peer take part in a change of the rules. */
  askRules(database: string, question: RuleQuestion, signal?: AbortSignal): Promise<RuleAnswer> {
    return this.attempt(async () => {
      const body = await this.post(RULES_PATH, { json: { database, question }, ...(signal && { signal }) });
      return parseRuleAnswer(await readJson(body, this.address.limits.requestBytesMax));
    });
  }

  /** Sends a cut, and waits until the peer has applied it. `onProgress` hears of bytes sent, then of rows applied. */
  push(cut: LockedCut, hello: Hello, options: PushOptions = {}): Promise<PushResult> {
    return this.attempt(async () => {
      const { idleTimeoutMs } = this.address.limits;
      const { body, sent } = cutBody(cut, { hello, idleTimeoutMs, ...options });
      // When the peer refuses in mid-stream its answer says why; that the sending broke off says nothing more.
      sent.catch(() => {});
      const answer = await this.post('/v1/push', {
        database: hello.database,
        stream: body,
        ...(options.signal && { signal: options.signal }),
      });
      const applied = await this.readPushAnswer(answer, options.onApplied);
      const { end, bytes } = await sent;
      return { hello: applied, rows: end.rows, bytes };
    });
  }

  close(): Promise<void> {
    return this.agent.destroy();
  }

  private async *stream(path: string, body: RequestBody): AsyncGenerator<Buffer, void, undefined> {
    try {
      for await (const piece of await this.post(path, body)) yield piece as Buffer;
    } catch (error) {
      throw this.failure(error);
    }
  }

  private async attempt<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw this.failure(error);
    }
  }

  private failure(error: unknown): unknown {
    return peerFailure(error, this.address.name, this.address.url);
  }

  /** The body of a successful answer. */
  private async post(path: string, body: RequestBody): Promise<Readable> {
    const { proofs } = this.address;
    let response = await this.request(path, body);
    // A stream is spent: what comes before it has brought the challenge of now.
    if (response.statusCode !== 200 && proofs.learn(response.headers) && 'json' in body) {
      await response.body.dump();
      response = await this.request(path, body);
    }
    if (response.statusCode === 200) return response.body;
    throw await this.refusal(response);
  }

  private async request(path: string, body: RequestBody): Promise<Dispatcher.ResponseData> {
    const url = new URL(this.address.url + path);
    const isJson = 'json' in body;
    const options: Dispatcher.RequestOptions = {
      origin: url.origin,
      path: url.pathname,
      method: 'POST',
      headers: {
        ...(await this.address.proofs.headers()),
        ...(isJson
          ? { 'content-type': 'application/json' }
          : { 'content-type': STREAM_TYPE, [DATABASE_HEADER]: body.database }),
      },
      body: isJson ? JSON.stringify(body.json) : body.stream,
      ...(body.signal && { signal: body.signal }),
    };
    return this.agent.request(options);
  }

  private async refusal({ statusCode, body }: Dispatcher.ResponseData): Promise<SqlsyncError> {
    const { name, url, limits } = this.address;
    const parsed = errorAnswerSchema.safeParse(await readJson(body, limits.requestBytesMax));
    if (parsed.success) return errorFromPeer(name, parsed.data.error);
    return new SqlsyncError('peer-failed', `${url} answers with HTTP status ${statusCode} and no word of sqlsync`, {
      hint: 'look whether the URL leads to a sqlsync daemon',
    });
  }

  private async readPushAnswer(body: Readable, onApplied: (rows: number) => void = () => {}): Promise<Hello> {
    let rest = '';
    for await (const piece of body.setEncoding('utf8')) {
      const lines = (rest + piece).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const said = parsePushLine(line);
        if (said === null)
          throw new SqlsyncError('peer-failed', `${this.address.name} answers a push with something else`);
        if ('hello' in said) return said.hello;
        if ('error' in said) throw errorFromPeer(this.address.name, said.error);
        onApplied(said.rows);
      }
      if (rest.length > this.address.limits.requestBytesMax) break;
    }
    throw new SqlsyncError('peer-failed', `${this.address.name} broke off before it said whether the push is in`, {
      hint: 'it is sent again; what is in already is known again',
    });
  }
}

function connectorTo({
  url,
  limits,
  tls,
  fingerprints,
}: PeerAddress): buildConnector.BuildOptions | buildConnector.connector {
  const { connectTimeoutMs: timeoutMs } = limits;
  if (fingerprints === null) return { timeout: timeoutMs, ...tls };
  const peer = pinnedPeer(new URL(url), { tls, fingerprints, timeoutMs });
  return (_options, done) => {
    connectPinned(peer).then(
      (socket) => done(null, socket),
      (error: Error) => done(error, null),
    );
  };
}

export interface PushOptions {
  readonly onProgress?: (sent: { readonly bytes: number }) => void;
  /** Rows that the peer has applied so far. */
  readonly onApplied?: (rows: number) => void;
  readonly signal?: AbortSignal;
}

type RequestBody = ({ readonly json: unknown } | { readonly database: string; readonly stream: Readable }) & {
  readonly signal?: AbortSignal;
};

/** The JSON of a short body; undefined when it is none, or not short. */
export async function readJson(body: Readable, bytesMax: number): Promise<unknown> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += (piece as Buffer).length;
    if (bytes > bytesMax) return undefined;
    pieces.push(piece as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'));
  } catch {
    return undefined;
  }
}
