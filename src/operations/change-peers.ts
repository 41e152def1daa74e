/** Whom this node dials, and with whom it exchanges nothing for now. A daemon that runs hears of it at once. */
import type { Config } from '../config.js';
import { type EditOutcome, extendConfigFile, removePeerFromFile } from '../config-edit.js';
import { SqlsyncError } from '../errors.js';
import { findAnyDaemon } from './find-any-daemon.js';
import type { Machine } from './machine.js';
import type { PausedPeers } from './paused-peers.js';
import { readStatus, type StatusDeps } from './read-status.js';
import { type Operation, type OperationDeps, recordInAll } from './record-operation.js';
import type { FindDaemon } from './running-daemon.js';

export interface PeerChange {
  readonly peer: string;
  /** Was anything changed? */
  readonly changed: boolean;
  /** The daemon that was told; null: none runs. */
  readonly pid: number | null;
  /** Databases in whose record of operations this is not, since their files cannot be written. */
  readonly unrecorded: readonly string[];
}

export interface ChangePeersDeps extends Pick<Machine, 'env'>, OperationDeps {
  readonly findDaemon: FindDaemon;
  /** Has a daemon read its configuration anew. */
  readonly reloadDaemon: (pid: number) => void;
}

/** Adds a peer to the configuration, or gives one that is there another URL. Throws `usage` for this node's own name. */
export async function addPeer(
  config: Config,
  peer: { readonly name: string; readonly url: string },
  command: string,
  deps: ChangePeersDeps,
): Promise<PeerChange> {
  if (peer.name === config.node) {
    throw new SqlsyncError('usage', `"${peer.name}" is the name of this node`, {
      hint: 'Name the other node: NAME is what its `sqlsync status` begins with.',
    });
  }
  const outcome = extendConfigFile(config.file, { peer }, deps.env);
  return tellDaemon(config, outcome, { command, detail: { peer: peer.name } }, deps);
}

/** Takes a peer out of the configuration. Throws peer-unknown when it is not there. */
export function removePeer(config: Config, name: string, command: string, deps: ChangePeersDeps): Promise<PeerChange> {
  if (!config.peers.some((peer) => peer.name === name)) throw unknownPeer(config, name);
  const outcome = removePeerFromFile(config.file, name, deps.env);
  return tellDaemon(config, outcome, { command, detail: { peer: name } }, deps);
}

interface PeerOperation extends Operation {
  readonly detail: { readonly peer: string };
}

async function tellDaemon(
  config: Config,
  outcome: EditOutcome,
  operation: PeerOperation,
  deps: ChangePeersDeps,
): Promise<PeerChange> {
  const changed = outcome !== 'unchanged';
  const daemon = changed ? await findAnyDaemon(config.databases, deps) : null;
  if (daemon !== null) deps.reloadDaemon(daemon.pid);
  const unrecorded = changed ? recordInAll(config.databases, operation, deps) : [];
  return { peer: operation.detail.peer, changed, pid: daemon?.pid ?? null, unrecorded };
}

/** Stops all exchange with a peer, or lets it go on; it stays so for daemons that start later. */
export async function pausePeer(
  config: Config,
  name: string,
  isPaused: boolean,
  command: string,
  deps: StatusDeps & OperationDeps,
): Promise<PeerChange> {
  const { databases } = await readStatus(config, config.databases, deps);
  const states = databases.flatMap(({ peers }) => peers.filter((peer) => peer.name === name).map(({ state }) => state));
  if (states.length === 0) throw unknownPeer(config, name);
  const changed = states.some((state) => (state === 'paused') !== isPaused);
  const daemon = await findAnyDaemon(config.databases, deps);
  if (daemon === null)
    for (const { path } of databases) setPaused(deps.files.locate(path), name, isPaused, deps.paused);
  else if (isPaused) await daemon.pause(name);
  else await daemon.resume(name);
  const unrecorded = changed ? recordInAll(config.databases, { command, detail: { peer: name } }, deps) : [];
  return { peer: name, changed, pid: daemon?.pid ?? null, unrecorded };
}

function setPaused(realPath: string, name: string, isPaused: boolean, paused: PausedPeers): void {
  const others = paused.read(realPath).filter((other) => other !== name);
  paused.write(realPath, isPaused ? [...others, name] : others);
}

function unknownPeer({ file, peers }: Config, name: string): SqlsyncError {
  const known = peers.map((peer) => peer.name).join(', ') || 'none';
  return new SqlsyncError('peer-unknown', `there is no peer "${name}"`, { hint: `${file} has: ${known}` });
}
