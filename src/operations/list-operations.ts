/** What operators did to a data set, on any of its nodes: as far as this node has heard. */
import type { DatabaseConfig } from '../config.js';
import { cursorOf, type Page, placeOf } from '../page.js';
import { readNodeIdentity } from '../replication/file-contents.js';
import { readOperations } from '../replication/operation-record.js';
import { notInitialised } from './assert-initialised.js';
import type { Machine } from './machine.js';

export interface OperationReport {
  readonly id: string;
  readonly at: string;
  readonly node: string;
  readonly operator: string;
  readonly command: string;
  readonly detail: unknown;
  /** `done`, or an error's code. */
  readonly result: string;
}

export interface OperationsQuery {
  readonly sinceMs: number | undefined;
  readonly cursor: string | undefined;
  readonly limit: number;
}

/** Newest first. */
export function listOperations(
  { path }: DatabaseConfig,
  { sinceMs, cursor, limit }: OperationsQuery,
  { files }: Pick<Machine, 'files'>,
): Page<OperationReport> {
  const [atMs, id] = cursor === undefined ? [] : placeOf(cursor, ['number', 'string']);
  const after = cursor === undefined ? null : { atMs: atMs as number, id: id as string };
  return files.withSnapshot(path, (db) => {
    if (readNodeIdentity(db) === null) throw notInitialised(path);
    const { operations, total, isLast } = readOperations(db, { sinceMs: sinceMs ?? null, after, limit });
    const last = operations.at(-1);
    return {
      items: operations.map(({ atMs: at, ...rest }) => ({ ...rest, at: new Date(at).toISOString() })),
      total,
      nextCursor: isLast || last === undefined ? null : cursorOf([last.atMs, last.id]),
    };
  });
}
