/** One exchange now: through the daemon that serves the files, or by this process while none does. */
import { type Config, type DatabaseConfig, pickDatabase } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { assertInitialised } from './assert-initialised.js';
import { findAnyDaemon } from './find-any-daemon.js';
import type { Machine } from './machine.js';
import { readReplicaStatus } from './replica-figures.js';
import type { FindDaemon, SyncProgress, SyncResult, SyncTargets } from './running-daemon.js';

export interface SyncRequest {
  /** Undefined: all of the configuration. */
  readonly database: string | undefined;
  /** Empty: all. */
  readonly peers: readonly string[];
}

export interface SyncDeps extends Pick<Machine, 'files' | 'now' | 'random'> {
  readonly findDaemon: FindDaemon;
  /** An exchange by this process, which takes the files' locks for it. */
  readonly syncOnce: (which: SyncTargets) => Promise<SyncResult[]>;
  readonly onProgress: (progress: SyncProgress) => void;
  readonly signal: AbortSignal;
}

/** How it went with each peer and database. Throws `peer-unknown` for a name that nobody has. */
export async function syncPeers(config: Config, request: SyncRequest, deps: SyncDeps): Promise<SyncResult[]> {
  const databases = request.database === undefined ? config.databases : [pickDatabase(config, request.database)];
  const which = { databases: databases.map(({ name }) => name), peers: [...request.peers] };
  const daemon = await findAnyDaemon(databases, deps);
  if (daemon !== null) return daemon.sync(which, deps.onProgress, deps.signal);
  assertInitialised(databases, deps.files);
  const silent = databases.flatMap((database) => membersThatDial(database, config, request.peers, deps));
  const known = [...config.peers.map(({ name }) => name), ...silent.map(({ peer }) => peer)];
  const unknown = request.peers.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new SqlsyncError('peer-unknown', `${config.file} has no peer "${unknown}"`, {
      hint: `It has: ${config.peers.map(({ name }) => name).join(', ') || 'none'}.`,
    });
  }
  return [...(await deps.syncOnce(which)), ...silent];
}

/**
 * Members that this node does not dial, and that were asked for; without names those of a database for which it dials
 * nobody. They dial this node, if anybody: without a daemon here they cannot.
 */
function membersThatDial(
  { name, path }: DatabaseConfig,
  config: Config,
  asked: readonly string[],
  { files, now, random }: SyncDeps,
): SyncResult[] {
  const dialed = config.peers.filter(({ databases }) => databases.includes('*') || databases.includes(name));
  if (asked.length === 0 && dialed.length > 0) return [];
  const { members } = files.withSnapshot(path, (db) => readReplicaStatus(db, { now, random }));
  return members
    .filter((member) => member !== config.node && !dialed.some((peer) => peer.name === member))
    .filter((member) => asked.length === 0 || asked.includes(member))
    .map((member) => unreached(name, member));
}

function unreached(database: string, peer: string): SyncResult {
  const message = `${peer} dials this node, and no daemon runs here that it could reach: only ${peer} can begin`;
  const error = { code: 'peer-unreachable', message, hint: 'sqlsync start' } as const;
  return { database, peer, rowsSent: 0, rowsReceived: 0, bytesSent: 0, bytesReceived: 0, error };
}

/** What a sync that did not reach everybody ends with; null: it did. */
export function syncFailure(results: readonly SyncResult[]): SqlsyncError | null {
  const failed = results.filter(({ error }) => error !== null);
  const [first] = failed;
  if (first?.error == null) return null;
  // One peer asked for: its own reason, and its exit code. Several: that some are unavailable.
  if (results.length === 1) return SqlsyncError.of(first.error);
  const names = failed.map(({ peer, database }) => `${peer} (${database})`).join(', ');
  return new SqlsyncError('peer-unreachable', `${failed.length} of ${results.length} exchanges failed: ${names}`);
}
