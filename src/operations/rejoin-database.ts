/**
 * Seeds a node afresh that cannot go on with what it has: stale, removed from the data set, restored from a backup, or
 * parted from the others. A peer makes it a member anew and sends a snapshot; what only this node has is written again
 * on that; then the file that was there is put aside, and the new one takes its place. Until that moment nothing has
 * changed here but a draft beside the file, so a rejoin that is cut short is simply done again.
 */
import { type Config, pickDatabase } from '../config.js';
import type { DatabaseConfig, PeerConfig } from '../config-schema.js';
import { SqlsyncError } from '../errors.js';
import { lastLogEntry, readNodeIdentity } from '../replication/file-contents.js';
import type { Rejoining } from '../replication/members.js';
import type { RejoinOutcome } from '../replication/rejoin.js';
import { prepareSnapshot } from '../replication/snapshot.js';
import { readSecrets } from '../secrets.js';
import { notInitialised } from './assert-initialised.js';
import type { FileLock } from './database-files.js';
import type { SnapshotOrigin, SnapshotSource } from './join-database.js';
import type { Machine } from './machine.js';
import type { MemberKeys } from './member-keys.js';
import { asidePathFor, assertUnused, placeDatabase } from './place-database.js';
import { readReplica } from './replica-figures.js';

export interface RejoinRequest {
  readonly database: string | undefined;
  /** The peer that seeds this node; undefined: the first of the configuration that can be reached. */
  readonly peer: string | undefined;
  /** Nothing of what only this node has is kept, but in the file that is put aside. */
  readonly discardLocal: boolean;
}

export interface RejoinPlan {
  readonly database: string;
  readonly path: string;
  readonly node: string;
  /** In the order in which they are asked. */
  readonly peers: readonly string[];
  /** Changes by table that the first of the peers has not acknowledged, as far as is known here; null: the file cannot tell. */
  readonly unsent: Readonly<Record<string, number>> | null;
}

export interface RejoinReport {
  readonly database: string;
  readonly path: string;
  readonly node: string;
  readonly peer: string;
  readonly bytes: number;
  /** Where the file that was there is now. */
  readonly setAside: string;
  /** Null: what was only here was discarded. */
  readonly kept: RejoinOutcome | null;
}

export interface RejoinDeps extends Machine {
  readonly snapshots: SnapshotSource;
  readonly keys: MemberKeys;
}

/** Others may dial this node and listen nowhere themselves. */
const NOBODY_TO_ASK =
  'here: `sqlsync peers add NAME=URL`. One that only dials this node has to listen first, there: sqlsync init DB --listen ' +
  'HOST:PORT, then restart its daemon';

/** Codes that say a peer cannot be had just now: then another is asked. */
const UNAVAILABLE: readonly string[] = ['peer-unreachable', 'peer-timeout', 'peer-failed'];

/** What is about to happen. Throws what keeps it from that, and changes nothing. */
export function planRejoin(config: Config, request: RejoinRequest, machine: Machine): RejoinPlan {
  const { name, path } = pickDatabase(config, request.database);
  const peers = peersFor(config, name, request.peer).map((peer) => peer.name);
  const identity = machine.files.withSnapshot(path, readNodeIdentity);
  if (identity === null) throw notInitialised(path);
  const unsent = attempt(() =>
    machine.files.withSnapshot(path, (db) => readReplica(db, machine).unsentChanges(peers[0] as string)),
  );
  return { database: name, path, node: identity.node, peers, unsent };
}

export async function rejoinDatabase(config: Config, request: RejoinRequest, deps: RejoinDeps): Promise<RejoinReport> {
  const database = pickDatabase(config, request.database);
  const peers = peersFor(config, database.name, request.peer);
  const lock = lockFor(database.path, deps);
  try {
    return await takePlace({ config, database, peers, lock, discardLocal: request.discardLocal }, deps);
  } finally {
    lock.release();
  }
}

function peersFor(config: Config, database: string, asked: string | undefined): PeerConfig[] {
  const configured = config.peers.filter(({ databases }) => databases.includes('*') || databases.includes(database));
  const peers = asked === undefined ? configured : configured.filter(({ name }) => name === asked);
  if (peers.length > 0) return peers;
  if (asked !== undefined) {
    throw new SqlsyncError('peer-unknown', `${config.file} has no peer "${asked}" for ${database}`, {
      hint: `sqlsync peers add ${asked}=URL`,
    });
  }
  throw new SqlsyncError(
    'peer-unknown',
    `${config.file} names no peer for ${database} that a snapshot could come from`,
    {
      hint: NOBODY_TO_ASK,
    },
  );
}

function lockFor(path: string, { files }: RejoinDeps): FileLock {
  try {
    return files.lock(files.locate(path));
  } catch (error) {
    if (!(error instanceof SqlsyncError) || error.code !== 'database-in-use') throw error;
    throw new SqlsyncError('database-in-use', error.message, {
      hint: 'Stop the daemon and the application, type `sqlsync rejoin` again, and start both after that.',
      cause: error,
    });
  }
}

interface Rejoin {
  readonly config: Config;
  readonly database: DatabaseConfig;
  readonly peers: readonly PeerConfig[];
  readonly lock: FileLock;
  readonly discardLocal: boolean;
}

async function takePlace(rejoin: Rejoin, deps: RejoinDeps): Promise<RejoinReport> {
  const { config, database, lock, discardLocal } = rejoin;
  const { files } = deps;
  assertUnused(lock.path, files);
  const identity = files.withSnapshot(lock.path, readNodeIdentity);
  if (identity === null) throw notInitialised(database.path);
  const { node, dataset } = identity;
  const nodeId = deps.random.hex(16);
  const nothing = { vector: {}, horizon: 0, dropped: 0 };
  const standing = discardLocal ? nothing : files.withReplica(lock.path, config.limits, foldAll);
  const rejoining: Rejoining = { ...standing, dataset, nodeId: identity.nodeId };
  const origin = await download(rejoin, { node, nodeId, rejoining }, deps);

  const mode = files.withConnection(lock.path, (db) => db.pragma('journal_mode', { simple: true }) as string);
  const { lastHlc, kept } = discardLocal
    ? seedAlone(rejoin, { node, nodeId }, deps)
    : seedWithOwn(rejoin, { nodeId, peer: origin.peer }, deps);
  files.withConnection(lock.draftPath, (db) => db.pragma(`journal_mode = ${mode}`));
  assertUnused(lock.path, files);
  if (!discardLocal) assertUnwritten(lock.path, lastHlc, deps);
  const setAside = asidePathFor(lock.path, deps.now(), 'rejoin');
  placeDatabase(lock.draftPath, lock.path, setAside);
  const { name, path } = database;
  return { database: name, path, node, peer: origin.peer, bytes: origin.bytes, setAside, kept };
}

function foldAll(replica: Parameters<Parameters<RejoinDeps['files']['withReplica']>[2]>[0]) {
  while (replica.fold().more);
  const { vector, horizon, dropped } = replica.hello('rejoin');
  return { vector, horizon, dropped };
}

/** From the first peer that can be reached. */
async function download(
  { config, database, peers, lock }: Rejoin,
  who: { readonly node: string; readonly nodeId: string; readonly rejoining: Rejoining },
  { snapshots, keys, env }: RejoinDeps,
): Promise<SnapshotOrigin> {
  const key = keys.read(lock.path, who.node);
  const member = key === null ? null : { key, dataset: who.rejoining.dataset };
  const isKnownByKey = member !== null && config.secretFile === null && !env.SQLSYNC_SECRET;
  const secret = isKnownByKey ? null : (readSecrets(config, env)[0] ?? null);
  const asked = { database: database.name, ...who, access: 'write', joins: true } as const;
  let failure: unknown = null;
  for (const { name: sponsor, url, fingerprint: fingerprints } of peers) {
    try {
      const by = { secret, member, sponsor, fingerprints };
      return await snapshots.download({ ...asked, url, by }, lock.draftPath);
    } catch (error) {
      if (!(error instanceof SqlsyncError) || !UNAVAILABLE.includes(error.code)) throw error;
      failure = error;
    }
  }
  throw failure;
}

interface Seeded {
  /** The last entry of the log that was taken into account. */
  readonly lastHlc: number;
  readonly kept: RejoinOutcome | null;
}

function seedWithOwn(
  { config, lock }: Rejoin,
  { nodeId, peer }: { readonly nodeId: string; readonly peer: string },
  { files, random, operator }: RejoinDeps,
): Seeded {
  return files.withReplica(lock.path, config.limits, (replica) => {
    while (replica.fold().more);
    const operation = { id: random.hex(16), operator, command: `rejoin ${peer}` };
    const kept = files.withConnection(lock.draftPath, (seed) =>
      replica.rejoinOn(seed, { nodeId, peer, formerPath: lock.path, operation }),
    );
    return { lastHlc: replica.hello('rejoin').folded, kept };
  });
}

function seedAlone(
  { lock }: Rejoin,
  identity: { readonly node: string; readonly nodeId: string },
  { files, now }: RejoinDeps,
): Seeded {
  files.withConnection(lock.draftPath, (seed) => prepareSnapshot(seed, { ...identity, nowMs: now().getTime() }));
  return { lastHlc: 0, kept: null };
}

/** What an application has written since would be in the file that is put aside, and nowhere else. */
function assertUnwritten(path: string, lastHlc: number, { files }: RejoinDeps): void {
  if (files.withConnection(path, lastLogEntry) <= lastHlc) return;
  throw new SqlsyncError('database-locked', `an application has written to ${path} meanwhile`, {
    hint: 'Stop it, and type `sqlsync rejoin` again: nothing has changed yet.',
  });
}

/** A file that cannot be read to the end can still be put aside. */
function attempt<Result>(work: () => Result): Result | null {
  try {
    return work();
  } catch (error) {
    if (error instanceof SqlsyncError) return null;
    throw error;
  }
}
