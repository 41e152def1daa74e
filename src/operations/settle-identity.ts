/**
 * Answers the question that a file raises which may be a copy (identity-unknown): what is it?
 *   moved     the original, at another place; the old one is gone
 *   restored  a backup of the original, which goes on in its stead: what it lacks comes from the others
 *   copied    a second one, while the original goes on: sqlsync is taken out of it, and it can join as a node of its own
 */
import { resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { Config } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { type NodeIdentity, readNodeIdentity } from '../replication/file-contents.js';
import { type FilePlace, readPlace, writePlace } from '../replication/file-place.js';
import { enterOperation } from '../replication/operation-record.js';
import { uninstallCapture } from '../replication/uninstall-capture.js';
import { notInitialised } from './assert-initialised.js';
import type { Machine } from './machine.js';
import { operationRecord } from './record-operation.js';

export type IdentityAnswer = 'moved' | 'restored' | 'copied';

export interface IdentityReport {
  readonly path: string;
  readonly node: string;
  readonly answer: IdentityAnswer;
  /** Where it was served before; null: nowhere, as far as the file tells. */
  readonly before: FilePlace | null;
  readonly changed: boolean;
}

/** The file that is meant. Throws database-not-initialised where there is nothing of ours. */
export function findIdentity(
  nameOrPath: string,
  config: Config | null,
  { files }: Machine,
): { readonly path: string; readonly identity: NodeIdentity; readonly before: FilePlace | null } {
  const path = config?.databases.find(({ name }) => name === nameOrPath)?.path ?? resolve(nameOrPath);
  return files.withSnapshot(path, (db) => {
    const identity = readNodeIdentity(db);
    if (identity === null) throw notInitialised(path);
    return { path, identity, before: readPlace(db) };
  });
}

/**
 * Throws database-in-use while a daemon serves the file.
 * @param command as it was typed, for the record of operations
 */
export function settleIdentity(
  { path, identity, before }: ReturnType<typeof findIdentity>,
  answer: IdentityAnswer,
  command: string,
  machine: Machine,
): IdentityReport {
  const { files } = machine;
  const lock = files.lock(path);
  try {
    if (answer === 'copied') files.withConnection(path, uninstallCapture);
    else {
      const place = { path: lock.path, file: files.fileIdentity(lock.path) };
      const record = operationRecord(identity.node, { command, detail: { answer, before } }, machine);
      const settle = (db: Database) => {
        writePlace(db, place);
        enterOperation(db, record, machine.now().getTime());
      };
      files.withConnection(path, (db) => db.transaction(() => settle(db)).immediate());
    }
  } catch (error) {
    lock.release();
    throw error;
  }
  if (answer === 'copied') lock.removeFolder();
  else lock.release();
  return { path, node: identity.node, answer, before, changed: true };
}

/** What an answer comes to, in words that end a question. */
export function describeAnswer(answer: IdentityAnswer, node: string, path: string): string {
  if (answer === 'moved') return `${path} is node ${node}, and its old file is gone`;
  if (answer === 'restored') return `${path} is a backup that goes on as node ${node}, and its old file is gone`;
  return `${path} is a copy: sqlsync is taken out of it, and changes in it that node ${node} has not sent stay in this file only`;
}

/** Exactly one of the three must have been given. */
export function answerFrom(flags: Partial<Record<IdentityAnswer, boolean>>): IdentityAnswer {
  const given = (['moved', 'restored', 'copied'] as const).filter((answer) => flags[answer]);
  const [only] = given;
  if (only !== undefined && given.length === 1) return only;
  throw new SqlsyncError('usage', 'say what the file is: one of --moved, --restored and --copied', {
    hint: '--moved: the old file is gone. --restored: this is a backup of it. --copied: both go on.',
  });
}
