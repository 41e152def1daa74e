/**
 * What one side of a live connection ships: whenever there may be news, looks whether the peer lacks something, and
 * sends it as a stream. States and events: OUTBOUND in live-states.ts.
 */
import type { Surplus } from '../../replication/replica.js';
import type { Hello } from '../../replication/wire-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import type { PeerRecord } from '../peer/peer-record.js';
import { sendCut } from '../stream/send-stream.js';
import type { LiveSocket } from './live-socket.js';
import { OUTBOUND, type OutboundAct, type OutboundEvent, type OutboundState, take } from './live-states.js';

/** What has no rows in it waits so long for some that it can travel with. */
const VECTOR_AFTER_MS = 1_000;

export interface LiveOutboundOptions {
  readonly database: DatabaseService;
  readonly peer: PeerRecord;
  readonly socket: LiveSocket;
  /** Do both sides' directions let this one ship? */
  readonly mayShip: boolean;
  /** The peer as it last described itself. */
  readonly peerHello: () => Hello;
  /** A failure of what nobody awaits: it ends the connection. */
  readonly onFailure: (error: unknown) => void;
}

export class LiveOutbound {
  private state: OutboundState = 'idle';
  private vectorTimer: NodeJS.Timeout | null = null;
  private quietWaiters: (() => void)[] = [];

  constructor(private readonly options: LiveOutboundOptions) {}

  on(event: OutboundEvent): void {
    const act = take(OUTBOUND[this.state][event], (state) => {
      this.state = state;
    });
    this.acts[act]();
  }

  /** Resolves when the peer lacks nothing that this side would ship. */
  quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.quietWaiters.push(resolve);
      this.on('news');
    });
  }

  private readonly acts: Record<OutboundAct, () => void> = {
    nothing: () => {},
    stop: () => this.stop(),
    look: () => this.look(),
    send: () => this.run(this.send()),
  };

  /** Ships if the peer lacks something; else whoever waits for quiet has it. */
  private look(): void {
    const surplus = this.surplus();
    if (surplus === 'rows' || (surplus === 'vector' && this.quietWaiters.length > 0)) {
      this.on('ship');
      return;
    }
    if (surplus === 'vector') this.lookSoon();
    const { peer, peerHello } = this.options;
    if (peerHello().catchingUp === null) peer.took();
    for (const resolve of this.quietWaiters.splice(0)) resolve();
  }

  private surplus(): Surplus {
    const { mayShip, database, peerHello } = this.options;
    return mayShip ? database.surplusOver(peerHello()) : 'nothing';
  }

  /** Entries of the vector alone are no one's data, but the horizon waits for them. */
  private lookSoon(): void {
    this.vectorTimer ??= setTimeout(() => {
      this.vectorTimer = null;
      if (this.state === 'idle' && this.surplus() !== 'nothing') this.on('ship');
    }, VECTOR_AFTER_MS);
  }

  private async send(): Promise<void> {
    const { database, peer, socket, peerHello } = this.options;
    const done = peer.begin();
    try {
      // In steps, so that the cut, which folds what is left in one go, finds little.
      await database.fold();
      const hello = await database.hello();
      const sink = socket.openSink();
      const { end, bytes } = await sendCut(database.openCut(peerHello()), sink, { hello });
      await sink.flush();
      peer.rowsSent += end.rows;
      peer.bytesSent += bytes;
    } finally {
      done();
    }
    this.on('shipped');
  }

  private stop(): void {
    if (this.vectorTimer !== null) clearTimeout(this.vectorTimer);
    this.vectorTimer = null;
  }

  private run(work: Promise<void>): void {
    work.catch(this.options.onFailure);
  }
}
