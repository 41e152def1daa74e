/**
 * Connections of which nobody has proved anything yet: only so many may wait, and the one that has waited longest goes
 * when another comes. So whoever opens connections and says nothing, or says it slowly, keeps nobody else out: a peer
 * proves who it is with the first thing it sends.
 */
import type { Server, Socket } from 'node:net';

/** The part of all connections that may be such. */
const UNPROVEN_PART = 0.5;

/** Where a connection comes from: the same for a TLS socket and the one under it. */
type End = Pick<Socket, 'remoteAddress' | 'remotePort'>;

export class ConnectionGuard {
  /** In the order in which they came. */
  private readonly unproven = new Map<string, Socket>();
  private readonly unprovenMax: number;

  constructor(server: Server, connectionsMax: number) {
    this.unprovenMax = Math.max(1, Math.floor(connectionsMax * UNPROVEN_PART));
    server.on('connection', (socket: Socket) => this.take(socket));
  }

  /** Whoever uses this connection has proved who it is. */
  proved(end: End): void {
    this.unproven.delete(nameOf(end));
  }

  private take(socket: Socket): void {
    const name = nameOf(socket);
    this.unproven.set(name, socket);
    socket.once('close', () => {
      if (this.unproven.get(name) === socket) this.unproven.delete(name);
    });
    if (this.unproven.size <= this.unprovenMax) return;
    const [oldest] = this.unproven;
    if (oldest === undefined) return;
    this.unproven.delete(oldest[0]);
    oldest[1].destroy();
  }
}

function nameOf({ remoteAddress, remotePort }: End): string {
  return `${remoteAddress} ${remotePort}`;
}
