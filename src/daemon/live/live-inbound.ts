/**
 * What one side of a live connection takes: a stream's pieces become a stage, the stage is applied, and the peer is told.
 * States and events: INBOUND in live-states.ts.
 */
import { SqlsyncError } from '../../errors.js';
import type { EndMarker, Hello } from '../../replication/wire-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import { directionRefusal } from '../peer/greeting.js';
import type { PeerRecord } from '../peer/peer-record.js';
import type { StreamReceiver } from '../stream/stage-store.js';
import { INBOUND, type InboundAct, type InboundEvent, type InboundState, take } from './live-states.js';

export interface LiveInboundOptions {
  readonly database: DatabaseService;
  readonly peer: PeerRecord;
  /** Throws where a stream comes from another than the connection's peer. */
  readonly assertSamePeer: (sender: Hello) => void;
  /** The peer has sent a stream and described itself by it. */
  readonly onPeerHello: (hello: Hello) => void;
  /** The stream is in: say so. */
  readonly onApplied: () => Promise<void>;
  /** A failure of what nobody awaits: it ends the connection. */
  readonly onFailure: (error: unknown) => void;
}

export class LiveInbound {
  private state: InboundState = 'idle';
  private receiver: StreamReceiver | null = null;

  constructor(private readonly options: LiveInboundOptions) {}

  /** Takes a piece. The next may come when this resolves. */
  async takePiece(piece: Buffer): Promise<void> {
    const isFirst = this.receiver === null || this.receiver.sender === null;
    this.on('piece', piece);
    const sender = this.receiver?.sender;
    // Its schema, its rules or its clock may have changed since the connection was made.
    if (isFirst && sender != null) {
      this.options.assertSamePeer(sender);
      await this.options.database.greetings.sender(sender);
      this.options.peer.heard(sender, Date.now());
    }
    if (this.receiver?.isWhole === true) this.on('whole');
  }

  close(): void {
    this.on('close');
  }

  private on(event: InboundEvent, piece?: Buffer): void {
    const act = take(INBOUND[this.state][event], (state) => {
      this.state = state;
    });
    this.acts[act](piece);
  }

  private readonly acts: Record<InboundAct, (piece?: Buffer) => void> = {
    nothing: () => {},
    take: (piece) => this.push(piece as Buffer),
    apply: () => this.run(this.apply()),
    acknowledge: () => this.run(this.options.onApplied()),
    discard: () => this.receiver?.discard(),
  };

  private push(piece: Buffer): void {
    const { database, peer } = this.options;
    if (peer.direction === 'push') throw directionRefusal('takes nothing from you');
    this.receiver ??= database.receive();
    this.receiver.push(piece);
    peer.bytesReceived += piece.length;
  }

  private async apply(): Promise<void> {
    const { database, peer } = this.options;
    const receiver = this.receiver as StreamReceiver;
    this.receiver = null;
    const done = peer.begin();
    try {
      const stage = await receiver.finish();
      // What the peer has, it has, whether or not it goes in here: it is not to be shipped back.
      this.options.onPeerHello(helloAfter(stage.sender, stage.end));
      await database.apply(stage);
      peer.rowsReceived += stage.rows;
    } catch (error) {
      if (!isDropped(error)) throw error;
      // Overtaken while it waited, or by a change of the rules: the ack says what this node has now, and the peer ships what
      // it still lacks.
    } finally {
      done();
    }
    this.on('applied');
  }

  private run(work: Promise<void>): void {
    work.catch(this.options.onFailure);
  }
}

function isDropped(error: unknown): boolean {
  return error instanceof SqlsyncError && ['batch-outdated', 'rules-changing'].includes(error.code);
}

/** The peer after it has sent a stream: what it said of itself at the end of it. */
export function helloAfter(sender: Hello, end: EndMarker): Hello {
  const { clockMs, vector, folded, horizon, dropped, hold, session, acknowledged } = end;
  return { ...sender, clockMs, vector, folded, horizon, dropped, hold, session, acknowledged };
}
