/** Where a subscriber's events go: an event stream (https://html.spec.whatwg.org/#server-sent-events) or a WebSocket. */
import type { ServerResponse } from 'node:http';
import type { WebSocket } from 'ws';
import type { ErrorBody } from '../../errors.js';
import type { ChangeEvent } from '../../operations/change-follower.js';

export interface FeedSink {
  /** Resolves when the subscriber has room for more. */
  send(events: readonly ChangeEvent[]): Promise<void>;
  /** A sign of life. */
  beat(): void;
  /** Says why, and ends. */
  fail(error: ErrorBody): void;
  end(): void;
  /** Ends at once, without a word. */
  cut(): void;
  onGone(listener: () => void): void;
  readonly isGone: boolean;
}

export class EventStreamSink implements FeedSink {
  constructor(private readonly response: ServerResponse) {
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // Proxies that gather answers would keep events back.
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
  }

  send(events: readonly ChangeEvent[]): Promise<void> {
    const text = events.map((event) => `event: ${event.type}\nid: ${event.cursor}\ndata: ${JSON.stringify(event)}\n\n`);
    const { response } = this;
    if (response.write(text.join(''))) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        response.off('drain', done).off('close', done);
        resolve();
      };
      response.on('drain', done).on('close', done);
    });
  }

  beat(): void {
    this.response.write(': heartbeat\n\n');
  }

  fail(error: ErrorBody): void {
    this.response.end(`event: error\ndata: ${JSON.stringify({ error })}\n\n`);
  }

  end(): void {
    this.response.end();
  }

  cut(): void {
    this.response.destroy();
  }

  onGone(listener: () => void): void {
    this.response.once('close', listener);
  }

  get isGone(): boolean {
    return this.response.destroyed;
  }
}

const CLOSE_CODE = { goingAway: 1001, policy: 1008 } as const;

export class WebSocketSink implements FeedSink {
  constructor(private readonly socket: WebSocket) {}

  send(events: readonly ChangeEvent[]): Promise<void> {
    return new Promise((resolve) => {
      const last = events.length - 1;
      for (const [i, event] of events.entries())
        this.socket.send(JSON.stringify(event), { binary: false }, () => (i === last ? resolve() : undefined));
    });
  }

  beat(): void {
    this.socket.ping();
  }

  fail(error: ErrorBody): void {
    this.socket.send(JSON.stringify({ type: 'error', error }));
    this.socket.close(CLOSE_CODE.policy);
  }

  end(): void {
    this.socket.close(CLOSE_CODE.goingAway);
  }

  cut(): void {
    this.socket.terminate();
  }

  onGone(listener: () => void): void {
    this.socket.once('close', listener);
  }

  get isGone(): boolean {
    return this.socket.readyState > this.socket.OPEN;
  }
}
