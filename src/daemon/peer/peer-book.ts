/** The peers of one database: those of the configuration, and members that dial this node. */
import { SqlsyncError } from '../../errors.js';
import type { Hello } from '../../replication/wire-messages.js';
import { type Direction, PeerRecord } from './peer-record.js';

export interface ConfiguredPeer {
  readonly name: string;
  readonly direction: Direction;
}

export class PeerBook {
  private readonly records = new Map<string, PeerRecord>();

  constructor(
    configured: readonly ConfiguredPeer[],
    private readonly onChange: (record: PeerRecord, error: SqlsyncError | null) => void = () => {},
  ) {
    this.configure(configured);
  }

  /** Takes over what the configuration says now. A peer that is no longer in it may still dial this node. */
  configure(configured: readonly ConfiguredPeer[]): void {
    for (const record of this.records.values()) record.direction = 'both';
    for (const { name, direction } of configured) this.of(name).direction = direction;
  }

  /** The record of a peer, made at first sight. Only those who have proved to be members should get that far. */
  of(name: string): PeerRecord {
    const known = this.records.get(name);
    if (known !== undefined) return known;
    const record = new PeerRecord(name, this.onChange);
    this.records.set(name, record);
    return record;
  }

  /** The record of a peer that dials this node. Throws `peer-refused` while an operator has paused it. */
  admit(peer: Hello): PeerRecord {
    this.refusePaused(peer.node);
    return this.of(peer.node);
  }

  /** Throws `peer-refused` while an operator has paused the exchange with this peer. */
  refusePaused(name: string): void {
    if (this.records.get(name)?.isPaused !== true) return;
    throw new SqlsyncError('peer-refused', `exchange with ${name} is paused here`, {
      hint: `there: sqlsync peers resume ${name}`,
    });
  }

  all(): readonly PeerRecord[] {
    return [...this.records.values()];
  }
}
