/** One exchange now: through the daemon that serves the files, or by this process while none does. */
import { type Config, pickDatabase } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { assertInitialised } from './assert-initialised.js';
import { findAnyDaemon } from './find-any-daemon.js';
import type { Machine } from './machine.js';
import type { FindDaemon, SyncProgress, SyncResult, SyncTargets } from './running-daemon.js';

export interface SyncRequest {
  /** Undefined: all of the configuration. */
  readonly database: string | undefined;
  /** Empty: all. */
  readonly peers: readonly string[];
}

export interface SyncDeps extends Pick<Machine, 'files'> {
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
  const known = config.peers.map(({ name }) => name);
  const unknown = request.peers.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new SqlsyncError('peer-unknown', `${config.file} has no peer "${unknown}"`, {
      hint: `It has: ${known.join(', ') || 'none'}. A member that dials this node is reached only while the daemon runs.`,
    });
  }
  assertInitialised(databases, deps.files);
  return deps.syncOnce(which);
}

/** What a sync that did not reach everybody ends with; null: it did. */
export function syncFailure(results: readonly SyncResult[]): SqlsyncError | null {
  const failed = results.filter(({ error }) => error !== null);
  const [first] = failed;
  if (first?.error == null) return null;
  // One peer asked for: its own reason, and its exit code. Several: that some are unavailable.
  const { code, message, hint } = first.error;
  if (results.length === 1) return new SqlsyncError(code, message, hint === null ? {} : { hint });
  const names = failed.map(({ peer, database }) => `${peer} (${database})`).join(', ');
  return new SqlsyncError('peer-unreachable', `${failed.length} of ${results.length} exchanges failed: ${names}`);
}
