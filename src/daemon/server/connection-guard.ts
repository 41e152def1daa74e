/**
 * Who holds the server's connections. Of those by which nobody has proved anything yet only so many may wait, and the one
 * that has waited longest goes when another comes: whoever opens connections and says nothing, or says it slowly, keeps
 * nobody else out, since a peer proves who it is with the first thing it sends. And a member has so many and no more.
 */
import type { Server, Socket } from 'node:net';
import { SqlsyncError } from '../../errors.js';

/** The part of all connections by which nothing has been proved. */
const UNPROVEN_PART = 0.5;
/** A member needs a live connection and one for exchanges, and may be making them anew. */
export const MEMBER_CONNECTIONS_MAX = 32;

/** Where a connection comes from: the same for a TLS socket and the one under it. */
type End = Pick<Socket, 'remoteAddress' | 'remotePort'>;

export class ConnectionGuard {
  /** In the order in which they came. */
  private readonly unproven = new Map<string, Socket>();
  private readonly unprovenMax: number;
  /** The open connections of each member. */
  private readonly byMember = new Map<string, Set<string>>();

  constructor(server: Server, connectionsMax: number) {
    this.unprovenMax = Math.max(1, Math.floor(connectionsMax * UNPROVEN_PART));
    server.on('connection', (socket: Socket) => this.take(socket));
  }

  /**
   * Whoever uses this connection has proved who it is. Throws `rate-limited` for a member that has too many.
   * @param member null: one of those that share the secret
   */
  proved(end: End, member: string | null): void {
    const name = nameOf(end);
    this.unproven.delete(name);
    if (member === null) return;
    const open = this.byMember.get(member) ?? new Set();
    if (!open.has(name) && open.size >= MEMBER_CONNECTIONS_MAX) {
      throw new SqlsyncError('rate-limited', `this member has ${open.size} connections here already`, {
        hint: 'look whether its key is used elsewhere; if it is: sqlsync members revoke NAME',
      });
    }
    this.byMember.set(member, open.add(name));
  }

  private take(socket: Socket): void {
    const name = nameOf(socket);
    this.unproven.set(name, socket);
    socket.once('close', () => this.forget(name, socket));
    if (this.unproven.size <= this.unprovenMax) return;
    const [oldest] = this.unproven;
    if (oldest === undefined) return;
    this.unproven.delete(oldest[0]);
    oldest[1].destroy();
  }

  private forget(name: string, socket: Socket): void {
    if (this.unproven.get(name) === socket) this.unproven.delete(name);
    for (const [member, open] of this.byMember) {
      if (open.delete(name) && open.size === 0) this.byMember.delete(member);
    }
  }
}

function nameOf({ remoteAddress, remotePort }: End): string {
  return `${remoteAddress} ${remotePort}`;
}
