/**
 * Makes a file here a copy of a peer's, and this node a member of its data set. Until the snapshot has come whole and
 * been found good nothing changes here but a draft beside the file; then the configuration is extended, the file that
 * was there is put aside, and the draft takes its place. A join that is cut short is simply done again.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ConfigAdditions, checkConfigAdditions, extendConfigFile, type PeerAddition } from '../config-edit.js';
import { SqlsyncError } from '../errors.js';
import type { Invitation } from '../invitation.js';
import { type MemberKey, makeMemberKey } from '../member-key.js';
import { isBlank, type NodeIdentity, readNodeIdentity, tableWithRows } from '../replication/file-contents.js';
import type { Rejoining } from '../replication/members.js';
import type { MergeForecast } from '../replication/merge-files.js';
import type { MergeParties } from '../replication/merge-rows.js';
import { enterOperation } from '../replication/operation-record.js';
import { prepareSnapshot } from '../replication/snapshot.js';
import { readSecrets } from '../secrets.js';
import {
  additionsFor,
  type ConfigurationTarget,
  chooseDatabaseName,
  chooseNodeName,
  chooseSecretFile,
  configuredDatabase,
  type NodeRequest,
} from './configuration-target.js';
import type { DatabaseFiles, FileLock } from './database-files.js';
import type { Machine } from './machine.js';
import type { MemberKeys } from './member-keys.js';
import { assertSettled, forecastMerge, type MergeReport, type MergeRequest, mergeInto } from './merge-database.js';
import { makeMissingCertificate } from './own-certificate.js';
import { asidePathFor, assertUnused, placeDatabase } from './place-database.js';
import { operationRecord } from './record-operation.js';

export interface JoinRequest extends NodeRequest {
  readonly url: string;
  /** Opens the peer's door once, in place of a shared secret; null: the secret does. */
  readonly invitation: Invitation | null;
  readonly path: string;
  /** The database's name, here and there; undefined: the only one the peer has. */
  readonly name: string | undefined;
  /** A file that has rows may be put aside. */
  readonly replace: boolean;
  /** The file's rows take part; null: they do not. */
  readonly merge: MergeRequest | null;
  /** As it was typed, for the record of operations. */
  readonly command: string;
}

/** Where a snapshot comes from. Errors are the registry's about peers; what stands at `path` then is worth nothing. */
export interface SnapshotSource {
  /** Uses the invitation up, for this key alone. Throws `invite-refused`, `invite-expired` or `invite-used`. */
  enrol(invitation: Invitation, key: MemberKey): Promise<Enrolment>;
  download(request: SnapshotRequest, path: string): Promise<SnapshotOrigin>;
}

export interface SnapshotRequest {
  readonly url: string;
  /** Null: the only one the peer has. */
  readonly database: string | null;
  readonly node: string;
  readonly nodeId: string;
  readonly by: PeerAccess;
  /** As what the newcomer wants to belong. */
  readonly access: 'read' | 'write';
  /** False: only to look at. The node does not become a member. */
  readonly joins: boolean;
  /** Who it was before, and what it has; left out: a newcomer. */
  readonly rejoining?: Rejoining;
}

/** By what the peer knows this node. */
export interface PeerAccess {
  /** Null: this node knows none. */
  readonly secret: string | null;
  /** This node's own key for a data set; null: it has none. */
  readonly member: { readonly key: MemberKey; readonly dataset: string } | null;
  /** The peer's node name; null: not known before it has answered, so it is shown the secret itself. */
  readonly sponsor: string | null;
  /** Of the peer's certificate: any of them; null: it is judged by who signed it. */
  readonly fingerprints: readonly string[] | null;
}

export interface Enrolment {
  readonly dataset: string;
  readonly access: 'read' | 'write';
}

export interface SnapshotOrigin {
  /** The peer's node name. */
  readonly peer: string;
  readonly database: string;
  readonly bytes: number;
}

export interface JoinDeps extends Machine {
  readonly snapshots: SnapshotSource;
  readonly keys: MemberKeys;
}

export interface JoinReport {
  readonly database: string;
  readonly path: string;
  readonly node: string;
  readonly peer: string;
  readonly bytes: number;
  /** Where the file that was there is now; null: there was none, or nothing in it. */
  readonly setAside: string | null;
  readonly configFile: string;
  /** Null: nothing was merged. */
  readonly merge: MergeReport | null;
}

export async function joinDatabase(
  request: JoinRequest,
  target: ConfigurationTarget,
  deps: JoinDeps,
): Promise<JoinReport> {
  const path = resolve(request.path);
  const lock = deps.files.lock(path);
  try {
    const present = existsSync(lock.path) ? assertMayReplace(lock.path, request, deps.files) : 'nothing';
    const report = await takePlace(request, target, deps, { path, lock, present });
    lock.release();
    return report;
  } catch (error) {
    // The invitation is good for the key beside the file alone: a join that is done again needs both.
    if (request.invitation !== null && deps.keys.read(lock.path, request.invitation.node) !== null) lock.release();
    else lock.abandon();
    throw error;
  }
}

/** What is at the path: no file, one with nothing in it, or one that has to be kept. */
type Present = 'nothing' | 'blank' | 'content';

/** Throws when the file has rows and the operator has not said that it may go, or somebody has it open. */
function assertMayReplace(path: string, request: JoinRequest, files: DatabaseFiles): Present {
  const { identity, table, blank } = files.withSnapshot(path, (db) => ({
    identity: readNodeIdentity(db),
    table: tableWithRows(db),
    blank: isBlank(db),
  }));
  if (!request.replace && request.merge === null && table !== null) throw hasRows(path, table, identity);
  assertUnused(path, files);
  return blank ? 'blank' : 'content';
}

function hasRows(path: string, table: string, identity: NodeIdentity | null): SqlsyncError {
  if (identity === null) {
    return new SqlsyncError('database-has-rows', `${path} has rows (table ${table})`, {
      hint: '--replace keeps the file beside the new one, and its rows do not take part; --merge joins both, row by row.',
    });
  }
  const message = `${path} belongs to node ${identity.node} already, and has rows (table ${table})`;
  return new SqlsyncError('database-has-rows', message, {
    hint: '`sqlsync sync` exchanges what is new. To seed it afresh add --replace: the file is kept beside the new one.',
  });
}

interface Place {
  readonly path: string;
  readonly lock: FileLock;
  readonly present: Present;
}

async function takePlace(
  request: JoinRequest,
  target: ConfigurationTarget,
  deps: JoinDeps,
  { path, lock, present }: Place,
): Promise<JoinReport> {
  const { files, env } = deps;
  const node = nodeNameFor(request, target, path, deps.hostname);
  const { invitation } = request;
  const secretFile = invitation === null ? chooseSecretFile(request.secretFile, target, env) : null;
  const secret = invitation === null ? readSharedSecret(secretFile, env) : null;
  const wanted = request.name ?? configuredDatabase(target, path)?.name;
  const additions = (name: string): ConfigAdditions =>
    additionsFor(target, { node, listen: request.listen, secretFile, database: { name, path } });
  // What is wrong with the configuration is better known before a large file has come.
  checkConfigAdditions(target.file, additions(chooseDatabaseName(wanted, path, target)), env);

  const nodeId = deps.random.hex(16);
  const { by, access } = await accessTo(request, secret, lock.path, deps);
  const fetch = (joins: boolean) =>
    deps.snapshots.download(
      { url: request.url, database: wanted ?? null, node, nodeId, by, access, joins },
      lock.draftPath,
    );
  const merge = present === 'content' ? request.merge : null;
  let forecast: MergeForecast[] = [];
  // What may keep a merge from being carried out is better known before the others have a new member.
  if (merge !== null && (merge.dryRun || merge.preference === null || isNode(lock.path, files))) {
    const origin = await fetch(false);
    forecast = forecastMerge(lock.draftPath, lock.path, deps);
    const { peer, bytes } = origin;
    const found = { database: chooseDatabaseName(origin.database, path, target), path, node, peer, bytes };
    if (merge.dryRun) return { ...found, setAside: null, configFile: target.file, merge: { forecast, outcome: null } };
    assertSettled(forecast, merge);
  }
  const origin = await fetch(true);
  const nowMs = deps.now().getTime();
  files.withConnection(lock.draftPath, (db) => {
    prepareSnapshot(db, { node, nodeId, nowMs });
    if (merge !== null) return;
    const detail = { peer: origin.peer, replaced: present === 'content' };
    const record = operationRecord(node, { command: request.command, detail }, deps);
    db.transaction(() => enterOperation(db, record, nowMs)).immediate();
  });
  const parties = { here: node, there: origin.peer, nowMs };
  const report = merge === null ? null : carryOutMerge({ ...merge, command: request.command }, parties, lock, deps);

  const database = chooseDatabaseName(origin.database, path, target);
  if (present !== 'nothing') assertUnused(lock.path, files);
  const fingerprint = invitation?.fingerprint ?? undefined;
  const peer = { ...peerEntry(target, origin.peer, request.url, database), fingerprint };
  const added = additions(database);
  makeMissingCertificate(added.tls, { node, listen: request.listen, now: deps.now() });
  extendConfigFile(target.file, { ...added, peer }, env);
  const setAside = present === 'content' ? asidePathFor(lock.path, deps.now()) : null;
  placeDatabase(lock.draftPath, lock.path, setAside);
  const { bytes } = origin;
  return { database, path, node, peer: origin.peer, bytes, setAside, configFile: target.file, merge: report };
}

/** By what the peer lets this node in. An invitation is used up here. */
async function accessTo(
  { invitation }: JoinRequest,
  secret: string | null,
  path: string,
  { snapshots, keys }: JoinDeps,
): Promise<{ readonly by: PeerAccess; readonly access: 'read' | 'write' }> {
  if (invitation === null) return { by: { secret, member: null, sponsor: null, fingerprints: null }, access: 'write' };
  const { node, sponsor, fingerprint } = invitation;
  const key = keys.read(path, node) ?? makeMemberKey(node);
  keys.write(path, key);
  const { dataset, access } = await snapshots.enrol(invitation, key);
  const fingerprints = fingerprint === null ? null : [fingerprint];
  return { by: { secret: null, member: { key, dataset }, sponsor, fingerprints }, access };
}

function isNode(path: string, files: DatabaseFiles): boolean {
  return files.withSnapshot(path, readNodeIdentity) !== null;
}

function carryOutMerge(
  merge: MergeRequest & { readonly command: string },
  parties: MergeParties,
  lock: FileLock,
  deps: JoinDeps,
): MergeReport {
  const forecast = forecastMerge(lock.draftPath, lock.path, deps);
  const decision = { preference: merge.preference ?? { by: 'there' as const }, command: merge.command };
  return { forecast, outcome: mergeInto(lock.draftPath, lock.path, decision, parties, deps) };
}

/** A node whose only database is seeded afresh may come back under another name: its old one stays taken. */
function nodeNameFor(
  { node: asked, invitation }: JoinRequest,
  target: ConfigurationTarget,
  path: string,
  hostname: string,
): string {
  const node = asked ?? invitation?.node;
  if (invitation !== null && node !== invitation.node) {
    throw new SqlsyncError('usage', `the invitation is for ${invitation.node}, not for ${node}`, {
      hint: `leave out --node, or have one made for that name: sqlsync invite ${node}`,
    });
  }
  const isOnlyDatabase = configuredDatabase(target, path) !== null && target.existing?.databases.length === 1;
  return node !== undefined && isOnlyDatabase ? node : chooseNodeName(node, target, null, hostname);
}

/** A peer that is configured already exchanges this database from now on too. */
function peerEntry({ existing }: ConfigurationTarget, name: string, url: string, database: string): PeerAddition {
  const known = existing?.peers.find((peer) => peer.name === name)?.databases ?? ['*'];
  const isExchanged = known.includes('*') || known.includes(database);
  return { name, url, ...(!isExchanged && { databases: [...known, database] }) };
}

/** A newcomer takes over the secret that the others have; one of its own would open no door. */
function readSharedSecret(secretFile: string | null, env: JoinDeps['env']): string {
  try {
    const [secret = ''] = readSecrets({ secretFile }, env);
    return secret;
  } catch (error) {
    if (!(error instanceof SqlsyncError) || error.code !== 'secret-missing') throw error;
    throw new SqlsyncError('secret-missing', error.message, {
      hint: "Copy the peer's secret file to this machine (mode 600) and name it: --secret-file FILE",
      cause: error,
    });
  }
}
