/**
 * An operator's decision about changes that wait in quarantine, on a database that this process serves: in transactions
 * of a few changes each, and entered among the operations.
 */
import { randomBytes } from 'node:crypto';
import type { QuarantineRequest } from '../../operations/running-daemon.js';
import type { KeptDecision } from '../../replication/decide-kept.js';
import type { OperationRecord } from '../../replication/operation-record.js';
import type { DatabaseService } from './database-service.js';

/** Changes that one transaction tries again. */
const RETRIES_MAX = 200;
/** Changes that one transaction gives up: the record of the operation holds all their images. */
const DISCARDS_MAX = 20;

/** Throws `catching-up`, and `database-locked` after limits.lockWaitMsMax: what came before that stays done. */
export async function decideKept(service: DatabaseService, request: QuarantineRequest): Promise<KeptDecision[]> {
  // What the application has written is folded in steps first: a decision folds the little that is left.
  await service.fold();
  const decisions = request.act === 'retry' ? await retry(service, request) : await discard(service, request);
  await service.fold();
  return decisions;
}

async function discard(service: DatabaseService, request: QuarantineRequest): Promise<KeptDecision[]> {
  const { replica } = service;
  return inParts(request.ids, DISCARDS_MAX, (ids) =>
    service.work(() => replica.discardKeptChanges(ids, operation(service, request))),
  );
}

async function retry(service: DatabaseService, request: QuarantineRequest): Promise<KeptDecision[]> {
  const { replica } = service;
  const decisions = await inParts(request.ids, RETRIES_MAX, (ids) => service.work(() => replica.retryKeptChanges(ids)));
  const isDone = decisions.every(({ outcome }) => outcome !== 'refused');
  const result = isDone ? 'done' : 'changes-quarantined';
  const record = { ...operation(service, request), detail: { retried: decisions }, result };
  await service.work(() => replica.recordOperation(record));
  return decisions;
}

function operation(
  { replica }: DatabaseService,
  { operator, command }: QuarantineRequest,
): Omit<OperationRecord, 'detail' | 'result'> {
  return { id: randomBytes(16).toString('hex'), node: replica.node, operator, command };
}

async function inParts(
  ids: readonly string[],
  size: number,
  decide: (part: readonly string[]) => Promise<KeptDecision[]>,
): Promise<KeptDecision[]> {
  const decisions: KeptDecision[] = [];
  for (let first = 0; first < ids.length; first += size) {
    decisions.push(...(await decide(ids.slice(first, first + size))));
  }
  return decisions;
}
