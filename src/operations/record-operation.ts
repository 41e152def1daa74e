/**
 * Enters what an operator did into the files it concerns, where it replicates: who, where, when, which command. An
 * ordinary transaction, beside the daemon that serves the file or without one.
 */
import type { DatabaseConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { readNodeIdentity } from '../replication/file-contents.js';
import { FORMAT_VERSION } from '../replication/metadata-schema.js';
import { enterOperation, type OperationRecord } from '../replication/operation-record.js';
import type { Machine } from './machine.js';

/** What there is to say of an operation, besides who and when. */
export interface Operation {
  /** As it was typed, without secrets. */
  readonly command: string;
  /** What it was about, for programs. */
  readonly detail: unknown;
}

export type OperationDeps = Pick<Machine, 'files' | 'random' | 'now' | 'operator'>;

export function operationRecord(
  node: string,
  { command, detail }: Operation,
  { random, operator }: Pick<Machine, 'random' | 'operator'>,
): OperationRecord {
  return { id: random.hex(16), node, operator, command, detail, result: 'done' };
}

/** Throws what keeps the file from being written. */
function recordIn(path: string, operation: Operation, deps: OperationDeps): void {
  deps.files.withConnection(path, (db) => {
    const enter = () => {
      const identity = readNodeIdentity(db);
      if (identity === null || identity.formatVersion > FORMAT_VERSION) return;
      enterOperation(db, operationRecord(identity.node, operation, deps), deps.now().getTime());
    };
    db.transaction(enter).immediate();
  });
}

/**
 * For what was done to the node as a whole: it is done, whether or not it can be entered everywhere.
 * @returns the names of databases in whose files it could not be entered
 */
export function recordInAll(databases: readonly DatabaseConfig[], operation: Operation, deps: OperationDeps): string[] {
  return databases.flatMap(({ name, path }) => {
    try {
      recordIn(path, operation, deps);
      return [];
    } catch (error) {
      if (error instanceof SqlsyncError) return [name];
      throw error;
    }
  });
}
