/** The databases a daemon serves, by the name they have on every node. */
import { SqlsyncError } from '../../errors.js';
import type { Hello } from '../../replication/wire-messages.js';
import type { PeerBook } from '../peer/peer-book.js';
import type { PeerRecord } from '../peer/peer-record.js';
import type { DatabaseService } from './database-service.js';
import type { Presence } from './presence.js';

export interface ServedDatabase {
  readonly service: DatabaseService;
  readonly peers: PeerBook;
  readonly presence: Presence;
}

export class ServedDatabases {
  constructor(private readonly databases: readonly ServedDatabase[]) {}

  all(): readonly ServedDatabase[] {
    return this.databases;
  }

  /** Throws `database-unknown`. Without a name, the only one there is. */
  find(name: string | null): ServedDatabase {
    const found = name === null ? this.databases : this.databases.filter(({ service }) => service.name === name);
    const [only] = found;
    if (only !== undefined && found.length === 1) return only;
    const message = name === null ? 'this node serves several databases' : `this node serves no database "${name}"`;
    throw new SqlsyncError('database-unknown', message, {
      hint: 'a database has the same name in the configuration of every node',
    });
  }

  /** Throws `database-unknown`. */
  at(realPath: string): ServedDatabase {
    const found = this.databases.find(({ service }) => service.path === realPath);
    if (found !== undefined) return found;
    throw new SqlsyncError('database-unknown', `this node does not serve ${realPath}`, {
      hint: 'restart the daemon if it was added to the configuration since it started',
    });
  }

  /** The database a peer asks for and the peer's record, once the peer has been found fit to exchange with. */
  async greet(hello: Hello): Promise<ServedDatabase & { readonly peer: PeerRecord }> {
    const { service, peers, presence } = this.find(hello.database);
    peers.refusePaused(hello.node);
    try {
      await service.greet(hello);
    } catch (error) {
      if (error instanceof SqlsyncError) peers.of(hello.node).turnedAway(error);
      throw error;
    }
    const peer = peers.admit(hello);
    peer.heard(hello, Date.now());
    service.acknowledge(hello);
    return { service, peers, presence, peer };
  }
}
