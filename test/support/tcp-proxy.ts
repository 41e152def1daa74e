/** A network that a test can spoil: a TCP proxy on loopback that cuts connections, slows them down or refuses them. */
import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';

/** What becomes of the bytes that the server behind the proxy sends. */
export interface ProxyFault {
  /** Cuts each connection after so many bytes of the answer. */
  readonly cutAfterBytes?: number;
  /** Lets so many bytes of an answer through every TRICKLE_MS, after the first `freeBytes` of it. */
  readonly trickle?: { readonly freeBytes: number; readonly bytes: number };
  /** Accepts nobody. */
  readonly isDown?: boolean;
}

const TRICKLE_MS = 50;

export class TcpProxy {
  fault: ProxyFault = {};
  /** Connections that have been cut by a fault. */
  cuts = 0;
  /** Bytes that came from the server behind. */
  bytes = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly targetPort: number,
  ) {
    server.on('connection', (client) => this.connect(client));
  }

  static async to(targetPort: number): Promise<TcpProxy> {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
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
    if (this.fault.isDown) {
      client.destroy();
      return;
    }
    const server = createConnection(this.targetPort, '127.0.0.1');
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.sockets.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          this.sockets.delete(socket);
          other.destroy();
        });
    }
    client.pipe(server);
    this.answer(server, client);
  }

  private async answer(server: Socket, client: Socket): Promise<void> {
    let passed = 0;
    server.on('data', (piece: Buffer) => {
      this.bytes += piece.length;
      const { cutAfterBytes, trickle } = this.fault;
      if (cutAfterBytes !== undefined && passed + piece.length >= cutAfterBytes) {
        this.cuts += 1;
        client.end(piece.subarray(0, cutAfterBytes - passed), () => client.destroy());
        return;
      }
      passed += piece.length;
      if (trickle === undefined || passed <= trickle.freeBytes) client.write(piece);
      else this.dripOut(server, client, piece, trickle.bytes);
    });
    server.on('end', () => client.end());
  }

  private dripOut(server: Socket, client: Socket, piece: Buffer, bytes: number): void {
    server.pause();
    let at = 0;
    const timer = setInterval(() => {
      client.write(piece.subarray(at, at + bytes));
      at += bytes;
      if (at < piece.length && !client.destroyed) return;
      clearInterval(timer);
      server.resume();
    }, TRICKLE_MS);
  }
}
