/**
 * Removes what of a database's history nobody needs: evicts members that have been silent for too long, settles what all
 * have, and removes log entries that are folded and old, and records that are closed and old. In steps between which
 * writers have their turn.
 */
import { randomBytes } from 'node:crypto';
import type { PrunedHistory } from '../../operations/running-daemon.js';
import { HLC_PER_MS } from '../../replication/hlc.js';
import type { Replica } from '../../replication/replica.js';
import type { Slices } from '../../replication/slices.js';
import { type HistoryKept, pruneHistory } from './prune-history.js';

export interface PruneRequest {
  readonly keep: HistoryKept;
  /** Null: nobody is evicted. */
  readonly eviction: { readonly silentMsMax: number; readonly listeningSinceMs: number } | null;
  readonly dryRun: boolean;
}

/** A database as it is pruned: each piece of work waits for its turn at the file. */
export interface PrunableDatabase {
  readonly name: string;
  readonly path: string;
  readonly replica: Replica;
  fold(): Promise<void>;
  work<Result>(attempt: () => Result): Promise<Result>;
  readSlices<Result>(begin: () => Slices<Result>): Promise<Result>;
  runSteps(step: () => { readonly more: boolean }): Promise<void>;
}

export async function pruneDatabase(database: PrunableDatabase, request: PruneRequest): Promise<PrunedHistory> {
  const { name, path, replica } = database;
  const { eviction, keep, dryRun } = request;
  await database.fold();
  const olderThanHlc = (Date.now() - keep.keepLogMs) * HLC_PER_MS;
  const plan = () => database.readSlices(() => replica.planPrune(olderThanHlc));
  const before = await plan();
  if (dryRun) return { database: name, path, evicted: [], undecided: [], before, after: null };
  const operationId = () => randomBytes(16).toString('hex');
  const { members, undecided } =
    eviction === null
      ? { members: [], undecided: [] }
      : await database.work(() => replica.evictSilent({ ...eviction, operationId }));
  await database.runSteps(() => replica.settle());
  await pruneHistory(database, replica, keep, Date.now());
  return {
    ...{ database: name, path, before, after: await plan() },
    evicted: members.map((member) => member.name),
    undecided: undecided.map((member) => member.name),
  };
}
