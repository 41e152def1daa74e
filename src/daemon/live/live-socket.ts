/**
 * A WebSocket as the live protocol needs it: messages handled one after the other, in order, even where handling one
 * takes a while; writes that wait while the peer is slow; a heartbeat; and one end, with its reason.
 */
import type { RawData, WebSocket } from 'ws';
import type { Limits } from '../../config-limits.js';
import { SqlsyncError } from '../../errors.js';
import type { StreamSink } from '../stream/writable-sink.js';
import { LIVE_PIECE_BYTES } from './live-messages.js';

/** Bytes that may wait to be sent, and messages that may wait to be handled: beyond, the other side has to wait. */
const SEND_BUFFER_BYTES_MAX = 1024 * 1024;
const INBOX_BYTES_MAX = 4 * 1024 * 1024;
/** How long a peer may take to answer a close. */
const CLOSE_MS_MAX = 1_000;

/** WebSocket close codes (RFC 6455, section 7.4.1; 4000 and up are ours). */
export const CLOSE_CODE = { normal: 1000, goingAway: 1001, policy: 1008, duplicate: 4000 } as const;

export interface LiveSocketHandlers {
  onText(text: string): Promise<void> | void;
  onPiece(piece: Buffer): Promise<void> | void;
  /** What a handler threw. The socket is still open, to say why it will be closed. */
  onFailure(error: unknown): void;
  /** Called once. Null: closed in good order. */
  onClosed(error: SqlsyncError | null): void;
}

export class LiveSocket {
  private readonly heartbeat: NodeJS.Timeout;
  private inbox: Promise<void> = Promise.resolve();
  private inboxBytes = 0;
  private heardMs = performance.now();
  private isClosed = false;
  /** Why this side closes; what the peer says counts only when this side has no reason of its own. */
  private reason: SqlsyncError | null | undefined;

  constructor(
    private readonly socket: WebSocket,
    private readonly handlers: LiveSocketHandlers,
    private readonly limits: Pick<Limits, 'heartbeatMs' | 'idleTimeoutMs'>,
  ) {
    socket.on('message', (data, isBinary) => this.onMessage(data, isBinary));
    socket.on('pong', () => this.hear());
    socket.on('ping', () => this.hear());
    socket.on('error', (error) => this.fail(unreachable(error.message, error)));
    socket.on('close', (code) => this.onClose(code));
    this.heartbeat = setInterval(() => this.beat(), limits.heartbeatMs);
  }

  sendText(message: unknown): void {
    if (!this.isClosed) this.socket.send(JSON.stringify(message), { binary: false });
  }

  /** Where one stream's bytes go: gathered to pieces, so that a small stream is one message. Flush it at its end. */
  openSink(): StreamSink & { flush(): Promise<void> } {
    let gathered: Buffer[] = [];
    let bytes = 0;
    const flush = async () => {
      const whole = gathered.length === 1 ? (gathered[0] as Buffer) : Buffer.concat(gathered);
      gathered = [];
      bytes = 0;
      for (let at = 0; at < whole.length; at += LIVE_PIECE_BYTES) {
        await this.sendPiece(whole.subarray(at, at + LIVE_PIECE_BYTES));
      }
    };
    const write = async (piece: Buffer) => {
      gathered.push(piece);
      bytes += piece.length;
      if (bytes >= LIVE_PIECE_BYTES) await flush();
    };
    return { write, flush };
  }

  /** Closes in good order, or for a reason that the other side has been told or cannot be told. */
  close(code: number, reason: SqlsyncError | null): void {
    if (this.isClosed) return;
    this.reason ??= reason;
    this.socket.close(code);
    setTimeout(() => this.socket.terminate(), CLOSE_MS_MAX).unref();
  }

  private fail(error: SqlsyncError): void {
    this.reason ??= error;
    this.socket.terminate();
  }

  private onClose(code: number): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.heartbeat);
    const orderly = code === CLOSE_CODE.normal || code === CLOSE_CODE.goingAway || code === CLOSE_CODE.duplicate;
    const peers = orderly ? null : unreachable(`the connection broke off (${code})`);
    this.handlers.onClosed(this.reason === undefined ? peers : this.reason);
  }

  private hear(): void {
    this.heardMs = performance.now();
  }

  private beat(): void {
    this.socket.ping();
    // This process may have been busy: what has arrived meanwhile is heard before the peer is called silent.
    setImmediate(() => {
      const silentMs = performance.now() - this.heardMs;
      if (silentMs > this.limits.idleTimeoutMs && !this.isClosed) this.fail(silent(silentMs));
    });
  }

  private onMessage(data: RawData, isBinary: boolean): void {
    this.hear();
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer);
    this.inboxBytes += bytes.length;
    if (this.inboxBytes > INBOX_BYTES_MAX) this.socket.pause();
    this.inbox = this.inbox.then(() => this.handle(bytes, isBinary));
  }

  private async handle(bytes: Buffer, isBinary: boolean): Promise<void> {
    try {
      if (!this.isClosed)
        await (isBinary ? this.handlers.onPiece(bytes) : this.handlers.onText(bytes.toString('utf8')));
    } catch (error) {
      this.handlers.onFailure(error);
    }
    this.inboxBytes -= bytes.length;
    if (this.inboxBytes === 0 && this.socket.isPaused) this.socket.resume();
  }

  private sendPiece(piece: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const isFull = this.socket.bufferedAmount > SEND_BUFFER_BYTES_MAX;
      this.socket.send(piece, { binary: true }, (error) => {
        if (error != null) reject(unreachable(error.message, error));
        else resolve();
      });
      if (!isFull) resolve();
    });
  }
}

function unreachable(message: string, cause?: unknown): SqlsyncError {
  return new SqlsyncError('peer-unreachable', message, {
    hint: 'it is tried again by itself',
    ...(cause ? { cause } : {}),
  });
}

function silent(silentMs: number): SqlsyncError {
  return new SqlsyncError('peer-timeout', `nothing heard for ${Math.round(silentMs)} ms`, {
    hint: 'look at the peer and the network between; limits.idleTimeoutMs is how long it may be silent',
  });
}
