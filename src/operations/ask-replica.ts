/** What one database's replica says of itself: its daemon's word if one serves the file, else what the file tells. */
import type { DatabaseConfig } from '../config.js';
import { readNodeIdentity } from '../replication/file-contents.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import { notInitialised } from './assert-initialised.js';
import type { Machine } from './machine.js';
import { readReplicaStatus } from './replica-figures.js';
import type { FindDaemon } from './running-daemon.js';

export interface AskReplicaDeps extends Pick<Machine, 'files' | 'now' | 'random'> {
  readonly findDaemon: FindDaemon;
}

export async function askReplica({ name, path }: DatabaseConfig, deps: AskReplicaDeps): Promise<ReplicaStatus> {
  const daemon = await deps.findDaemon(deps.files.locate(path));
  const served = (await daemon?.status())?.databases.find((database) => database.name === name);
  if (served?.replica) return served.replica;
  return deps.files.withSnapshot(path, (db) => {
    if (readNodeIdentity(db) === null) throw notInitialised(path);
    return readReplicaStatus(db, deps);
  });
}
