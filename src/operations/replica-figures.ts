/** A node's own figures, read from its file without serving it. */
import type { Database } from 'better-sqlite3';
import { Replica } from '../replication/replica.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import type { Machine } from './machine.js';

/** Bounds on work that reading does not do. */
const NO_WORK = {
  foldEntriesMax: 0,
  applyTransactionRowsMax: 0,
  applyTransactionBytesMax: 0,
  lockHoldMsMax: 0,
  gapRowsBytesMax: 0,
  clockAheadSecondsMax: 0,
};

export function readReplicaStatus(db: Database, machine: Pick<Machine, 'now' | 'random'>): ReplicaStatus {
  return readReplica(db, machine).status();
}

/**
 * A node to be asked, and not to do anything.
 * @param db a connection to a file that has been initialised, in a transaction that is rolled back: opening a node puts
 * its triggers right where they are not
 */
export function readReplica(db: Database, { now, random }: Pick<Machine, 'now' | 'random'>): Replica {
  const clock = { nowMs: () => now().getTime() };
  return Replica.open({ writer: db, reader: db, install: db, clock, random, limits: NO_WORK });
}
