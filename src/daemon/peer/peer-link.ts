/**
 * One configured peer and one database: keeps a live connection, redialing with growing pauses, or exchanges by schedule,
 * or both: then the schedule is the live connection's safety net. A peer that is down is a state, told when it begins and
 * when it ends; the attempts between are not news.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Limits } from '../../config-limits.js';
import { SqlsyncError } from '../../errors.js';
import type { Answer, Question } from '../../replication/compare-messages.js';
import type { RuleAnswer, RuleQuestion } from '../../replication/rule-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import type { ServedDatabase } from '../database/served-databases.js';
import { dialLive } from '../live/dial-live.js';
import { LiveConnection } from '../live/live-connection.js';
import { Backoff } from '../timing/backoff.js';
import { type Scheduled, schedule } from '../timing/scheduler.js';
import { type ExchangeProgress, exchange } from './exchange.js';
import { HttpPeer } from './http-peer.js';
import type { PeerAddress } from './peer-address.js';
import { exchangePaused } from './peer-failure.js';
import { type PeerConnection, PeerRecord } from './peer-record.js';
import type { PeerTarget } from './peer-target.js';

export interface PeerLinkOptions {
  readonly served: ServedDatabase;
  readonly address: PeerAddress;
  readonly live: boolean;
  /** A cron expression; null: none. */
  readonly schedule: string | null;
  readonly limits: Limits;
  readonly onBug: (error: unknown) => void;
}

export class PeerLink implements PeerTarget {
  readonly peer: PeerRecord;
  private readonly client: HttpPeer;
  private readonly cron: Scheduled | null;
  private running: { readonly stop: AbortController; readonly done: Promise<void> } | null = null;
  private syncing: Promise<void> | null = null;

  constructor(private readonly options: PeerLinkOptions) {
    const { served, address } = options;
    this.peer = served.peers.of(address.name);
    this.client = new HttpPeer(address);
    this.cron = options.schedule === null ? null : schedule(options.schedule, () => this.onSchedule());
  }

  get service(): DatabaseService {
    return this.options.served.service;
  }

  start(): void {
    if (this.peer.isPaused) return;
    this.cron?.start();
    if (this.options.live && this.running === null) {
      const stop = new AbortController();
      this.running = { stop, done: this.keepLive(stop.signal).catch(this.options.onBug) };
    }
  }

  /** No exchange begins any more, and the live connection is closed. */
  async stop(): Promise<void> {
    this.cron?.stop();
    const { running } = this;
    this.running = null;
    running?.stop.abort();
    await running?.done;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.client.close();
  }

  ask(question: Question, signal: AbortSignal): Promise<Answer> {
    return this.client.ask(this.service.asker, question, signal);
  }

  askRules(question: RuleQuestion, signal: AbortSignal): Promise<RuleAnswer> {
    return this.client.askRules(this.service.name, question, signal);
  }

  /**
   * One exchange now, over whatever there is; at most one at a time. Throws what the peer's record then shows, and
   * `peer-paused`: what an operator has paused nobody's `sync` goes past.
   */
  exchange(onProgress?: (progress: ExchangeProgress) => void, signal?: AbortSignal): Promise<void> {
    this.syncing ??= this.syncNow(onProgress, signal).finally(() => {
      this.syncing = null;
    });
    return this.syncing;
  }

  private async syncNow(onProgress?: (progress: ExchangeProgress) => void, signal?: AbortSignal): Promise<void> {
    const { peer, client } = this;
    const { service } = this.options.served;
    if (peer.isPaused) throw exchangePaused(peer.name);
    const done = peer.begin();
    try {
      if (peer.connection !== null) await peer.connection.sync();
      else await exchange({ service, client, peer, ...(onProgress && { onProgress }), ...(signal && { signal }) });
      peer.succeeded();
    } catch (error) {
      if (error instanceof SqlsyncError) this.note(error);
      throw error;
    } finally {
      done();
    }
  }

  private note(error: SqlsyncError): void {
    // The two have spoken, and nothing is wrong between them.
    if (error.code === 'catching-up' || error.code === 'rules-changing') this.peer.succeeded();
    // Whoever gave up here says nothing of the peer.
    else if (error.code !== 'interrupted') this.peer.failed(error);
  }

  private onSchedule(): void {
    if (this.peer.isPaused) return;
    this.exchange().catch((error: unknown) => {
      // The record tells it; the next tick tries again.
      if (!(error instanceof SqlsyncError)) this.options.onBug(error);
    });
  }

  private async keepLive(signal: AbortSignal): Promise<void> {
    const { retryMsMin, retryMsMax } = this.options.limits;
    const backoff = new Backoff(retryMsMin, retryMsMax);
    while (!signal.aborted) {
      // The peer may have dialed this node: one connection is enough.
      const held = this.peer.connection;
      if (held !== null) await untilClosed(held, signal);
      else if (await this.connectOnce(signal)) backoff.reset();
      if (signal.aborted) return;
      await delay(backoff.nextMs(), undefined, { signal }).catch(() => {});
    }
  }

  /** Dials, and stays until the connection is over. Says whether it was a good one. */
  private async connectOnce(signal: AbortSignal): Promise<boolean> {
    try {
      const connection = await this.connect();
      const error = await untilClosed(connection, signal);
      if (error !== null && error !== undefined) this.peer.failed(error);
      // One that is refused again and again is tried less and less.
      return connection.isGreeted && (error == null || PeerRecord.isOffline(error));
    } catch (error) {
      if (!(error instanceof SqlsyncError)) throw error;
      this.peer.failed(error);
      return false;
    }
  }

  private async connect(): Promise<LiveConnection> {
    const { served, address, limits, onBug } = this.options;
    const ends = { database: served.service, peer: this.peer };
    const socket = await dialLive(address);
    const findEnds = ({ node }: { readonly node: string }) => {
      if (node === address.name) return ends;
      throw new SqlsyncError('config-invalid', `the node at ${address.url} is ${node}, not ${address.name}`, {
        hint: `call it ${node} among the peers in sqlsync.yml, or mend its url`,
      });
    };
    return new LiveConnection({ socket, dialed: ends, findEnds, limits, onBug });
  }
}

/** How the connection ended; when the signal aborts, it is closed first. */
async function untilClosed(connection: PeerConnection, signal: AbortSignal): Promise<SqlsyncError | null> {
  const close = () => connection.close();
  signal.addEventListener('abort', close, { once: true });
  if (signal.aborted) close();
  const error = await connection.closed;
  signal.removeEventListener('abort', close);
  return error;
}
