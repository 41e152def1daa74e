/**
 * One database, one peer, one WebSocket: each side ships what the other lacks as soon as it has it. Both sides run the
 * same code, except that the dialer says hello first, since it knows which database is meant. Messages: live-messages.ts;
 * what may follow what: live-states.ts.
 *
 * Whatever goes wrong ends the connection: the peer is told why, nothing of a stream under way stays, and whoever dials
 * tries again later.
 */
import type { WebSocket } from 'ws';
import type { Limits } from '../../config-limits.js';
import { SqlsyncError } from '../../errors.js';
import type { Answer, Question } from '../../replication/compare-messages.js';
import type { RuleAnswer, RuleQuestion } from '../../replication/rule-messages.js';
import type { Hello } from '../../replication/wire-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import { assertStillGood } from '../database/revocation.js';
import { assertNotCatchingUp } from '../peer/catching-up.js';
import { answerOf, errorFromPeer } from '../peer/error-answer.js';
import { greetingFor } from '../peer/greeting.js';
import type { PeerConnection, PeerRecord } from '../peer/peer-record.js';
import { LiveInbound } from './live-inbound.js';
import { type LiveMessage, parseLiveMessage } from './live-messages.js';
import { LiveOutbound } from './live-outbound.js';
import { LiveQuestions } from './live-questions.js';
import { LiveRules } from './live-rules.js';
import { CLOSE_CODE, LiveSocket } from './live-socket.js';
import { CONVERSATION, type ConversationAct, type ConversationState, take } from './live-states.js';

/** Between whom: known when the peer's hello has been read. */
export interface LiveEnds {
  readonly database: DatabaseService;
  readonly peer: PeerRecord;
}

export interface LiveConnectionOptions {
  readonly socket: WebSocket;
  /** The dialer's ends; the listener has none before the peer's hello. */
  readonly dialed?: LiveEnds;
  /** Finds or checks the ends by the peer's hello. Throws to refuse: database-unknown, peer-refused, config-invalid. */
  readonly findEnds: (peer: Hello) => LiveEnds;
  readonly limits: Pick<Limits, 'heartbeatMs' | 'idleTimeoutMs' | 'helloMs'>;
  readonly onBug: (error: unknown) => void;
}

interface Exchange extends LiveEnds {
  readonly outbound: LiveOutbound;
  readonly inbound: LiveInbound;
  readonly rules: LiveRules;
  readonly stopListening: () => void;
}

type Busy = NonNullable<Hello['catchingUp']> | 'rules';

function busyWith(catchingUp: Hello['catchingUp'], ruleChange: string | null): Busy | null {
  return catchingUp ?? (ruleChange === null ? null : 'rules');
}

export class LiveConnection implements PeerConnection {
  readonly isDialed: boolean;
  /** Resolves when the connection is over: with null in good order, else with why. */
  readonly closed: Promise<SqlsyncError | null>;
  private readonly socket: LiveSocket;
  private state: ConversationState = 'greeting';
  /** Null until both hellos have been accepted. */
  private exchange: Exchange | null = null;
  /** The peer as it last described itself. */
  private peerHello: Hello | null = null;
  /** What this side has last said that keeps the peer from shipping; null: nothing does. */
  private saidBusy: Busy | null = null;
  private readonly requests = new Map<number, () => void>();
  private requestNumber = 0;
  /** Members count each other as silent when they have not heard for long: quiet is not silent. */
  private readonly reminder: NodeJS.Timeout;
  private readonly questions = new LiveQuestions({
    send: (message) => this.socket.sendText(message),
    onFailure: (error) => this.fail(error),
  });

  constructor(private readonly options: LiveConnectionOptions) {
    const { dialed, limits } = options;
    this.isDialed = dialed !== undefined;
    let resolveClosed: (error: SqlsyncError | null) => void;
    this.closed = new Promise((resolve) => {
      resolveClosed = resolve;
    });
    const handlers = {
      onText: (text: string) => this.onMessage(parseLiveMessage(text)),
      onPiece: (piece: Buffer) => this.onPiece(piece),
      onFailure: (error: unknown) => this.fail(error),
      onClosed: (error: SqlsyncError | null) => {
        this.enterClosed();
        this.exchange?.peer.release(this, error);
        resolveClosed(error);
      },
    };
    this.socket = new LiveSocket(options.socket, handlers, limits);
    this.reminder = setInterval(() => this.remind(), limits.helloMs).unref();
    if (dialed !== undefined) this.run(this.sayHello(dialed));
  }

  /** Have both hellos been accepted? */
  get isGreeted(): boolean {
    return this.exchange !== null;
  }

  /** Both sides then have what the other had when this was called. Rejects when the connection ends before. */
  async sync(): Promise<void> {
    const { database, outbound } = this.greeted();
    await database.fold();
    const number = this.requestNumber++;
    const replied = new Promise<void>((resolve) => this.requests.set(number, resolve));
    this.say({ type: 'request', number, verb: 'sync', hello: await database.hello() });
    await this.unlessClosed(replied);
    await this.unlessClosed(outbound.quiet());
    assertNotCatchingUp(database.replica, this.peerHello as Hello);
    database.rules.assertSettled(this.peerHello as Hello);
  }

  async ask(question: Question): Promise<Answer> {
    const { peer } = this.greeted();
    return this.unlessClosed(this.questions.ask(peer.name, question));
  }

  async askRules(question: RuleQuestion): Promise<RuleAnswer> {
    const { peer } = this.greeted();
    return this.unlessClosed(this.questions.askRules(peer.name, question));
  }

  /** Ends it in good order: the daemon stops, or the peer is paused or no longer configured. */
  close(): void {
    this.shut(CLOSE_CODE.goingAway, null);
  }

  closeAsDuplicate(): void {
    this.shut(CLOSE_CODE.duplicate, null);
  }

  private async onPiece(piece: Buffer): Promise<void> {
    if (this.stepBy('piece') === 'take-piece') await this.greeted().inbound.takePiece(piece);
  }

  private async onMessage(message: LiveMessage): Promise<void> {
    const act = this.stepBy(message.type);
    if (act === 'ignore') return;
    if (message.type === 'question') return this.onQuestion(message);
    if (message.type === 'answer') return this.questions.settle(message);
    if (message.type === 'refused') throw this.refusalBy(message.error);
    if (act === 'greet' && message.type === 'hello') return this.greet(message);
    const { database, peer, outbound, rules } = this.greeted();
    this.assertSamePeer(message.hello);
    this.peerHello = message.hello;
    peer.heard(message.hello, Date.now());
    database.acknowledge(message.hello);
    await database.rules.learnFrom(message.hello);
    database.rules.judge(message.hello);
    outbound.on(act === 'acked' ? 'ack' : 'news');
    rules.onNews();
    if (message.type === 'request') this.run(this.answerSync(message.number));
    if (message.type === 'reply') this.settleRequest(message.number);
  }

  /** Whoever has been greeted goes on as the same: what it says counts in its name. */
  private assertSamePeer({ node, nodeId, database, dataset }: Hello): void {
    const known = this.peerHello;
    const isSame =
      known?.node === node && known.nodeId === nodeId && known.database === database && known.dataset === dataset;
    if (!isSame) throw new SqlsyncError('batch-damaged', `${known?.node} goes on as ${node}, or about something else`);
  }

  private async onQuestion(message: LiveMessage & { readonly type: 'question' }): Promise<void> {
    const { database } = this.greeted();
    if (message.question.kind === 'rules') this.assertSamePeer(message.question.hello);
    return this.questions.take(database, message);
  }

  private refusalBy(error: Parameters<typeof errorFromPeer>[1]): SqlsyncError {
    const refusal = errorFromPeer(this.peerHello?.node ?? 'the peer', error);
    this.exchange?.peer.refused(refusal);
    return refusal;
  }

  private stepBy(event: LiveMessage['type'] | 'piece'): ConversationAct {
    return take(CONVERSATION[this.state][event], (state) => {
      this.state = state;
    });
  }

  private remind(): void {
    if (this.exchange !== null && !this.isClosed) this.run(this.sayHello(this.exchange));
  }

  private async sayHello({ database, peer }: LiveEnds): Promise<void> {
    this.sendHello(await database.hello(), { database, peer });
  }

  private async greet(message: LiveMessage & { readonly type: 'hello' }): Promise<void> {
    const { hello } = message;
    const { database, peer } = this.options.findEnds(hello);
    await this.judge(hello, { database, peer });
    const own = await database.hello();
    // It may have been closed while this waited for the file: then nobody must find it in the peer's record.
    if (this.isClosed) return;
    peer.heard(hello, Date.now());
    this.peerHello = hello;
    if (!this.isDialed) this.sendHello(own, { database, peer });
    const onFailure = (error: unknown) => this.fail(error);
    const mayShip = peer.direction !== 'pull' && message.takes;
    const peerHello = () => this.peerHello as Hello;
    const outbound = new LiveOutbound({ database, peer, socket: this.socket, mayShip, peerHello, onFailure });
    const onPeerHello = (after: Hello) => {
      this.peerHello = after;
    };
    const assertSamePeer = (sender: Hello) => this.assertSamePeer(sender);
    const inbound = new LiveInbound({
      database,
      peer,
      assertSamePeer,
      onPeerHello,
      onApplied: () => this.acknowledge(),
      onFailure,
    });
    const ask = (question: RuleQuestion) => this.askRules(question);
    const rules = new LiveRules({ database, peerHello, ask, onFailure });
    const stopListening = database.onAdvanced(() => this.onAdvanced());
    this.exchange = { database, peer, outbound, inbound, rules, stopListening };
    if (!peer.adopt(this, { here: own.nodeId, there: hello.nodeId })) return;
    database.acknowledge(hello);
    outbound.on('news');
    rules.onGreeted();
  }

  private async judge(hello: Hello, { database, peer }: LiveEnds): Promise<void> {
    try {
      await database.greetings.live(hello);
    } catch (error) {
      // Whoever has dialed notes what came of it.
      if (!this.isDialed && error instanceof SqlsyncError) peer.turnedAway(error);
      throw error;
    }
  }

  private onAdvanced(): void {
    const { database, peer, outbound, rules } = this.greeted();
    // Whoever is revoked is told so at once.
    this.run(assertStillGood(database, peer.name));
    outbound.on('news');
    rules.onNews();
    // A peer ships nothing to a node that is catching up, or while the rules change: it must hear when that is over, and
    // when it is to ship again.
    const busy = busyWith(database.replica.catchUpPhase, database.replica.rules.underWay);
    if (this.saidBusy === null || this.saidBusy === busy) return;
    this.saidBusy = busy;
    this.run(this.sayHello({ database, peer }));
  }

  private sendHello(hello: Hello, { database, peer }: LiveEnds): void {
    this.say({ type: 'hello', ...greetingFor(peer, hello, database.passage(peer.name)) });
  }

  private say(message: Extract<LiveMessage, { readonly hello: Hello }>): void {
    this.saidBusy = busyWith(message.hello.catchingUp, message.hello.ruleChange);
    this.socket.sendText(message);
  }

  private async acknowledge(): Promise<void> {
    const { database, outbound } = this.greeted();
    this.say({ type: 'ack', hello: await database.hello() });
    outbound.on('news');
  }

  private async answerSync(number: number): Promise<void> {
    const { database, outbound } = this.greeted();
    await database.fold();
    await outbound.quiet();
    this.say({ type: 'reply', number, hello: await database.hello() });
  }

  private settleRequest(number: number): void {
    const resolve = this.requests.get(number);
    if (resolve === undefined)
      throw new SqlsyncError('batch-damaged', `a reply to request ${number}, which was not made`);
    this.requests.delete(number);
    resolve();
  }

  /** Runs what nobody awaits: its failure ends the connection. */
  private run(work: Promise<void>): void {
    work.catch((error: unknown) => this.fail(error));
  }

  private fail(error: unknown): void {
    if (this.isClosed) return;
    const isBug = !(error instanceof SqlsyncError);
    this.socket.sendText({ type: 'refused', error: answerOf(error) });
    this.shut(CLOSE_CODE.policy, isBug ? new SqlsyncError('bug', String(error), { cause: error }) : error);
    if (isBug) this.options.onBug(error);
  }

  private shut(code: number, reason: SqlsyncError | null): void {
    this.enterClosed();
    this.socket.close(code, reason);
  }

  private enterClosed(): void {
    this.state = 'closed';
    clearInterval(this.reminder);
    this.exchange?.stopListening();
    this.exchange?.outbound.on('close');
    this.exchange?.inbound.close();
    this.exchange?.rules.close();
  }

  private get isClosed(): boolean {
    return this.state === 'closed';
  }

  private greeted(): Exchange {
    if (this.exchange === null) throw new SqlsyncError('interrupted', 'the connection has ended before the greeting');
    return this.exchange;
  }

  private async unlessClosed<Result>(work: Promise<Result>): Promise<Result> {
    const over = this.closed.then((error): never => {
      throw error ?? new SqlsyncError('interrupted', 'the connection was closed');
    });
    return Promise.race([work, over]);
  }
}
