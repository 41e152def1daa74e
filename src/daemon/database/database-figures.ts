/** What a node can say of one database, and what a look at its file tells besides: for figures over time. */
import type { Database } from 'better-sqlite3';
import { inspectCapture } from '../../replication/inspect-capture.js';
import type { Replica } from '../../replication/replica.js';
import type { ReplicaStatus } from '../../replication/replica-status.js';
import { readRetainedBytes } from '../../replication/retained-bytes.js';
import type { Slices } from '../../replication/slices.js';

export interface DatabaseFigures {
  readonly replica: ReplicaStatus;
  /** Are all triggers there, and has every table been decided about? */
  readonly isCaptureComplete: boolean;
  readonly retainedBytes: number;
}

/** @param reader a connection that sees the file's own schema, triggers and all */
export function* readFigures(replica: Replica, reader: Database): Slices<DatabaseFigures> {
  const status = yield* replica.statusInSlices();
  const isCaptureComplete = inspectCapture(reader).complete;
  yield;
  return { replica: status, isCaptureComplete, retainedBytes: yield* readRetainedBytes(reader) };
}
