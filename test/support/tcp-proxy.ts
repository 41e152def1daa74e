/** A network that a test can spoil: a TCP proxy on loopback that cuts connections, slows them down or refuses them. */
import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';

/** What becomes of the bytes that one side of each connection sends. */
export interface ProxyFault {
  /** Whose bytes; default: the server's behind the proxy. */
  readonly of?: 'server' | 'client';
  /** Cuts the connection after so many bytes. */
  readonly cutAfterBytes?: number;
  /** After the first `afterBytes` lets one byte through every TRICKLE_MS. */
  readonly trickleAfterBytes?: number;
}

const TRICKLE_MS = 50;

export class TcpProxy {
  fault: ProxyFault = {};
  /** Connections that a fault has met. */
  faults = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly targetPort: number,
  ) {
    server.on('connection', (client) => this.connect(client));
  }

  static async to(targetPort: number): Promise<TcpProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, targetPort);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  /** Ends every connection there is, as a network does that goes away. */
  cutAll(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cutAll();
    this.server.close();
    await once(this.server, 'close');
  }

  private connect(client: Socket): void {
    const server = createConnection(this.targetPort, '127.0.0.1');
    this.join(client, server, 'client');
    this.join(server, client, 'server');
  }

  /** Passes on what `from` sends. */
  private join(from: Socket, to: Socket, side: 'server' | 'client'): void {
    this.sockets.add(from);
    from.on('error', () => {});
    from.on('end', () => to.end());
    from.on('close', () => {
      this.sockets.delete(from);
      to.destroy();
    });
    let passed = 0;
    from.on('data', (piece: Buffer) => {
      const { of = 'server', cutAfterBytes = Infinity, trickleAfterBytes = Infinity } = this.fault;
      const limit = of === side ? Math.min(cutAfterBytes, trickleAfterBytes) : Infinity;
      const free = piece.subarray(0, Math.max(0, limit - passed));
      passed += piece.length;
      to.write(free);
      if (free.length === piece.length) return;
      this.faults += 1;
      if (cutAfterBytes < Infinity) to.end(() => to.destroy());
      else trickle(from, to, piece.subarray(free.length));
    });
  }
}

function trickle(from: Socket, to: Socket, bytes: Buffer): void {
  from.pause();
  let at = 0;
  const timer = setInterval(() => {
    to.write(bytes.subarray(at, at + 1));
    at += 1;
    if (at < bytes.length && !to.destroyed) return;
    clearInterval(timer);
    from.resume();
  }, TRICKLE_MS);
}
