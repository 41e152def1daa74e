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
  /** Once the client has sent this text, what the server says is kept back for as long as the connection lasts. */
  readonly keepBackAfter?: string;
}

const TRICKLE_MS = 50;

export class TcpProxy {
  fault: ProxyFault = {};
  /** Connections that a fault has met. */
  faults = 0;
  /** What clients have said, connection for connection, byte for byte. */
  readonly recorded: Buffer[][] = [];
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
    const keepsBack = { now: false };
    const recording: Buffer[] = [];
    this.recorded.push(recording);
    client.on('data', (piece) => recording.push(piece));
    this.join(client, server, 'client', keepsBack);
    this.join(server, client, 'server', keepsBack);
  }

  /** Passes on what `from` sends. */
  private join(from: Socket, to: Socket, side: 'server' | 'client', keepsBack: { now: boolean }): void {
    this.sockets.add(from);
    from.on('error', () => {});
    from.on('end', () => to.end());
    from.on('close', () => {
      this.sockets.delete(from);
      to.destroy();
    });
    let passed = 0;
    from.on('data', (piece: Buffer) => {
      const { of = 'server', cutAfterBytes = Infinity, trickleAfterBytes = Infinity, keepBackAfter } = this.fault;
      if (side === 'client' && keepBackAfter !== undefined && piece.includes(keepBackAfter)) {
        keepsBack.now = true;
        this.faults += 1;
      }
      if (side === 'server' && keepsBack.now) return;
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
